#!/usr/bin/env python
"""The house in numbers and as a picture, read from the code of any checkout.

    tools/house.py                    figures of this checkout
    tools/house.py --root OLD         of another one, to set side by side
    tools/house.py --json             the same for programs
    tools/house.py --list upward      the places behind a figure
    tools/house.py --svg FILE         the picture: floors, rooms, arrows

Floors and chapters stand here, once; `tools/check.py` and `tools/docs.py` read them from here."""
import argparse
import ast
import io
import json
import re
import statistics
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

# A folder is a floor. Arrows point down: to a lower floor, or to a lower number on the same one.
FLOORS = ["core config files media sound voice", "face nn train", "encoders text", "data", "latent express",
          "look agent", "fusion recipes", "live bench", "apps", "commands cli"]
FLOOR = {name: n for n, names in enumerate(FLOORS, 1) for name in names.split()}
# A hundred is a chapter.
CHAPTERS = ["Ground", "A face in 52 numbers", "Frozen encoders", "Recordings to rows", "Parts and a loop", "One latent",
            "Text and sound to a face", "Think", "Recipes and benchmarks", "Live, apps, command line"]
WIDTH = 120 # columns of a line
LONG = 400  # lines of a file
ALIKE = 6   # lines of a stretch that stands in two places


def read_page(path):
    "(module, or \"\"; cells) of a notebook; a cell is (exported?, code)."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    named = re.search(r"^#\s*\|\s*default_exp\s+(\S+)", "\n".join(code), re.M)
    found = [(bool(re.search(r"^#\s*\|\s*exports?\b", s, re.M)), bare(s)) for s in code]
    return named[1] if named else "", [(e, s) for e, s in found if s.strip()]


def bare(source):
    "A cell without directives and magics."
    source = re.sub(r"^\s*#\s*\|.*\n?", "", source, flags=re.M)
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M)


def parse(source):
    "The syntax tree of a cell; an empty one where it does not parse."
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def is_import(node):
    return isinstance(node, (ast.Import, ast.ImportFrom))


def is_text(node):
    "A docstring, or another text that stands alone."
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)


def statements(tree):
    "How many statements a tree holds, nested ones too; docstrings and imports do not count."
    return sum(isinstance(n, ast.stmt) and not is_text(n) and not is_import(n) for n in ast.walk(tree))


def semicolons(source):
    "Semicolons that join two statements; one at the end, which keeps a notebook quiet, joins none."
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, IndentationError):
        return 0
    quiet = (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
    return sum(t.string == ";" and t.type == tokenize.OP and n.type not in quiet for t, n in zip(tokens, tokens[1:]))


def room(module):
    "The folder that a module lies in, or the module itself where it is on top."
    return module.rpartition(".")[0] or module


def modules(root):
    "{module: path}, packages left out."
    files = sorted((root/"camels").rglob("*.py"))
    files = [p for p in files if p.name not in ("__init__.py", "_modidx.py")]
    return {".".join(p.relative_to(root/"camels").with_suffix("").parts): p for p in files}


def imports(path, module, known):
    "(module, name or \"\", line) of every import of the package, late ones too."
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            ours = [a.name.removeprefix("camels.") for a in node.names if a.name.startswith("camels.")]
            yield from ((name, "", node.lineno) for name in ours)
        elif isinstance(node, ast.ImportFrom):
            up = ["camels", *module.split(".")][:-node.level] if node.level else []
            base = ".".join([*up, *filter(None, [node.module])])
            if base.split(".")[0] != "camels":
                continue
            base = base.removeprefix("camels").lstrip(".")
            for a in node.names:
                inner = f"{base}.{a.name}".lstrip(".")
                yield (inner, "", node.lineno) if inner in known else (base, a.name, node.lineno)


def circles(graph):
    "Paths that come back to where they started."
    done, found = set(), []

    def walk(node, path):
        if node in path:
            found.append(" -> ".join([*path[path.index(node):], node]))
            return
        if node in done:
            return
        for other in sorted(graph.get(node, ())):
            walk(other, [*path, node])
        done.add(node)

    for node in sorted(graph):
        walk(node, [])
    return found


def is_upward(module, target, numbers):
    "Does an arrow point up? By floors where both have one, and by the numbers of the notebooks."
    if numbers.get(target, -1) >= numbers.get(module, 10**6):
        return True
    floors = [FLOOR.get(o.split(".")[0]) for o in (module, target)]
    return None not in floors and floors[1] > floors[0]


def called(tree):
    "Names that code uses, attributes too."
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return used | {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


def said(tree):
    "Texts of code, such as the words of a command."
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def is_command(node):
    "Is a function called from a command line, by its name as a word?"
    calls = [d.func for d in getattr(node, "decorator_list", ()) if isinstance(d, ast.Call)]
    return any(isinstance(f, ast.Attribute) and f.attr == "command" for f in calls)


def definitions(tree):
    "Public functions, methods that are patched in, and classes of exported code."
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]


def stretches(texts):
    "Places where `ALIKE` lines or more stand as they stand elsewhere; short lines do not count."
    seen, found = {}, []
    for place, text in texts:
        lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1)]
        lines = [(i, line) for i, line in lines if len(line) > 3 and not line.startswith("#")]
        last = -ALIKE
        for k in range(len(lines) - ALIKE + 1):
            key = tuple(s for _, s in lines[k:k+ALIKE])
            here = f"{place}:{lines[k][0]}"
            if (first := seen.setdefault(key, here)) == here:
                continue
            if k - last >= ALIKE:
                found.append(f"{here} = {first}")
            last = k
    return found


def pages(root):
    "{place: (number, module, cells)} of the numbered notebooks."
    out = {}
    for path in sorted((root/"nbs").glob("[0-9]*.ipynb")):
        module, cells = read_page(path)
        if module:
            out[path.relative_to(root).as_posix()] = (int(path.name.split("_")[0]), module, cells)
    return out


def without_lesson(cells):
    "Indices of exported definitions that are the third in a row with nothing run between."
    row, found = 0, []
    for i, (exported, source) in enumerate(cells):
        tree = parse(source)
        if all(is_import(n) for n in tree.body):
            continue
        row = row + 1 if exported else 0
        if row >= 3:
            found.append(i)
    return found


def survey(root):
    "{figure: places}: what is behind each figure that should be 0; and {figure: numbers} of those that are spread."
    book, files = pages(root), modules(root)
    places, spread = defaultdict(list), defaultdict(list)
    numbers = {module: number for number, module, _ in book.values()}
    exported = lessons = 0
    for nb, (_, module, cells) in book.items():
        trees = [(e, parse(s)) for e, s in cells]
        work = [(e, t) for e, t in trees if not all(is_import(n) for n in t.body)]
        exported += sum(e for e, _ in work)
        lessons += sum(not e for e, _ in work)
        spread["statements"] += [statements(t) for e, t in work if e]
        spread["with docstrings"] += [sum(isinstance(n, ast.stmt) for n in ast.walk(t)) for e, t in work if e]
        places["third exported cell without a lesson"] += [f"{nb}[{i}]" for i in without_lesson(cells)]
        for i, (_, source) in enumerate(cells):
            wide = [k for k, line in enumerate(source.splitlines(), 1) if len(line) > WIDTH]
            places["lines over 120 columns"] += [f"{nb}[{i}]:{k}" for k in wide]
            places["semicolons"] += [f"{nb}[{i}]"]*semicolons(source)
        lesson = [t for e, t in work if not e]
        used, words = (set().union(*map(f, lesson)) for f in (called, said))
        commands = {n.name for e, t in work if e for n in t.body if is_command(n)}
        used |= {name for name in commands if name.split("_")[-1] in words or name.rstrip("_") in words}
        names = [n for e, t in work if e for n in definitions(t)]
        places["public definitions unused on their page"] += [f"{module}.{n}" for n in names if n not in used]
    graph = defaultdict(set)
    for module, path in files.items():
        n = len(path.read_text(encoding="utf-8").splitlines())
        if n > LONG:
            places["files over 400 lines"].append(f"{module}: {n}")
        if "." not in module:
            places["modules on top"].append(module)
        for target, name, line in imports(path, module, files):
            if target not in files:
                continue
            graph[module].add(target)
            place = f"{module}:{line} imports {target}{'.' + name if name else ''}"
            if is_upward(module, target, numbers):
                places["upward imports"].append(place)
            if name.startswith("_") and not name.startswith("__"):
                places["private imports"].append(place)
    places["circles"] = circles(graph)
    own = [(nb, "\n".join(s for e, s in cells if e)) for nb, (_, _, cells) in book.items()]
    places["stretches of six lines that stand twice"] = stretches(own)
    spread["lessons"], spread["exported"] = lessons, exported
    return places, spread, graph, numbers


FIGURES = ["lines over 120 columns", "semicolons", "public definitions unused on their page",
           "third exported cell without a lesson", "files over 400 lines", "modules on top", "circles",
           "upward imports",
           "private imports", "stretches of six lines that stand twice"]


def figures(root):
    "{what: number}, for people and programs."
    places, spread, _, numbers = survey(root)
    counts = spread["statements"]
    out = {"notebooks with a module": len(numbers), "exported cells": spread["exported"],
           "statements a cell, median": statistics.median(counts), "statements a cell, p90": p90(counts),
           "cells over 40 statements": sum(n > 40 for n in spread["with docstrings"]),
           "lessons an exported cell": round(spread["lessons"]/spread["exported"], 2)}
    return out | {name: len(places[name]) for name in FIGURES}


def p90(values):
    return sorted(values)[int(.9*(len(values) - 1))]


STYLE = """svg{font-family:sans-serif} .floor{fill:#8881} .room{fill:#fff;stroke:#0072b2} .n{font-size:15px;fill:#777}
.r{font-size:13px;font-weight:bold;fill:#222} .m{font-size:9px;fill:#333}
.a{fill:none;stroke:#d55e00;stroke-opacity:.75}"""
COLUMN, LINE, TALL, GAP = 118, 12, 6, 14 # pixels: a column of names, a line; lines of a column; pixels between rooms


def box(x, y, width, height, kind):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" class="{kind}"/>'


def word(x, y, kind, text):
    return f'<text x="{x}" y="{y}" class="{kind}">{text}</text>'


def draw_room(name, modules, numbers, x, y, height):
    "(shapes, width) of a room with its modules, each with the number of its notebook."
    width = room_width(modules)
    shapes = [box(x, y + 6, width, height - 12, "room"), word(x + 8, y + 21, "r", name)]
    for k, module in enumerate(modules):
        leaf = f"{numbers[module]:03d} {module.partition('.')[2] or module}"
        shapes.append(word(x + 10 + COLUMN*(k//TALL), y + 36 + LINE*(k % TALL), "m", leaf))
    return shapes, width


def arrow(start, end):
    "A line from the foot of a room to the head of another one below."
    (x, _, foot), (u, head, _) = start, end
    return f'<path d="M{x:.0f},{foot} C{x:.0f},{foot + 14} {u:.0f},{head - 14} {u:.0f},{head}" class="a"/>'


def needed(uses):
    "Of arrows between rooms, those that say something: one that a longer way says too is left out."
    below = defaultdict(set)
    for a, b in uses:
        below[a].add(b)

    def reach(a):
        return below[a].union(*(reach(b) for b in below[a])) if below[a] else set()

    return sorted((a, b) for a in list(below) for b in below[a] if not any(b in reach(c) for c in below[a] - {b}))


def room_width(modules):
    return 16 + COLUMN*-(-len(modules)//TALL)


def draw(root):
    "The house as SVG: a floor a band, a room a box with its modules, an arrow from each room to those it stands on."
    _, _, graph, numbers = survey(root)
    rooms = defaultdict(list)
    for module in sorted(numbers, key=numbers.get):
        rooms[module.split(".")[0]].append(module)
    floors = [[r for r in names.split() if r in rooms] for names in FLOORS]
    across = max(60 + sum(room_width(rooms[r]) + GAP for r in names) for names in floors)
    at, bands, shapes, y = {}, [], [], 10
    for n in range(len(floors), 0, -1):
        here = floors[n-1]
        if not here:
            continue
        height = 40 + LINE*min(TALL, max(len(rooms[r]) for r in here))
        x = 34 + (across - 34 - sum(room_width(rooms[r]) + GAP for r in here))/2
        bands += [box(0, y, across, height, "floor"), word(8, y + 20, "n", n)]
        for r in here:
            drawn, width = draw_room(r, rooms[r], numbers, x, y, height)
            at[r] = (x + width/2, y + 6, y + height - 6)
            shapes += drawn
            x += width + GAP
        y += height + 16
    uses = {(m.split(".")[0], t.split(".")[0]) for m, ts in graph.items() for t in ts}
    down = [(a, b) for a, b in uses if a in at and b in at and at[a][1] < at[b][1]]
    arrows = [arrow(at[a], at[b]) for a, b in needed(down)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {y}" role="img">'
    head += f"\n<title>The house of CAMELS</title><style>{STYLE}</style>"
    return "\n".join([head, *bands, *arrows, *shapes, "</svg>", ""])


PAGE = """# The house

> Floors, rooms and arrows of the package, drawn from its code.

Every module of `camels/` is exported from one notebook. A folder is a floor, and a hundred of notebook numbers is a
chapter. A module imports from its own floor or a lower one, and a notebook from lower numbers only: so there is one
order in which everything can be read. `tools/check.py` holds this, and knows no list that is kept by hand.

![Ten floors of rooms; each room names its modules with their numbers](house.svg)

An arrow goes from a room to the rooms that it stands on. Where a longer way says the same, the direct arrow is left
out.

## In numbers

| figure | today | goal |
|---|--:|--:|
{rows}

`python tools/house.py` prints them, `--list FIGURE` the places behind one, `--root FOLDER` those of another checkout.

## Where to look

- **What ships and how it was made are apart.** `encoders`, `text` and `express` run the shipped models; `recipes`
  makes them.
- **A run has one home**: `train.run`, `control`, `watch` and `launch`. Any Learner is started, paused, steered and
  resumed there.
- **Latents on disk have one home**: `latent.snapshots` writes and reads them; `look` and the apps only ask it.
- **The 19 numbers of a face have one home**: `face.condition`.
- **Sound has one home for arithmetic** (`sound`) **and one for files** (`media`).
- **Figures are measured in `bench`, `latent.evaluate` and the `measure` pages of `recipes`**, and printed as rows of
  one shape.

`CONTRIBUTING.md` answers twenty questions of the kind "where is …?".
"""
GOALS = {"statements a cell, median": "≤ 10", "statements a cell, p90": "≤ 22", "cells over 40 statements": "0",
         "lessons an exported cell": "≥ 1.5", "files over 400 lines": "≤ 2", "modules on top": "≤ 6"}


def page(root):
    "The page of the documentation, as Markdown."
    found = figures(root)
    rows = [f"| {k} | {v:g} | {GOALS.get(k, '0' if k in FIGURES else '')} |" for k, v in found.items()]
    return PAGE.format(rows="\n".join(rows))


def main():
    "Command line."
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    p.add_argument("--json", action="store_true")
    p.add_argument("--list", metavar="FIGURE", help="a word of the figure's name")
    p.add_argument("--svg", type=Path, metavar="FILE")
    a = p.parse_args()
    if a.svg:
        a.svg.write_text(draw(a.root), encoding="utf-8")
        return
    if a.list:
        places = survey(a.root)[0]
        hits = [n for n in places if a.list in n]
        if not hits:
            sys.exit(f"house: no figure {a.list!r}; there are {', '.join(places)}")
        print(*(line for n in hits for line in places[n]), sep="\n")
        return
    out = figures(a.root)
    if a.json:
        print(json.dumps(out, indent=1))
    else:
        print(*(f"{v:>8}  {k}" for k, v in out.items()), sep="\n")


if __name__ == "__main__":
    main()
