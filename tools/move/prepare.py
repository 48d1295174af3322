"Before the move: methods that were added by hand become fastcore's `@patch`."
from pages import *

def _edit_def(text, name, cls, how="@patch", on=False):
    "`@patch` above a function of a cell's text, with its first parameter annotated."
    tree = ast.parse(text); ls = text.splitlines(keepends=True)
    f = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    a = f.args.args[0]; raw = ls[a.lineno-1].encode()
    if not a.annotation: raw = raw[:a.col_offset] + f"{a.arg}:{cls}".encode() + raw[a.end_col_offset:]
    ls[a.lineno-1] = raw.decode()
    if on:
        d = next(d for d in f.decorator_list if isinstance(d, ast.Call) and getattr(d.func, "id", "") == "on")
        ls[d.lineno-1] = how + "\n"
    else: ls.insert(f.lineno-1, how + "\n")
    return "".join(ls)

def patches(page):
    "Change the cells of a page in place; True where something changed."
    defs, changed = {}, False
    for c in page.cells:
        if not is_export(c): continue
        for n in ast.parse(body_of(src(c))).body:
            if isinstance(n, ast.FunctionDef): defs[n.name] = c
    for c in page.cells:
        if not is_export(c): continue
        t = src(c); head = "".join(l for l in lines_of(t) if is_directive(l)); b = body_of(t)
        # @on(Class)
        while True:
            hit = next(((n, d) for n in ast.parse(b).body if isinstance(n, ast.FunctionDef) for d in n.decorator_list if isinstance(d, ast.Call) and getattr(d.func, "id", "") == "on"), None)
            if not hit: break
            b = _edit_def(b, hit[0].name, hit[1].args[0].id, on=True); changed = True
        if b != body_of(t): c["source"] = as_source(head + b)
    for c in page.cells:
        if not is_export(c): continue
        for n in list(ast.parse(body_of(src(c))).body):
            if not isinstance(n, ast.Assign): continue
            tg = n.targets[0]; pairs = list(zip(tg.elts, n.value.elts)) if isinstance(tg, ast.Tuple) and isinstance(n.value, ast.Tuple) else [(tg, n.value)]
            todo = []
            for x, v in pairs:
                how, f = "@patch", v
                if isinstance(v, ast.Call) and getattr(v.func, "id", "") == "classmethod" and v.args: how, f = "@patch(cls_method=True)", v.args[0]
                if isinstance(x, ast.Attribute) and isinstance(x.value, ast.Name) and isinstance(f, ast.Name) and f.id == x.attr and f.id in defs: todo.append((f.id, x.value.id, how))
            if len(todo) != len(pairs): continue
            for name, cls, how in todo:
                k = defs[name]; t = src(k); head = "".join(l for l in lines_of(t) if is_directive(l))
                k["source"] = as_source(head + _edit_def(body_of(t), name, cls, how))
            t = src(c); head = "".join(l for l in lines_of(t) if is_directive(l)); b = body_of(t)
            m = next(x for x in ast.parse(b).body if isinstance(x, ast.Assign) and ast.dump(x) == ast.dump(n))
            ls = b.splitlines(keepends=True); del ls[m.lineno-1:m.end_lineno]
            c["source"] = as_source((head + "".join(ls)).rstrip("\n")); changed = True
    if changed:
        for c in page.cells:      # `on` itself goes; patch is imported
            if is_export(c):
                t = src(c); b = body_of(t); head = t[:len(t)-len(b)]
                f = next((n for n in ast.parse(b).body if isinstance(n, ast.FunctionDef) and n.name == "on"), None)
                if f:
                    ls = b.splitlines(keepends=True); del ls[f.lineno-1:f.end_lineno]
                    c["source"] = as_source(head + "".join(ls).lstrip("\n"))
        c = next(c for c in page.cells if is_export(c))
        if "import patch" not in src(c):
            ls = src(c).splitlines()
            at = next((i for i, l in enumerate(ls) if l.startswith(("from camels", "import camels"))), len(ls))
            ls.insert(at - (at > 0 and at < len(ls) and not ls[at-1].strip()), "from fastcore.basics import patch")
            c["source"] = as_source("\n".join(ls))
    return changed
