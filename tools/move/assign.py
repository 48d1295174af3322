"Where every exported statement goes, and whether the house stands."
import sys; sys.path.insert(0, __file__.rpartition("/")[0] or ".")
from collections import defaultdict
from pages import *

def needs(plan): return _needs(plan)

class Plan:
    def __init__(self, root, spec):
        self.root, self.spec = Path(root), spec
        self.pages = read_pages(self.root/"nbs"); self.lib = [p for p in self.pages if p.module]
        self.problems = []
        from prepare import patches
        for p in self.lib:
            for a, b in getattr(spec, "PATCHES", {}).get(p.module, ()):
                hits = 0
                for c in p.cells:
                    if c["cell_type"] == "code" and a in src(c): hits += 1; c["source"] = as_source(src(c).replace(a, b))
                if not hits: self.problems.append(f"PATCH {p.module}: {a[:50]!r} is not there")
        self.patched = [p.module for p in self.lib if patches(p)]
        self.heir = {p.module: spec.HEIR.get(p.module, p.module) for p in self.lib}
        for old, new in self.heir.items():
            if new not in spec.NUMBERS: self.problems.append(f"no number for {new} (from {old})")
        self.imports = {}      # old module: {name: (module, name or None)} of exported import cells
        self.pieces = {}       # (old module, cell index): [Piece]
        self.home = {}         # (old module, name): new module
        self.dest = {}         # (old module, cell index): [new module of each piece]
        for p in self.lib: self.read(p)
        for p in self.lib: self.assign(p)
        for (m, n), new in spec.RENAME.items():
            text = "\n".join(body_of(src(c)) for p in self.lib if p.module == m for c in p.cells if c["cell_type"] == "code")
            if re.search(rf"(?<![\w.]){new}\b", text) and (m, n) not in spec.SAME: self.problems.append(f"RENAME {m}.{n}: {new!r} is a name there already")
            if re.search(rf"\.{n}\b", text): self.problems.append(f"RENAME {m}.{n}: also an attribute there")
        for d, rs in list(needs(self).items()):     # private names that cross and have no public name yet
            for (t, n), who in list(rs.items()):
                if not n or not n.startswith("_") or n.startswith("__"): continue
                for (m, k), dest in list(self.home.items()):
                    if dest == t and k == n and (m, k) not in spec.RENAME:
                        text = "\n".join(body_of(src(c)) for p in self.pages for c in p.cells if c["cell_type"] == "code" and n in src(c))
                        new = n.lstrip("_")
                        if re.search(rf"(?<![\w.]){new}\b", text): new = f"shared_{new}"
                        spec.RENAME[m, k] = new; self.problems.append(f"RENAME by itself: {m}.{k} -> {new} (name it in corrections.py)")
        made = defaultdict(set)
        for (m, n), d in self.home.items():
            if (m, n) not in spec.SAME and "." not in n: made[d, spec.RENAME.get((m, n), n)].add(m)
        self.problems += [f"{d}: {n} comes from {sorted(ms)}" for (d, n), ms in made.items() if len(ms) > 1]
    def read(self, p):
        imp = self.imports[p.module] = {}
        for i, c in enumerate(p.cells):
            if not is_export(c): continue
            ps = self.pieces[p.module, i] = pieces_of(body_of(src(c)))
            for q in ps:
                if q.kind == "import": imp.update(bound_by(parse(q.text.strip())))
    def assign(self, p):
        m, spec = p.module, self.spec
        users = defaultdict(set); order = [(i, j, q) for (mm, i), ps in self.pieces.items() if mm == m for j, q in enumerate(ps) if q.kind != "import"]
        where = {}
        for i, j, q in order:
            if q.patch:
                own = {spec.TAKES.get((m, f"{q.patch}.{n}")) or spec.TAKES.get((m, n)) for n in q.names}
                where[i, j] = next(iter(own)) if own != {None} else ("class", q.patch)
            else:
                named = {spec.TAKES[m, n] for n in q.names if (m, n) in spec.TAKES}
                if len(named) > 1: self.problems.append(f"{m}: {sorted(q.names)} is one statement with destinations {named}")
                where[i, j] = next(iter(named)) if named else None
            for n in q.need: users[n].add((i, j))
        of_name = {n: (i, j) for i, j, q in order if not q.patch for n in q.names}
        for k, v in where.items():
            if isinstance(v, tuple): where[k] = where.get(of_name.get(v[1])) or None
        # the rest: a private helper goes with its only user; all else stays with the main heir
        for _ in range(6):
            for i, j, q in reversed(order):
                if where[i, j] is None and q.names and not q.patch and all(n.startswith("_") for n in q.names):
                    us = {where[u] for n in q.names for u in users[n] if u != (i, j)}
                    if len(us) == 1 and None not in us: where[i, j] = next(iter(us))
                    elif us and None not in us: pass
            if _ == 2:
                for k, v in where.items():
                    q = self.pieces[m, k[0]][k[1]]
                    if v is None and not (q.names and not q.patch and all(n.startswith("_") for n in q.names)): where[k] = self.heir[m]
        last = None
        for i, j, q in order:
            if where[i, j] is None:
                us = {where[u] for n in q.names for u in users[n] if u != (i, j) and where[u]}
                where[i, j] = min(us, key=lambda x: self.spec.NUMBERS.get(x, 0)) if us else self.heir[m]
            if not q.names and not q.patch:     # an expression goes with what it names
                us = {where[of_name[n]] for n in q.need if n in of_name}
                if len(us) == 1: where[i, j] = next(iter(us))
        # what nobody named goes down to the lowest room of this page that needs it
        num, named = spec.NUMBERS, lambda q: any((m, n) in spec.TAKES for n in q.names)
        for _ in range(8):
            for i, j, q in order:
                if named(q) or q.patch or not q.names: continue
                low = min([num[where[u]] for n in q.names for u in users[n]] + [num[where[i, j]]])
                if low < num[where[i, j]]: where[i, j] = next(d for d in where.values() if num[d] == low)
        for i, j, q in order:
            for n in q.names:
                if q.patch: self.home.setdefault((m, f"{q.patch}.{n}"), where[i, j])
                else: self.home[m, n] = where[i, j]
            self.dest.setdefault((m, i), {})[j] = where[i, j]
    def resolve(self, module, name, seen=()):
        "Where a name that is asked of an old module lives now: (new module, new name); None where nobody knows it."
        if (module, name) in self.spec.SAME: return self.resolve(*self.spec.SAME[module, name])
        if (module, name) in self.home: return self.home[module, name], self.spec.RENAME.get((module, name), name)
        got = self.imports.get(module, {}).get(name)
        if got and got[0].startswith("camels") and (module, name) not in seen:
            old = got[0].removeprefix("camels").lstrip(".")
            if got[1] is None: return None
            if f"{old}.{got[1]}".lstrip(".") in self.heir: return None
            return self.resolve(old, got[1], (*seen, (module, name)))
        return None

def bound_by(tree):
    "{name: (module, original name; None for the module itself)} of the import statements of a tree."
    out = {}
    for n in tree.body:
        if isinstance(n, ast.Import):
            for a in n.names: out[a.asname or a.name.split(".")[0]] = (a.name if a.asname else a.name.split(".")[0], None)
        elif isinstance(n, ast.ImportFrom):
            for a in n.names: out[a.asname or a.name] = (n.module, a.name)
    return out

def _needs(plan):
    "{new module: {(new module, name): [where]}} over exported code: by global names and by imports inside functions."
    out = defaultdict(lambda: defaultdict(list))
    for (m, i), ds in plan.dest.items():
        for j, d in ds.items():
            q = plan.pieces[m, i][j]
            for n in q.need:
                r = plan.resolve(m, n)
                if r and r[0] != d: out[d][r].append(f"{m}:{'/'.join(sorted(q.names))[:40]}")
            tree = parse(q.text)
            for x in ast.walk(tree):
                if isinstance(x, ast.ImportFrom) and (x.module or "").startswith("camels"):
                    old = x.module.removeprefix("camels").lstrip(".")
                    for a in x.names:
                        sub = f"{old}.{a.name}".lstrip(".")
                        r = (plan.heir[sub], None) if sub in plan.heir else plan.resolve(old, a.name)
                        if r and r[0] != d: out[d][r].append(f"{m}:{'/'.join(sorted(q.names))[:40]} (inside)")
                        if not r: plan.problems.append(f"{m}: from {x.module} import {a.name}: nobody defines it")
    return out

FLOORS = ["core files media sound voice", "face nn train", "encoders text", "data", "latent express", "look agent", "fusion recipes", "live bench", "apps", "cli"]
FLOOR = {n: k for k, ns in enumerate(FLOORS, 1) for n in ns.split()}

def report(plan):
    num, out = plan.spec.NUMBERS, []
    for d, rs in sorted(needs(plan).items(), key=lambda x: num.get(x[0], 0)):
        up, priv = defaultdict(set), defaultdict(set)
        for (t, n), who in rs.items():
            fd, ft = FLOOR[d.split(".")[0]], FLOOR[t.split(".")[0]]
            if ft > fd or num[t] >= num[d]: up[t].add(f"{n} <- {', '.join(sorted(set(who)))[:160]}")
            if n and n.startswith("_"): priv[t].add(f"{n} <- {', '.join(sorted(set(who)))[:100]}")
        for t, ns in up.items(): out.append(f"UP   {num[d]} {d} needs {num[t]} {t}: " + " | ".join(sorted(ns)))
        for t, ns in priv.items(): out.append(f"PRIV {num[d]} {d} needs {num[t]} {t}: " + " | ".join(sorted(ns)))
    return out

if __name__ == "__main__":
    import spec
    plan = Plan(sys.argv[1], spec)
    print(*report(plan), sep="\n"); print(*plan.problems, sep="\n")
    seen = {m for m, _ in plan.home}
    have = {(m, n) for m, n in plan.home} | {(m, n.split(".")[-1]) for m, n in plan.home}
    print("named but not there:", [f"{m}:{n}" for (m, n) in spec.TAKES if (m, n) not in have])
    print("pages with nothing:", sorted(set(spec.NUMBERS) - set(plan.home.values())))
