"""Moves a checkout to the target tree: python move.py ROOT  (needs a clean work tree; changes files only, commits nothing)."""
import sys; sys.path.insert(0, __file__.rpartition("/")[0] or ".")
import copy, hashlib, os, shutil, subprocess, textwrap
from assign import *
from rewrite import Rewriter, wrap_import
from flow import flow, seg, mutated, is_test

STDLIB = sys.stdlib_module_names

def new_id(*parts): return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
def code_cell(text, id_, outputs=(), **meta): return dict(cell_type="code", execution_count=None, id=id_, metadata=meta, outputs=list(outputs), source=as_source(text))
def text_cell(text, id_): return dict(cell_type="markdown", id=id_, metadata={}, source=as_source(text))
def only_imports(text):
    t = parse(text)
    return bool(t and t.body) and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in t.body) and not re.search(r"^[ \t]*[%!]", text, re.M)

def import_table(texts):
    "{bound name: set of import records}; a record is ('import', module, asname) or ('from', module, name, asname)."
    out = {}
    for t in texts:
        for n in parse(t).body:
            if isinstance(n, ast.Import):
                for a in n.names:
                    b = a.asname or a.name.split(".")[0]
                    if a.asname: out[b] = {("import", a.name, a.asname)}
                    else: out.setdefault(b, set()).add(("import", a.name, None))
            elif isinstance(n, ast.ImportFrom):
                for a in n.names: out[a.asname or a.name] = {("from", n.module, a.name, a.asname)}
    return out

def import_text(records):
    "Import statements of some records, in the house's order; a name that comes from two places comes from this package."
    ours = {r[3] or r[2] for r in records if r[0] == "from" and r[1].startswith("camels")}
    records = {r for r in records if not (r[0] == "from" and not r[1].startswith("camels") and (r[3] or r[2]) in ours)}
    plain, alias, froms = set(), set(), defaultdict(set)
    for r in records:
        if r[0] == "import": (alias if r[2] else plain).add(r[1:])
        else: froms[r[1]].add((r[2], r[3]))
    def group(m): return 0 if m.split(".")[0] in STDLIB else 2 if m.split(".")[0] == "camels" else 1
    blocks = []
    for g in (0, 1, 2):
        ls = []
        ps = sorted(m for m, _ in plain if group(m) == g)
        if ps and g == 0: ls += wrap_import("import ", ps)
        else: ls += [f"import {m}" for m in ps]
        ls += [f"import {m} as {a}" for m, a in sorted(alias) if group(m) == g]
        for m in sorted(m for m in froms if group(m) == g):
            names = sorted(n if a in (None, n) else f"{n} as {a}" for n, a in froms[m])
            ls += wrap_import(f"from {m} import ", names)
        if ls: blocks.append("\n".join(ls))
    return "\n\n".join(blocks)

def inner_modules(text, plan):
    "New modules that a cell imports by itself."
    tree, out = parse(text), set()
    for n in ast.walk(tree) if tree else ():
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("camels"):
            m = n.module.removeprefix("camels").lstrip(".")
            for a in n.names:
                r = plan.resolve(m, a.name); out.add(r[0] if r else plan.heir.get(f"{m}.{a.name}".lstrip("."), plan.heir.get(m)))
        elif isinstance(n, ast.Import): out |= {plan.heir.get(a.name.removeprefix("camels").lstrip(".")) for a in n.names if a.name.startswith("camels.")}
    return out - {None}

def in_parts(text, most=18):
    "Code cut between statements into cells of a lesson's length."
    parts = []
    for n in parse(text).body if text else []:
        one = seg(text, n)
        if parts and len((parts[-1] + "\n" + one).splitlines()) <= most: parts[-1] += "\n" + one
        else: parts.append(one)
    return parts

def strings(tree): return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and len(n.value) > 2}

def bare_names(tree):
    "Names that are used other than before a slash and a literal."
    joined = {id(n.left) for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in joined}

class Mover:
    def __init__(self, root, spec):
        self.plan, self.spec, self.root = Plan(root, spec), spec, Path(root)
        self.rw = Rewriter(self.plan); self.notes = list(self.plan.problems)
        for p in self.plan.lib:          # names that a page imports under their old name
            texts = [q.text.strip() for (m, i), qs in self.plan.pieces.items() if m == p.module for q in qs if q.kind == "import"]
            texts += [src(c) for c in p.cells if c["cell_type"] == "code" and only_imports(src(c))]
            for n, recs in import_table(texts).items():
                for r in recs:
                    if r[0] == "from" and r[3] is None and (k := (r[1].removeprefix("camels").lstrip("."), r[2])) in spec.RENAME: self.rw.renamed[p.module][n] = spec.RENAME[k]
        self.stem = {p.path.stem: self.stem_of(self.plan.heir[p.module]) for p in self.plan.lib}
    def stem_of(self, module): return f"{self.spec.NUMBERS[module]:03d}_{module}"

    # records of what a name of an old page means

    def record(self, old, name, table, page):
        "Import record for a name used in code of an old page, as it must be on `page`; None where it needs none."
        r = self.plan.resolve(old, name) if (old, name) in self.plan.home or (old, name) in self.spec.SAME else None
        if r: return None if r[0] == page else {("from", "camels." + r[0], r[1], None)}
        if name not in table: return "unknown"
        out = set()
        for rec in table[name]:
            if rec[0] == "from" and rec[1].split(".")[0] == "camels":
                m = rec[1].removeprefix("camels").lstrip(".")
                sub = f"{m}.{rec[2]}".lstrip(".")
                if sub in self.plan.heir:
                    new = "camels." + self.plan.heir[sub]; out.add(("from", new.rpartition(".")[0], new.rpartition(".")[2], name if new.rpartition(".")[2] != name else None))
                else:
                    t, n = self.plan.resolve(m, rec[2]) or (self.plan.heir.get(m, m), rec[2])
                    if t == page and n == (rec[3] or rec[2]): continue
                    out.add(("from", "camels." + t if t else "camels", n, rec[3] if rec[3] else (None if n == rec[2] else None)))
            elif rec[0] == "import" and rec[1].split(".")[0] == "camels":
                m = rec[1].removeprefix("camels").lstrip(".")
                out.add(("import", "camels." + self.plan.heir.get(m, m) if m else "camels", rec[2]))
            else: out.add(rec)
        return out or None

    def all_(self, piece):
        "Names listed in an `_all_`."
        return set(ast.literal_eval(parse(piece.text.strip()).body[0].value)) if "_all_" in piece.names else set()

    def room(self, old, name, table):
        "The new module that a name of an old page comes from, or None."
        if (old, name) in self.plan.home: return self.plan.home[old, name]
        for rec in table.get(name, ()):
            m = rec[1].removeprefix("camels").lstrip(".")
            if rec[1].split(".")[0] != "camels": continue
            if rec[0] == "import": return self.plan.heir.get(m)
            if (sub := f"{m}.{rec[2]}".lstrip(".")) in self.plan.heir: return self.plan.heir[sub]
            r = self.plan.resolve(m, rec[2]); return r[0] if r else self.plan.heir.get(m)

    # pages

    def build(self):
        "{new module: [cells]}"
        spec, plan = self.spec, self.plan
        sources = defaultdict(set)
        for (m, i), ds in plan.dest.items():
            for d in ds.values(): sources[d].add(m)
        self.out = {}
        moved = {p.module for p in plan.lib if any(c["id"] in spec.MOVE_CELLS for c in p.cells)}
        whole = {p.module for p in plan.lib} - moved - {p.module for p in plan.lib if plan.heir[p.module] in spec.MOVE_CELLS.values()} & {p.module for p in plan.lib if sources[plan.heir[p.module]] <= {p.module} and {d for (m, i), ds in plan.dest.items() if m == p.module for d in ds.values()} <= {plan.heir[p.module]}}
        body = defaultdict(list)      # new module: [(old page, cell)]
        tail = {}
        for p in sorted(plan.lib, key=lambda p: p.number):
            if p.module in whole: self.out[plan.heir[p.module]] = self.keep(p); continue
            for d, cells in self.split(p).items(): body[d] += cells
        for d, cells in body.items(): self.out[d] = self.assemble(d, cells)
        return self.out

    def keep(self, p):
        "A page that goes over as it is."
        new = self.plan.heir[p.module]; cells = []
        for c in p.cells:
            c = copy.deepcopy(c)
            if c["cell_type"] == "code":
                t = re.sub(r"(#\s*\|\s*default_exp\s+)\S+", rf"\g<1>{new}", src(c))
                c["source"] = as_source(self.rw.code(t, p.module, new))
            else: c["source"] = as_source(self.title(self.text(src(c)), new) if len(cells) < 3 and re.match(r"#\s", src(c)) else self.text(src(c)))
            cells.append(c)
        return cells

    def text(self, t): return self.rw.prose(t)
    def title(self, t, d):
        "A title cell with the first line that the spec gives it."
        line = self.spec.LINES.get(d)
        return re.sub(r"^> .+$", lambda m: f"> {line}", t, count=1, flags=re.M) if line else t

    def split(self, p):
        "{new module: [cell records]} of one old page."
        plan, heir, num = self.plan, self.plan.heir[p.module], self.spec.NUMBERS
        out, pending, last = defaultdict(list), [], heir
        var_of = {}                    # lesson variable: set of pages where its cells are
        lesson_imports = {}
        first_import = first_lesson_import = None
        seen_export = False
        homes = {n for (m, n) in plan.home if m == p.module}
        lessons = []                   # (index, text, dest)
        def flush(d):
            for q in pending: out[d].append(q)
            pending.clear()
        for i, c in enumerate(p.cells):
            t = src(c)
            if c["cell_type"] != "code":
                if c["id"] in self.spec.MOVE_CELLS: out[self.spec.MOVE_CELLS[c["id"]]].append(dict(kind="text", cell=c, old=p)); continue
                if not seen_export and i < 3 and re.match(r"#\s", t): out[heir].append(dict(kind="title", cell=c, old=p))
                else: pending.append(dict(kind="text", cell=c, old=p))
                continue
            if re.search(r"^#\s*\|\s*default_exp", t, re.M): out[heir].append(dict(kind="exp", cell=c, old=p)); continue
            if is_export(c):
                ps = plan.pieces[p.module, i]; ds = plan.dest.get((p.module, i), {})
                code = [(j, q) for j, q in enumerate(ps) if q.kind != "import"]
                if len(code) < len(ps): out[heir].append(dict(kind="imports", cell=c, old=p))
                if not code: continue
                seen_export = True
                runs = []               # pieces that stay together
                for j, q in code:
                    if runs and runs[-1][0] == ds[j]: runs[-1][1].append(q)
                    else:
                        same = next((r for r in runs if r[0] == ds[j]), None)
                        if same: same[1].append(q)
                        else: runs.append((ds[j], [q]))
                flush(runs[0][0])
                for k, (d, qs) in enumerate(runs):
                    qs = [q for q in qs if not (q.names and all((p.module, n) in self.spec.SAME for n in q.names))]
                    if not qs: continue
                    own = d == heir or len(runs) == 1
                    head = "".join(l for l in lines_of(t) if is_directive(l))
                    text = head + "".join(q.text if q.text.endswith("\n") else q.text + "\n" for q in qs).strip("\n")
                    out[d].append(dict(kind="export", text=text, cell=c, id=c["id"] if own else new_id(c["id"], d), old=p, need=set().union(*(q.need for q in qs), *(self.all_(q) for q in qs)), index=i))
                last = runs[-1][0] if len(runs) == 1 else max((d for d, _ in runs), key=lambda d: num[d])
                continue
            if only_imports(t):
                lesson_imports.update(import_table([t])); out[heir].append(dict(kind="lesson imports", cell=c, old=p)); continue
            # a lesson goes to the lowest of this page's rooms from which all that it uses is below
            need, bound = flow(t)
            table = {**self.export_table(p), **lesson_imports}
            low = lambda ns: max([num.get(self.room(p.module, n, table), 0) for n in ns] + [var_of.get(n, 0) for n in ns if n not in homes] + [0])
            if c["id"] in self.spec.MOVE_CELLS:
                d = self.spec.MOVE_CELLS[c["id"]]
                rec = dict(kind="lesson", text=t, cell=c, id=c["id"], old=p, need=need, bound=bound, index=i)
                out[d].append(rec); lessons.append((i, rec, d)); flush(d)
                continue
            direct = {plan.home[p.module, n] for n in need if n in homes}
            req = max([low(need)] + [num.get(x, 0) for x in inner_modules(t, plan)])
            natural = max(direct, key=lambda x: num[x]) if direct else last
            rooms = sorted({x for (m, _), ds in plan.dest.items() if m == p.module for x in ds.values()} | {heir}, key=lambda x: num[x])
            d = natural if num[natural] >= req else next((x for x in rooms if num[x] >= req), None)
            if d is None: d = max([natural, heir], key=lambda x: num[x]); self.notes.append(f"ORDER lesson {c['id']} of {p.module} on {num[d]} {d} uses {sorted(n for n in need if num.get(self.room(p.module, n, table), 0) > num[d])} of {req}")
            if c["id"] in self.spec.MOVE_CELLS: d = self.spec.MOVE_CELLS[c["id"]]
            flush(d)
            tree = parse(t)
            for st in (tree.body if tree else []):   # what a variable asks for is what its statements ask for
                nd, b = flow(st)
                for n in b - homes: var_of[n] = max(low(nd), var_of.get(n, 0) if n in nd else 0)
            rec = dict(kind="lesson", text=t, cell=c, id=c["id"], old=p, need=need, bound=bound, index=i, table=dict(lesson_imports))
            out[d].append(rec); lessons.append((i, rec, d))
        if pending: flush(heir)
        for d, rs in out.items():
            for r in rs: r.setdefault("lesson_imports", lesson_imports); r.setdefault("lessons", lessons)
        return out

    def assemble(self, d, recs):
        "The cells of a new page."
        plan, spec = self.plan, self.spec
        heirs = [p for p in plan.lib if plan.heir[p.module] == d]
        main = heirs[0] if heirs else None
        title = next((r for r in recs if r["kind"] == "title" and r["old"] is main), None)
        first = next((r for r in recs if r["kind"] == "imports" and r["old"] is main), None)
        first_lesson = next((r for r in recs if r["kind"] == "lesson imports" and r["old"] is main), None)
        exp = next((r for r in recs if r["kind"] == "exp" and r["old"] is main), None)
        body = [r for r in recs if r["kind"] in ("export", "lesson", "text")]
        # exported imports
        records, doors = set(), set()
        for r in body:
            if r["kind"] != "export": continue
            table = self.export_table(r["old"])
            for n in r["need"]:
                got = self.record(r["old"].module, n, table, d)
                if got == "unknown": self.notes.append(f"{d}: {n!r} of {r['old'].module} is not known (cell {r['id']})")
                elif got: records |= got; doors.add(n)
        have = {rec[2] or rec[1].split(".")[0] if rec[0] == "import" else rec[3] or rec[2] for rec in records}
        # lessons: what they need beyond that
        lesson_records, cells_out, made, vars_here = set(), [], set(), {}
        for r in body:
            if r["kind"] == "export":
                for q in pieces_of(body_of(r["text"])): made |= {self.spec.RENAME.get((r["old"].module, n), n) for n in q.names}
                cells_out.append(code_cell(self.rw.code(r["text"], r["old"].module, d), r["id"]))
            elif r["kind"] == "text": cells_out.append({**copy.deepcopy(r["cell"]), "source": as_source(self.text(src(r["cell"])))})
            else:
                missing = self.lesson_needs(r, d, lesson_records, have, vars_here)
                if missing:
                    setup = self.carry(r, missing, d, lesson_records, have, vars_here)
                    for k, part in enumerate(in_parts(setup)): cells_out.append(code_cell(self.rw.code(part, r["old"].module, d), new_id(r["id"], d, "setup", k)))
                tree = parse(r["text"])
                for k, n in enumerate(tree.body if tree else []):
                    for v in flow(n)[1]: vars_here[r["old"].module, v] = (r["index"], k)
                cells_out.append({**copy.deepcopy(r["cell"]), "source": as_source(self.rw.code(r["text"], r["old"].module, d))})
        head = [code_cell(f"#| default_exp {d}", exp["cell"]["id"] if exp else new_id(d, "exp"))]
        name, line = spec.TITLES.get(d, (None, None))
        if title:
            t = self.title(self.text(src(title["cell"])), d)
            head.append({**copy.deepcopy(title["cell"]), "source": as_source(t)})
        else: head.append(text_cell(f"# {name or d}\n\n> {line or 'TODO'}", new_id(d, "title")))
        if records: head.append(code_cell("#| export\n" + import_text(records), first["cell"]["id"] if first else new_id(d, "imports")))
        if lesson_records:
            whole = import_text(lesson_records)
            parts = [whole] if len(whole.splitlines()) <= 20 else whole.rsplit("\n\n", 1)
            for k, part in enumerate(parts): head.append(code_cell(part, first_lesson["cell"]["id"] if first_lesson and not k else new_id(d, "lesson imports", k)))
        if name is None and not main: self.notes.append(f"{d}: no title")
        cells = head + cells_out
        if not main: cells.append(text_cell(self.next_words(d), new_id(d, "next")))
        seen = set()
        for c in cells:
            while c["id"] in seen: c["id"] = new_id(c["id"], d)
            seen.add(c["id"])
        return cells

    def next_words(self, d):
        later = sorted((n, m) for m, n in self.spec.NUMBERS.items() if n > self.spec.NUMBERS[d])
        n, m = later[0]
        return f"Next: [{self.spec.TITLES.get(m, (m.split('.')[-1].capitalize(),))[0] or m}]({self.stem_of(m)}.ipynb)."

    def export_table(self, p):
        if not hasattr(self, "tables"): self.tables = {}
        if p.module not in self.tables:
            self.tables[p.module] = import_table([q.text.strip() for (m, i), qs in self.plan.pieces.items() if m == p.module for q in qs if q.kind == "import"])
        return self.tables[p.module]

    def statements_before(self, r):
        "(index, statement, source, read, bound, changed, record) of all earlier lessons of the same old page, in order."
        out = []
        for i, x, dx in r["lessons"]:
            if i >= r["index"]: break
            tree = parse(x["text"])
            for k, n in enumerate(tree.body if tree else []):
                read, bound = flow(n)
                out.append(((i, k), n, seg(x["text"], n), read, bound, mutated(n), x))
        return out

    def lesson_needs(self, r, d, lesson_records, have, here):
        "Adds the import records of a lesson; gives names that only earlier lessons can give, with the place of their last binding."
        missing = {}
        table = {**self.export_table(r["old"]), **r["lesson_imports"]}
        before = r.get("before") if r.get("before") is not None else self.statements_before(r)
        last = {}
        for key, n, s, read, bound, mut, x in before:
            for v in bound: last[v] = key
        for n in r["need"]:
            if n in last and not ((r["old"].module, n) in self.plan.home and False):
                if here.get((r["old"].module, n)) != last[n]: missing[n] = last[n]
                continue
            got = self.record(r["old"].module, n, table, d)
            if got == "unknown": missing[n] = None
            elif got: lesson_records |= got
        return missing

    def carry(self, r, missing, d, lesson_records, have, here):
        "Statements of earlier lessons, on other pages, that make what this lesson needs."
        before = self.statements_before(r)
        if lost := [n for n, k in missing.items() if k is None]: self.notes.append(f"{d}: lesson {r['id']} of {r['old'].module} lacks {sorted(lost)}")
        want, taken = {n for n, k in missing.items() if k}, []
        places = {v for _, n, s, *_, x in before for v in flow(n)[1] if re.search(r"mkdtemp|TemporaryDirectory", s)}
        for _ in range(3):
            places |= {v for _, n, s, read, b, m, x in before for v in b if read & places and re.search(r"=\s*\(?\w+/", s)}
        words, bare = strings(parse(r["text"])), bare_names(parse(r["text"]))   # files that the lesson names; folders that it takes whole
        firsts = {}
        for key, n, s, read, bound, mut, x in before:
            for v in bound: firsts.setdefault(v, []).append(key)
        for key, n, s, read, bound, mut, x in reversed(before):
            hit = bound & want
            side = (mut & want) | {v for v in want & places & read if not is_test(n) and (v in bare or strings(n) & words)}
            if not hit and (not side or is_test(n)): continue
            taken.append((key, s, x, read, bound))
            words |= strings(n)
            want -= hit - read
            table = {**self.export_table(x["old"]), **x["lesson_imports"]}
            for v in read:
                earlier = [k for k in firsts.get(v, []) if k < key]
                if earlier and here.get((r["old"].module, v)) != earlier[-1]: want.add(v)
        text = []
        for key, s, x, read, bound in reversed(taken):
            prior = [q for q in before if q[0] < key]
            fake = dict(x, need=read, before=prior)
            self.lesson_needs(fake, d, lesson_records, have, {**here, **{(r["old"].module, v): max([k for k in firsts[v] if k < key]) for v in read if [k for k in firsts.get(v, []) if k < key]}})
            for v in bound: here[r["old"].module, v] = key
            text.append(s)
        return "\n".join(text)

    # the whole

    def run(self):
        root, plan = self.root, self.plan
        built = self.build()
        for p in plan.lib: p.path.unlink()
        for d, cells in built.items():
            old = next((p for p in plan.lib if plan.heir[p.module] == d), None)
            nb = {**(copy.deepcopy(old.nb) if old else dict(metadata=copy.deepcopy(plan.lib[0].nb["metadata"]), nbformat=4, nbformat_minor=5)), "cells": cells}
            write_nb(root/"nbs"/f"{self.stem_of(d)}.ipynb", nb)
        for p in plan.pages:
            if p.module: continue
            cells = []
            for c in p.cells:
                c = copy.deepcopy(c)
                c["source"] = as_source(self.rw.code(src(c), None, None) if c["cell_type"] == "code" else self.text(src(c)))
                cells.append(c)
            write_nb(p.path, {**p.nb, "cells": cells})
        # old modules go, packages come
        for f in (root/"camels").rglob("*.py"):
            if f.name != "__init__.py" or f.parent != root/"camels": f.unlink()
        for d in built:
            for k in range(1, len(d.split("."))):
                f = root/"camels"/"/".join(d.split(".")[:k])/"__init__.py"; f.parent.mkdir(parents=True, exist_ok=True); f.touch()
        for f in sorted((root/"camels").iterdir()):
            if f.is_dir() and not any(f.rglob("*.py")) and f.name != "assets": shutil.rmtree(f)
        # everything else
        for pattern in ("tests/**/*.py", "tools/**/*.py", "camels/__init__.py", "setup.py"):
            for f in root.glob(pattern):
                if "node_modules" in f.parts: continue
                t = f.read_text(encoding="utf-8"); n = self.rw.code(t, None, None)
                if n != t: f.write_text(n, encoding="utf-8")
        for pattern in ("README.md", "CONTRIBUTING.md", "Makefile", "settings.ini", "tools/*.sh", "docs/**/*.html", "docs/*.css", "data_cards/*", "camels/assets/**/*.md", "tools/avatar/*.js*", ".ci/*", "tests/**/*.js"):
            for f in root.glob(pattern):
                if not f.is_file() or "node_modules" in f.parts or f.stat().st_size > 2_000_000: continue
                t = f.read_text(encoding="utf-8"); n = self.text(t)
                if n != t: f.write_text(n, encoding="utf-8")
        return built

if __name__ == "__main__":
    import spec
    m = Mover(sys.argv[1], spec)
    m.run()
    print(*m.notes, *m.rw.notes, sep="\n")
