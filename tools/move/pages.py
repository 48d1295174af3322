"Notebooks as data: cells, exported statements, what each binds and what each needs."
import ast, builtins, json, re, symtable
from dataclasses import dataclass, field
from pathlib import Path

BUILTINS = set(dir(builtins)) | {"__file__", "__name__", "get_ipython", "display"}

def src(cell): return "".join(cell["source"])
def lines_of(text): return text.splitlines(keepends=True)
def is_directive(line): return re.match(r"\s*#\s*\|", line)
def directives(text): return [l.strip()[2:].strip() if l.strip().startswith("#|") else l.strip().split("|", 1)[1].strip() for l in text.splitlines() if is_directive(l)]
def body_of(text): return "".join(l for l in lines_of(text) if not is_directive(l))
def is_export(cell): return cell["cell_type"] == "code" and any(re.split(r"[\s:]", d)[0] in ("export", "exports", "exporti") for d in directives(src(cell)))
def plain(text): return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", text, flags=re.M)
def parse(text):
    try: return ast.parse(plain(text))
    except SyntaxError: return None

def annotation_names(tree):
    "Names in string annotations that are identifiers."
    out = set()
    for n in ast.walk(tree):
        anns = []
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)): anns = [a.annotation for a in [*n.args.posonlyargs, *n.args.args, *n.args.kwonlyargs, n.args.vararg, n.args.kwarg] if a] + [n.returns]
        elif isinstance(n, ast.AnnAssign): anns = [n.annotation]
        for a in anns:
            if isinstance(a, ast.Constant) and isinstance(a.value, str) and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", a.value): out.add(a.value.split(".")[0])
    return out

def scope_names(text):
    "(bound at the top, global names needed) of a stretch of code."
    try: table = symtable.symtable(plain(text), "x", "exec")
    except SyntaxError: return set(), set()
    bound, need = set(), set()
    for s in table.get_symbols():
        if s.is_assigned() or s.is_imported() or s.is_namespace(): bound.add(s.get_name())
        if s.is_referenced(): need.add(s.get_name())
    def walk(t):
        for c in t.get_children():
            for s in c.get_symbols():
                if s.is_global() and s.is_referenced(): need.add(s.get_name())
                if s.is_declared_global() and s.is_assigned(): need.add(s.get_name())
                if c.get_type() == "class" and s.is_referenced() and not s.is_local(): need.add(s.get_name())
            walk(c)
    walk(table)
    tree = parse(text)
    if tree is not None: need |= annotation_names(tree)
    return bound, need - BUILTINS

def patch_target(node):
    "The class that a `@patch` function goes into, or \"\"."
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)): return ""
    for d in node.decorator_list:
        f = d.func if isinstance(d, ast.Call) else d
        if getattr(f, "id", getattr(f, "attr", "")) == "patch" and node.args.args:
            a = node.args.args[0].annotation
            return a.id if isinstance(a, ast.Name) else (a.value if isinstance(a, ast.Constant) else "")
        if getattr(f, "id", "") in ("patch_to",) and isinstance(d, ast.Call): return getattr(d.args[0], "id", "")
    return ""

@dataclass
class Piece:
    "A stretch of top-level statements of a cell."
    text: str; names: set; need: set; patch: str = ""; kind: str = "code"; attr: str = ""

def pieces_of(text):
    "A cell's body cut at its top-level statements; comments and decorators go with what follows, blank lines with what is before."
    tree = ast.parse(text); ls = text.splitlines(keepends=True)
    raw = [l.encode() for l in ls]
    starts = []
    for n in tree.body:
        first = min([n.lineno, *[d.lineno for d in getattr(n, "decorator_list", [])]])
        starts.append((first, n))
    out, i = [], 0
    groups = []   # statements that share lines
    for first, n in starts:
        if groups and first <= groups[-1][1]: groups[-1][2].append(n); groups[-1][1] = max(groups[-1][1], n.end_lineno)
        else: groups.append([first, n.end_lineno, [n]])
    at = 0        # lines taken
    for k, (first, last, ns) in enumerate(groups):
        lead = "".join(ls[at:first-1]); at = last
        # a comment that follows on the same last line is in the line already
        if len(ns) == 1: parts = [("".join(ls[first-1:last]), ns[0])]
        else:
            parts = []
            for j, n in enumerate(ns):
                a = (n.lineno, n.col_offset) if j else (first, 0)
                b = (ns[j+1].lineno, ns[j+1].col_offset) if j+1 < len(ns) else (last, len(raw[last-1]))
                if a[0] == b[0]: s = raw[a[0]-1][a[1]:b[1]].decode()
                else: s = raw[a[0]-1][a[1]:].decode() + "".join(ls[a[0]:b[0]-1]) + raw[b[0]-1][:b[1]].decode()
                parts.append((re.sub(r";\s*$", "", s) if j+1 < len(ns) else s, n))
        for j, (s, n) in enumerate(parts):
            t = (lead if j == 0 else "") + (s if s.endswith("\n") or j+1 == len(parts) else s.rstrip() + "\n")
            bound, need = scope_names(s.strip("\n"))
            p = Piece(t, bound, need, patch_target(n), attr="same line" if j else "")
            if isinstance(n, (ast.Import, ast.ImportFrom)): p.kind = "import"
            out.append(p)
    if out: out[-1].text += "".join(ls[at:])
    return out

@dataclass
class Page:
    path: Path; nb: dict; number: int; module: str; cells: list = field(default_factory=list)

def read_pages(nbs):
    pages = []
    for p in sorted(nbs.rglob("*.ipynb")):
        if any(o.startswith((".", "_")) for o in p.relative_to(nbs).parts): continue
        nb = json.loads(p.read_text(encoding="utf-8"))
        text = "\n".join(src(c) for c in nb["cells"] if c["cell_type"] == "code")
        m = re.search(r"^#\s*\|\s*default_exp\s+(\S+)", text, re.M); k = re.match(r"(\d+)_", p.name)
        pages.append(Page(p, nb, int(k[1]) if k else -1, m[1] if m else "", nb["cells"]))
    return pages

def write_nb(path, nb):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")

def as_source(text): return text.splitlines(keepends=True)
