"Code and prose that name modules, names and pages of the old tree, in the words of the new one."
import ast, io, re, tokenize
from collections import defaultdict
from pages import *

WIDTH = 120
def wrap_import(head, names):
    "One import statement, wrapped at the house's width."
    one = head + ", ".join(names)
    if len(one) <= WIDTH: return [one]
    if head == "import ":
        out, line = [], "import "
        for n in names:
            if len(line + n) > WIDTH - 2: out.append(line.rstrip(", ")); line = "import "
            line += n + ", "
        return out + [line.rstrip(", ")]
    out, line = [head + "("], "    "
    for n in names:
        if len(line + n) + 1 > WIDTH: out.append(line.rstrip()); line = "    "
        line += n + ", "
    return out + [line.rstrip(), ")"]

class Rewriter:
    def __init__(self, plan):
        self.plan, self.notes = plan, []
        self.stems = {p.path.stem: f"{plan.spec.NUMBERS[plan.heir[p.module]]:03d}_{plan.heir[p.module]}" for p in plan.lib}
        self.stem_re = re.compile(r"(?<![\w.])(" + "|".join(re.escape(s) for s in sorted(self.stems, key=len, reverse=True)) + r")(?![\w])(?!\.\w+\.ipynb)")
        self.packages = {"v3": "express", "explore": "look"}
        self.paths = {f"camels/{m.replace('.', '/')}.py": f"camels/{h.replace('.', '/')}.py" for m, h in plan.heir.items() if m != h}
        self.path_re = re.compile("|".join(re.escape(k) for k in sorted(self.paths, key=len, reverse=True))) if self.paths else None
        self.anchors = self.find_anchors()
        self.renamed = defaultdict(dict)     # old module: {name: new name}
        for (m, n), new in plan.spec.RENAME.items(): self.renamed[m][n] = new

    def find_anchors(self):
        "{(old stem, anchor): new stem} of headings; filled by the mover when pages are split."
        return {}

    # prose and strings

    def dotted(self, m):
        segs = m[0].split(".")[1:]
        for k in range(len(segs), 0, -1):
            old = ".".join(segs[:k])
            if old in self.plan.heir:
                if k < len(segs):
                    r = self.plan.resolve(old, segs[k])
                    if r: return ".".join(["camels", r[0], r[1], *segs[k+1:]])
                return ".".join(["camels", self.plan.heir[old], *segs[k:]])
        return m[0]
    def placed(self, m):
        "`camels.module:object` of a registry."
        old, name = m[1].removeprefix("camels."), m[2]
        r = self.plan.resolve(old, name.split(".")[0])
        if r: return f"camels.{r[0]}:" + ".".join([r[1], *name.split(".")[1:]])
        return f"camels.{self.plan.heir.get(old, old)}:{name}"
    def from_line(self, m):
        "`from camels.x import a, b` on a line of prose."
        old = m[2].removeprefix("camels").lstrip("."); groups, order = defaultdict(list), []
        if old not in self.plan.heir and old: return m[0]
        for part in m[3].split(","):
            name = part.strip(); base = name.split(" as ")[0].strip()
            r = self.plan.resolve(old, base) if old else None
            t = "camels." + (r[0] if r else self.plan.heir.get(old, old)) if old else "camels"
            groups[t].append(name)
        return "\n".join(f"{m[1]}from {t} import {', '.join(ns)}" for t, ns in groups.items())
    def prose(self, t):
        kept = []
        t = re.sub(r"^([ \t]*(?:>>> )?)from (camels[\w.]*) import ([\w, ]+)$", lambda m: self.keep(self.from_line(m), kept), t, flags=re.M)
        return self.free(self.strings(t), kept)
    def keep(self, text, kept): kept.append(text); return f"\x00{len(kept)-1}\x00"
    def free(self, t, kept): return re.sub("\x00(\\d+)\x00", lambda m: kept[int(m[1])], t)
    def strings(self, t):
        kept = []
        t = re.sub(r"\b(camels(?:\.\w+)+):([A-Za-z_][\w.]*\w)", lambda m: self.keep(self.placed(m), kept).replace("\x00", "\x01"), t)
        def patched(m):
            old = m[1].removeprefix("camels.")
            r = self.plan.resolve(old, m[3]) if (old, m[3]) in self.plan.home else None
            return self.keep(f"camels.{r[0]}, {m[2]}{r[1]}{m[2]}", kept).replace("\x00", "\x01") if r else m[0]
        t = re.sub(r"\b(camels(?:\.\w+)+), ([\"'])(\w+)\2", patched, t)
        t = self.strings_(t)
        return re.sub("\x01(\\d+)\x01", lambda m: kept[int(m[1])], t)
    def strings_(self, t):
        t = re.sub(r"(?<![\w/.-])camels(?:\.[A-Za-z_]\w*)+", self.dotted, t)
        t = re.sub(r"(" + self.stem_re.pattern + r")\.ipynb#([\w-]+)", lambda m: f"{self.anchors.get((m[2], m[3]), self.stems[m[2]])}.ipynb#{m[3]}", t)
        t = self.stem_re.sub(lambda m: self.stems[m[1]], t)
        return self.path_re.sub(lambda m: self.paths[m[0]], t) if self.path_re else t

    # code

    def code(self, text, old, page):
        "A cell or a file: imports by syntax, the rest as strings. `old` is the page that it came from, `page` the module it is on now."
        tree = parse(text)
        renames = dict(self.renamed.get(old, {})) if old else {}
        edits, kept = [], []
        if tree is not None:
            for n in ast.walk(tree):
                if isinstance(n, ast.ImportFrom) and n.level == 0 and (n.module or "").split(".")[0] == "camels":
                    mod = n.module.removeprefix("camels").lstrip(".")
                    for a in n.names:
                        if not a.asname and a.name in self.renamed.get(mod, {}): renames[a.name] = self.renamed[mod][a.name]
                    edits.append((n, self.import_from(n, mod, old, page)))
                elif isinstance(n, ast.Import) and any(a.name.split(".")[0] == "camels" for a in n.names):
                    names = []
                    for a in n.names:
                        m = a.name.removeprefix("camels").lstrip(".")
                        new = "camels." + self.plan.heir[m] if m in self.plan.heir else a.name
                        names.append(new + (f" as {a.asname}" if a.asname else ""))
                    edits.append((n, [f"import {', '.join(names)}"]))
        elif "camels" in text and "import" in text: self.notes.append(f"does not parse: {text[:60]!r}")
        if tree is not None: edits += self.alias_edits(tree, edits)
        lines = [l.encode() for l in text.splitlines(keepends=True)]
        for n, new in sorted(edits, key=lambda e: (-e[0].lineno, -e[0].col_offset)):
            a, b = n.lineno - 1, n.end_lineno - 1
            if isinstance(new, str):      # a name for a name
                lines[a] = lines[a][:n.col_offset] + self.keep(new, kept).encode() + lines[a][n.end_col_offset:]
                continue
            before, after = lines[a][:n.col_offset], lines[b][n.end_col_offset:]
            if before.strip() == b"" and (after.strip() == b"" or after.strip().startswith(b"#")):
                pad = before
                if not new:
                    alone = self.sole(tree, n)
                    lines[a:b+1] = [pad + b"pass" + after] if alone else []
                else:
                    block = ("\n" + pad.decode()).join("\n".join(new).split("\n"))
                    lines[a:b+1] = [pad + self.keep(block, kept).encode() + after]
            else:
                flat = "; ".join(re.sub(r"\s*\n\s*", " ", x).replace("( ", "(").replace(", )", ")") for x in self.flat(new)) or "pass"
                lines[a:b+1] = [before + self.keep(flat, kept).encode() + after]
            # re-split, so that later (earlier in text) edits see lines
            lines = [l for x in lines for l in x.splitlines(keepends=True)] if any(b"\n" in l[:-1] for l in lines) else lines
        out = b"".join(lines).decode()
        for name, new in renames.items(): out = re.sub(rf"(?<![\w.'\"/]){re.escape(name)}\b(?!['\"])", new, out)
        return self.free(self.strings(out), kept)

    def alias_edits(self, tree, edits):
        "`media.write_clips` where `media` is a module that has lost `write_clips` to another: the other under a name of its own."
        alias = {}                       # name: (old module, import statement)
        for n in ast.walk(tree):
            if isinstance(n, ast.ImportFrom) and (n.module or "").split(".")[0] == "camels":
                mod = n.module.removeprefix("camels").lstrip(".")
                for a in n.names:
                    if (sub := f"{mod}.{a.name}".lstrip(".")) in self.plan.heir: alias[a.asname or a.name] = (sub, n)
            elif isinstance(n, ast.Import):
                for a in n.names:
                    m = a.name.removeprefix("camels").lstrip(".")
                    if a.asname and m in self.plan.heir: alias[a.asname] = (m, n)
        out, extra = [], defaultdict(dict)
        def other(name, attr, patched=False):
            old, at = alias[name]
            r = self.plan.resolve(old, attr)
            if patched and (old, attr) not in self.plan.home:      # an imported name is patched where it is used
                users = {d for (m, i), ds in self.plan.dest.items() if m == old for j, d in ds.items() if attr in self.plan.pieces[m, i][j].need}
                r = (next(iter(users)), attr) if len(users) == 1 else None
                if len(users) > 1: self.notes.append(f"ALIAS {name}, {attr!r} is used by {sorted(users)}")
            if not r or r[0] == self.plan.heir[old]: return None
            new = f"{name}_{r[0].split('.')[-1]}"
            extra[id(at)][new] = r[0]
            return new
        for n in ast.walk(tree):
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id in alias and (new := other(n.value.id, n.attr)): out.append((n.value, new))
            elif isinstance(n, ast.Call) and len(n.args) >= 2 and isinstance(n.args[0], ast.Name) and n.args[0].id in alias and isinstance(n.args[1], ast.Constant) and isinstance(n.args[1].value, str) \
                and (new := other(n.args[0].id, n.args[1].value, True)):
                out.append((n.args[0], new)); self.notes.append(f"ALIAS {n.args[0].id}, {n.args[1].value!r} -> {new}")
        for n, new in edits:
            for a, t in extra.get(id(n), {}).items(): new.append(f"import camels.{t} as {a}")
        return out

    def flat(self, new):
        joined, out, part = [], [], ""
        for l in new:
            part = part + " " + l.strip() if part else l
            if part.count("(") == part.count(")"): out.append(part); part = ""
        return out

    def sole(self, tree, node):
        for p in ast.walk(tree):
            for f in ("body", "orelse", "finalbody"):
                b = getattr(p, f, None)
                if isinstance(b, list) and node in b: return len(b) == 1 and not isinstance(p, ast.Module)
        return False

    def import_from(self, n, mod, old, page):
        groups = defaultdict(list)
        for a in n.names:
            sub = f"{mod}.{a.name}".lstrip(".")
            if sub in self.plan.heir:                      # a module
                new = "camels." + self.plan.heir[sub]; head, _, leaf = new.rpartition(".")
                groups[head].append(leaf + (f" as {a.asname or a.name}" if (a.asname or a.name) != leaf else "")); continue
            r = self.plan.resolve(mod, a.name) if mod in self.plan.heir else None
            t, name = r if r else (self.plan.heir.get(mod, mod), a.name)
            if page and t == page and (a.asname or name) == name: continue       # it is here
            groups["camels" + "."*bool(t) + t].append(name + (f" as {a.asname}" if a.asname and a.asname != name else ""))
        return [l for m, ns in groups.items() for l in wrap_import(f"from {m} import ", ns)]
