"Which variables lesson code reads before it binds them, statement by statement."
import ast
from pages import scope_names, BUILTINS, parse, plain

TESTS = {"print", "display", "test_eq", "test_close", "test_fail", "test_ne", "test", "test_is", "test_stdout", "show", "imshow"}

def seg(text, n):
    "Source of a top-level statement, decorators included."
    ls = text.splitlines()
    first = min([n.lineno, *[d.lineno for d in getattr(n, "decorator_list", [])]])
    if first == n.lineno and n.col_offset: return ast.get_source_segment(text, n)
    if first < n.lineno: return "\n".join(ls[first-1:n.end_lineno])
    return ast.get_source_segment(text, n)

def names(node):
    "(names needed, names bound by walrus) of an expression."
    if node is None: return set(), set()
    src = ast.unparse(node)
    b, need = scope_names(src)
    return need - (b - {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} if False else set()), b

def targets(t):
    return {n.id for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}

class Flow:
    def __init__(self): self.read, self.bound, self.later = set(), set(), set()
    def expr(self, e):
        need, b = names(e)
        walrus = {n.target.id for n in ast.walk(e) if isinstance(n, ast.NamedExpr)} if e is not None else set()
        self.read |= need - self.bound - walrus
        self.bound |= walrus
    def run(self, stmts):
        for s in stmts:
            if isinstance(s, (ast.Import, ast.ImportFrom)): self.bound |= {a.asname or a.name.split(".")[0] for a in s.names}
            elif isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                _, need = scope_names(ast.unparse(s)); self.later |= need - self.bound - {s.name}; self.bound.add(s.name)
            elif isinstance(s, (ast.For, ast.AsyncFor)):
                self.expr(s.iter); self.bound |= targets(s.target); self.run(s.body); self.run(s.orelse)
            elif isinstance(s, (ast.With, ast.AsyncWith)):
                for i in s.items:
                    self.expr(i.context_expr)
                    if i.optional_vars is not None: self.bound |= targets(i.optional_vars)
                self.run(s.body)
            elif isinstance(s, (ast.If, ast.While)): self.expr(s.test); self.run(s.body); self.run(s.orelse)
            elif isinstance(s, ast.Try):
                self.run(s.body)
                for h in s.handlers:
                    if h.type is not None: self.expr(h.type)
                    if h.name: self.bound.add(h.name)
                    self.run(h.body)
                self.run(s.orelse); self.run(s.finalbody)
            elif isinstance(s, ast.Assign):
                self.expr(s.value)
                for t in s.targets: self.target(t)
            elif isinstance(s, ast.AugAssign):
                self.expr(s.value); self.read |= {n.id for n in ast.walk(s.target) if isinstance(n, ast.Name)} - self.bound
            elif isinstance(s, ast.AnnAssign):
                if s.value is not None: self.expr(s.value)
                self.target(s.target)
            elif isinstance(s, ast.Delete): self.read |= {n.id for n in ast.walk(s) if isinstance(n, ast.Name)} - self.bound
            else:
                for e in ast.iter_child_nodes(s):
                    if isinstance(e, ast.expr): self.expr(e)
    def target(self, t):
        if isinstance(t, (ast.Tuple, ast.List)):
            for e in t.elts: self.target(e)
        elif isinstance(t, ast.Starred): self.target(t.value)
        elif isinstance(t, ast.Name): self.bound.add(t.id)
        else:
            self.read |= {n.id for n in ast.walk(t) if isinstance(n, ast.Name)} - self.bound

def flow(text_or_node):
    "(read before bound, bound) of lesson code."
    f = Flow()
    tree = parse(text_or_node) if isinstance(text_or_node, str) else ast.Module([text_or_node], [])
    if tree is None: return set(), set()
    f.run(tree.body)
    return (f.read | (f.later - f.bound)) - BUILTINS, f.bound

def base(e):
    while isinstance(e, (ast.Attribute, ast.Subscript)): e = e.value
    return e.id if isinstance(e, ast.Name) else None

QUIET = {"set", "set_ylabel", "set_xlabel", "plot", "imshow", "bar", "axhline", "axvline", "legend", "scatter", "text", "fill_between", "set_title", "tight_layout", "hist", "savefig", "suptitle", "step", "barh", "axis"}
def mutated(node):
    "Names whose objects a statement changes: stores into them, or calls a method for its effect."
    out = set()
    for n in ast.walk(node):
        if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.ctx, (ast.Store, ast.Del)) and base(n): out.add(base(n))
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and isinstance(n.value.func, ast.Attribute) and n.value.func.attr not in QUIET and base(n.value.func): out.add(base(n.value.func))
        if isinstance(n, ast.AugAssign) and base(n.target): out.add(base(n.target))
    return out

def is_test(node):
    "A statement that only looks: a test, a print, a figure."
    if isinstance(node, ast.Assert): return True
    if isinstance(node, ast.Expr):
        v = node.value
        if not isinstance(v, ast.Call): return True
        f = v.func
        return (f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else "") in TESTS | QUIET
    return False
