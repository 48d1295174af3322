#!/usr/bin/env python
"""House checks: one problem a line, exit code 1 where there is one.

    tools/check.py                   all of them, a minute
    tools/check.py --fast            those that start no other program, a second
    tools/check.py floors cells      only these

Each check is a function from the repository's root to a list of problems; `tests/test_house.py` plants a fault for
each."""
import argparse, ast, filecmp, itertools, json, os, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import house
from house import FLOOR

# Floors are folders: tools/house.py holds them. A module imports from its own floor or a lower one, wherever the import
# stands.
SEES = {"files": "core", "face": "core files voice face", "nn": "core nn"} # rooms that know only these
# of packages numpy and its types alone; cv2 inside functions
NUMPY_ONLY = "face"
ONLY_IN = {"panel": "apps", "bokeh": "apps", "holoviews": "look apps", "matplotlib": "look apps"}
STATES = "apps.state apps.expression_state apps.preset_state apps.text_state"  # param classes, no views
STATE_ONLY = {name: "panel bokeh holoviews matplotlib" for name in STATES.split()}
LATE = set(
    "mediapipe transformers librosa umap parselmouth sklearn numba cv2 ray accelerate espeakng_loader edge_tts".split()
) # in functions only
# not loaded by `import camels`
HEAVY = LATE | set("numpy torch panel bokeh holoviews matplotlib pandas lance pyarrow scipy".split())
DIRECTIVES = set(
    "default_exp export exports exporti exec_doc hide eval echo output slow cuda net ui code-fold hide_input "
    "hide_output "
    "hide_line filter_stream label fig-cap".split()
)
EXPORTED, LESSON, OUTPUT = 40, 20, 50_000 # statements of an exported cell, lines of a lesson, bytes stored, at most
MACHINE = re.compile(r"(?<![\w.:/~$}-])/(?:home|root|work|Users)/[\w.]")
TEMPORARY = re.compile(r"(?<![\w.:/~$}-])/(?:tmp|var/folders|private)/[\w.]")

CHECKS, SLOW = {}, set()
def check(f):
    CHECKS[f.__name__] = f
    return f
def slow(f):
    SLOW.add(f.__name__)
    return check(f)
def sources(root:Path)->dict: # {"camels.face.mesh": path}
    "Every module, packages by their `__init__`."
    files = [p for p in (root/"camels").rglob("*.py") if p.name != "_modidx.py"]
    return {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in sorted(files)}

def notebooks(root:Path)->dict: # {"nbs/000_core.ipynb": cells}
    files = [
        p
        for p in sorted((root/"nbs").rglob("*.ipynb"))
        if not any(o.startswith((".", "_")) for o in p.relative_to(root).parts)
    ]
    return {p.relative_to(root).as_posix(): json.loads(p.read_text(encoding="utf-8"))["cells"] for p in files}

def code_cells(root:Path):
    "(place, cells, index, source, directives) of every code cell."
    for nb, cells in notebooks(root).items():
        for i, c in enumerate(cells):
            if c["cell_type"] != "code":
                continue
            s = "".join(c["source"])
            yield (
                f"{nb}[{i}]",
                cells,
                i,
                s,
                [l.strip()[2:].strip() for l in s.splitlines() if re.match(r"\s*#\s*\|", l)],
            )

def is_export(directives):
    return any(re.split(r"[\s:]", d)[0] in ("export", "exports", "exporti") for d in directives)
def explains(nb:str):
    return nb.startswith(("nbs/cards/", "nbs/tutorials/", "nbs/index"))
def within(name:str, rooms:str):
    return any(name == r or name.startswith(r + ".") for r in rooms.split())

def exports_to(cells)->str: # "face.mesh", "" for none
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return m[1] if (m := re.search(r"^#\s*\|\s*default_exp\s+(\S+)", text, re.M)) else ""

def parse(source:str):
    "The syntax tree of a cell, magics left out; None where it does not parse."
    try:
        return ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M))
    except SyntaxError:
        return None

def imports(tree, package:str, known):
    "(absolute name, line, inside a function?) of every import."
    def visit(node, inside):
        for n in ast.iter_child_nodes(node):
            if isinstance(n, ast.Import):
                yield from ((a.name, n.lineno, inside) for a in n.names)
            elif isinstance(n, ast.ImportFrom):
                up = package.split(".")[:len(package.split(".")) - n.level + 1] if n.level else []
                base = ".".join(up + ([n.module] if n.module else []))
                yield from {
                    (f"{base}.{a.name}" if f"{base}.{a.name}" in known else base, n.lineno, inside) for a in n.names
                }
            elif (
                isinstance(n, ast.Call)
                and getattr(n.func, "attr", getattr(n.func, "id", "")) in ("import_module", "__import__")
                and n.args
                and isinstance(n.args[0], ast.Constant)
            ):
                yield str(n.args[0].value), n.lineno, inside
            yield from visit(n, inside or isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))
    return visit(tree, False)

@check
def floors(root):
    "No import from a higher floor, no circle, libraries only in their rooms."
    known, out, graph = sources(root), [], {}
    for name, path in known.items():
        me, where = name.removeprefix("camels").lstrip("."), path.relative_to(root).as_posix()
        floor = FLOOR.get(me) or FLOOR.get(me.split(".")[0], 0)
        if me and not floor:
            out.append(f"{where}: no floor for {me!r} (see FLOORS in tools/house.py)")
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for target, line, inside in imports(ast.parse(path.read_text(encoding="utf-8")), package, known):
            place, lib = f"{where}:{line}", target.split(".")[0]
            if lib != "camels":
                if not within(me, ONLY_IN.get(lib, me)) or lib in STATE_ONLY.get(me, "").split():
                    out.append(f"{place}: {lib} does not belong in {me}")
                if lib in LATE and not inside:
                    out.append(f"{place}: import {lib} inside the function that needs it")
                if (
                    within(me, NUMPY_ONLY)
                    and lib not in sys.stdlib_module_names | {"numpy", "jaxtyping"}
                    and not (lib == "cv2" and inside)
                ):
                    out.append(f"{place}: {me} needs numpy only, not {lib}")
                continue
            if not me and inside:
                continue   # the package's own doors, such as %load_ext camels
            to = target.removeprefix("camels").lstrip(".")
            if target == name:
                continue   # a worker finds its function by its module
            graph.setdefault(name, set()).add(target)
            above = FLOOR.get(to) or FLOOR.get(to.split(".")[0], 0)
            if above > floor:
                out.append(f"{place}: {me or 'camels'} (floor {floor}) imports {to} (floor {above})")
            elif not within(to, SEES.get(me.split(".")[0], to)):
                out.append(f"{place}: {me} knows only {SEES[me.split('.')[0]]}, not {to}")
    return out + [f"circle: {' -> '.join(c)}" for c in circles(graph)]

def circles(graph):
    "Paths that come back to where they started."
    done, out = set(), []
    def walk(n, path):
        if n in path:
            return out.append([*path[path.index(n):], n])
        if n in done:
            return
        for m in sorted(graph.get(n, ())):
            walk(m, [*path, n])
        done.add(n)
    for n in sorted(graph):
        walk(n, [])
    return out

@check
def orphans(root):
    "Each module has its notebook, each notebook its module."
    out, made = [], {}
    for nb, cells in notebooks(root).items():
        if not (to := exports_to(cells)):
            continue
        path = "camels/" + to.replace(".", "/") + ".py"
        if path in made:
            out.append(f"{nb}: exports {to}, as {made[path]} does")
        made[path] = nb
        if not (root/path).exists():
            out.append(f"{nb}: {path} is missing; run nbdev_export")
        if explains(nb):
            out.append(f"{nb}: a page that explains exports nothing")
    out += [
        f"{place}: exports without default_exp"
        for place, all_, _, _, d in code_cells(root)
        if is_export(d) and not exports_to(all_)
    ]
    return out + [f"{o}: no notebook exports it" for p in sources(root).values()
                  if p.name != "__init__.py" and (o := p.relative_to(root).as_posix()) not in made]

# A process that has loaded what many modules share, and of ours nothing, forks one for each module: a start of its own
# for every one would load torch a hundred times.
FORKS = """
import importlib, json, os, sys
for name in sys.argv[1].split():
    importlib.import_module(name)
for line in sys.stdin:
    name, *heavy = line.split()
    if not os.fork():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            importlib.import_module(name)
            said = sorted(set(heavy) & set(sys.modules))
        except BaseException as e:
            said = f"{type(e).__name__}: {e}".splitlines()[0]
        print(json.dumps([name, said]), flush=True)
        os._exit(0)
    os.wait()
"""
SHARED = "numpy scipy.fft scipy.signal torch pyarrow lance av soundfile typer rich psutil" # before the forks

def imported(root, asked):
    "{module: what it loads of its `heavy` names, or why it does not import}."
    args = [sys.executable, "-c", FORKS, SHARED if len(asked) > 20 else "json"]
    env = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    text = "".join(f"{name} {' '.join(heavy)}\n" for name, heavy in asked)
    r = subprocess.run(args, cwd=root, env=env, input=text, capture_output=True, text=True)
    found = dict(json.loads(line) for line in r.stdout.splitlines() if line.startswith("["))
    return {name: found.get(name, "its process ended without a word") for name, _ in asked}

def package(root):
    "What `import camels` does in a process of its own."
    code = (
        "import sys, time; t = time.perf_counter(); import camels; took = time.perf_counter() - t; "
        f"print(took, *({HEAVY!r} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(root)}
    r = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True)
    if r.returncode:
        return [f"camels: does not import: {(r.stderr.strip() or 'no message').splitlines()[-1]}"]
    took, *loaded = r.stdout.splitlines()[-1].split()
    if loaded:
        return [f"camels: loads {', '.join(sorted(loaded))}"]
    return [f"camels: import takes {float(took):.1f} s"] if float(took) > 2 else []

@slow
def alone(root):
    "Every module imports with no other of ours loaded before, without heavy libraries; `import camels` within 2 s."
    asked = []
    for name in sources(root):
        mine = {lib for lib, rooms in ONLY_IN.items() if within(name.removeprefix("camels."), rooms)}
        asked.append((name, LATE | set(ONLY_IN) - mine))
    found = {}
    with ThreadPoolExecutor(2) as pool:
        for part in pool.map(lambda part: imported(root, part), (asked[::2], asked[1::2])):
            found |= part
    out = package(root)
    for name, said in found.items():
        if isinstance(said, str):
            out.append(f"{name}: does not import: {said}")
        elif said:
            out.append(f"{name}: loads {', '.join(said)}")
    return out

@slow
def ruff(root):
    "No undefined name, no unused import, no syntax error in the exported code."
    command = "ruff check --isolated --no-cache --select F,E9 --ignore F722 --output-format concise camels"
    r = subprocess.run([sys.executable, "-m", *command.split()], cwd=root, capture_output=True, text=True)
    return [l for l in (r.stdout + r.stderr).splitlines() if r.returncode and not re.match(r"Found|\[\*\]", l)]

@check
def order(root):
    "A numbered notebook imports only from lower numbers."
    def number(nb):
        return int(m[0]) if (m := re.match(r"\d+", Path(nb).name)) else None
    home = {"camels." + to: number(nb) for nb, cells in notebooks(root).items() if (to := exports_to(cells))}
    out = []
    for place, _, _, s, _ in code_cells(root):
        n = number(place)
        if (tree := parse(s)) is None:
            out.append(f"{place}: does not parse")
            continue
        for target, line, inside in imports(tree, "", home):
            if n is not None and (home.get(target) or 0) >= max(n, 1) + (inside and home.get(target) == n):
                out.append(f"{place}: imports {target} of notebook {home[target]}")
    return out

@check
def directives(root):
    "Known directives only, and where nbdev reads them: above all else in the cell."
    out = []
    for place, _, _, s, found in code_cells(root):
        out += [f"{place}: unknown directive {w!r}" for d in found if (w := re.split(r"[\s:]", d)[0]) not in DIRECTIVES]
        lines = [l.strip() for l in s.splitlines() if l.strip() and not l.startswith("%%")]
        below = itertools.dropwhile(lambda l: re.match(r"#\s*\|", l), lines)
        out += [f"{place}: {l!r} stands below other lines and is not read" for l in below if re.match(r"#\s*\|", l)]
        out += [
            f"{place}: {l!r} lacks its bar"
            for l in lines[:1]
            if re.match(r"#\s*(exports?|exporti|default_exp \S+|hide|eval: ?\w+)$", l)
        ]
    return out

@check
def cells(root):
    "Cells short enough to explain; imports in cells of their own."
    out = []
    for place, _, _, s, d in code_cells(root):
        tree = parse(s)
        body = tree.body if tree else []
        if is_export(d):
            pass                                                                # see `style`
        else:
            n = len([l for l in s.splitlines() if l.strip() and not re.match(r"\s*#\s*\|", l)])
            if n > LESSON:
                out.append(f"{place}: {n} lines, {LESSON} at most")
        if not is_export(d) and len({isinstance(n, (ast.Import, ast.ImportFrom)) for n in body}) == 2:
            out.append(f"{place}: mixes imports with other code")
        loose = (
            isinstance(n, ast.ImportFrom) and (n.level or n.names[0].name == "*")
            for n in ast.walk(ast.Module(body, []))
        )
        if is_export(d) and any(loose):
            out.append(f"{place}: exported imports are absolute and explicit")
    return out

@check
def private(root):
    "No private name is imported from another module."
    known, out = house.modules(root), []
    for me, path in known.items():
        for target, asked, line in house.imports(path, me, known):
            if asked.startswith("_") and not asked.startswith("__") and target != me:
                out.append(
                    f"{path.relative_to(root).as_posix()}:{line}: {asked} of {target} is private; give it a public name"
                )
    return out

RULES = dict(E501="line too long", E701="statement after a colon", E702="two statements on a line",
             E703="semicolon at the end", E731="lambda with a name")

def style_places(root):
    "{what is asked of the house style: places that lack it}."
    places, spread, *_ = house.survey(root)
    found = {k: places[k] for k in ("third exported cell without a lesson", "public definitions unused on their page")}
    found[f"cells over {EXPORTED} statements"] = [n for n in spread["with docstrings"] if n > EXPORTED]
    where = [w for w in ("nbs", "tests", "tools") if (root/w).exists()]
    rules = f"--select {','.join(RULES)} --line-length {house.WIDTH}"
    command = f"ruff check --isolated --no-cache {rules} --output-format json".split()
    run = subprocess.run([sys.executable, "-m", *command, *where], cwd=root, capture_output=True, text=True)
    if run.returncode > 1:
        return {f"ruff ended with {run.returncode}": [run.stderr.strip()]}
    for problem in json.loads(run.stdout):
        rule = str(problem["code"])
        place = f"{Path(problem['filename']).name}:{problem['location']['row']}"
        found.setdefault(f"{rule} {RULES.get(rule, 'does not parse')}", []).append(place)
    return found

@slow
def style(root):
    "Width, one statement a line, no lambda with a name, cells that explain."
    return [f"{len(places)} x {key}: {', '.join(map(str, places[-3:]))}"
            for key, places in style_places(root).items() if places]

@check
def skipped(root):
    "No `eval: false` outside cards and tutorials without its reason in the text above."
    out = []
    for place, all_, i, _, d in code_cells(root):
        off = any(re.match(r"eval\s*:\s*false", x) for x in d)
        if (
            off
            and not explains(place)
            and not (i and all_[i-1]["cell_type"] == "markdown" and len("".join(all_[i-1]["source"])) >= 40)
        ):
            out.append(f"{place}: eval: false without a reason above")
    texts = (
        (nb, "".join(c["source"])) for nb, cells in notebooks(root).items() for c in cells if c["cell_type"] != "code"
    )
    return out + [f"{nb}: skip_exec" for nb, s in texts if re.search(r"^\W*skip_exec\s*:\s*true", s, re.M)]

@check
def outputs(root):
    "Stored outputs: small, without traceback, noise or places on this machine."
    out = []
    for place, all_, i, *_ in code_cells(root):
        stored = all_[i].get("outputs", [])
        if (n := len(json.dumps(stored))) > OUTPUT:
            out.append(f"{place}: {n//1000} KB stored, {OUTPUT//1000} at most")
        text = json.dumps(
            [{**o, "data": {k: v for k, v in o.get("data", {}).items() if k != "image/png"}} for o in stored],
            ensure_ascii=False,
        )
        if '"output_type": "error"' in text or "Traceback (most recent call last)" in text:
            out.append(f"{place}: stored traceback")
        out += [f"{place}: stored stderr: {''.join(o['text'])[:60]!r}" for o in stored if o.get("name") == "stderr"]
        if m := MACHINE.search(text) or TEMPORARY.search(text):
            out.append(f"{place}: absolute path in output: {text[m.start():m.start()+40]!r}")
    return out

@check
def paths(root):
    "No place on this machine in any source."
    where = (
        "nbs/**/*.ipynb camels/**/*.py camels/assets/**/*.json tests/**/*.py tools/* *.md *.ini *.toml Makefile "
        "data_cards/* .ci/run"
    )
    text = {
        p: p.read_text(encoding="utf-8", errors="replace")
        for pattern in where.split()
        for p in root.glob(pattern)
        if p.is_file()
    }
    return [
        f"{p.relative_to(root).as_posix()}: absolute path {t[m.start():m.start()+40]!r}"
        for p, t in text.items()
        if (m := MACHINE.search(t))
    ]

@slow
def settled(root):
    "`nbdev_export` and `nbdev_clean` change nothing."
    with tempfile.TemporaryDirectory() as tmp:
        copy = Path(tmp)/"copy"
        for n in ("nbs", "camels", "settings.ini", "setup.py", "pyproject.toml", "README.md"):
            if (root/n).is_dir():
                shutil.copytree(root/n, copy/n, ignore=shutil.ignore_patterns("__pycache__", ".*", "assets"))
            elif (root/n).exists():
                shutil.copy(root/n, copy/n)
        for tool in ("nbdev_export", "nbdev_clean"):
            r = subprocess.run(
                [sys.executable, "-B", Path(sys.executable).parent/tool], cwd=copy, capture_output=True, text=True
            )
            if r.returncode:
                return [f"{tool}: {(r.stderr.strip() or 'failed').splitlines()[-1]}"]
        after = sorted(p for p in copy.rglob("*") if p.is_file() and ".cache" not in p.parts)
        return [f"{p.relative_to(copy).as_posix()}: changed by nbdev_export or nbdev_clean" for p in after
                if not (o := root/p.relative_to(copy)).exists() or not filecmp.cmp(p, o, shallow=False)]

@check
def assets(root):
    "Scripts, styles and pages in `camels/assets`: narrow, without tabs, used by a module, brackets that match."
    code = "\n".join(p.read_text(encoding="utf-8") for p in sources(root).values())
    out = []
    for path in own_assets(root, ".js", ".css", ".html"):
        place, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        for n, line in enumerate(text.splitlines(), 1):
            if len(line) > house.WIDTH:
                out.append(f"{place}:{n}: {len(line)} columns, {house.WIDTH} at most")
            if "\t" in line:
                out.append(f"{place}:{n}: a tab")
        if f'"{path.relative_to(root/"camels/assets").as_posix()}"' not in code:
            out.append(f"{place}: no module names it")
        if path.suffix != ".html" and (wrong := unmatched(text, path.suffix == ".js")):
            out.append(f"{place}:{wrong}")
    return out

def own_assets(root, *endings):
    "Files that we wrote; the avatar's bundle is built by tools/avatar."
    found = sorted(p for p in (root/"camels/assets").rglob("*") if p.suffix in endings)
    return [p for p in found if "avatar" not in p.relative_to(root).parts]

PAIRS = {")": "(", "]": "[", "}": "{"}
# comments, strings, and where an expression may begin a regular expression
SKIPPED = r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
REGEX = r"(?<=[(,=:!&|?{;\[])\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"

def unmatched(text, script:bool):
    "Line and bracket that has no partner; empty where all match. Strings and comments do not count."
    skip = re.compile(f"//[^\n]*|{SKIPPED}|{REGEX}" if script else SKIPPED, re.S)
    stack, at = [], 0
    while at < len(text):
        char, line = text[at], text.count("\n", 0, at) + 1
        if stack and stack[-1][0] == "`": # inside a template: only its end and ${ matter
            if char == "\\":
                at += 1
            elif char == "`":
                stack.pop()
            elif text.startswith("${", at):
                stack.append(("{", line))
                at += 1
        elif found := skip.match(text, at):
            at = found.end() - 1
        elif char in "([{" or (script and char == "`"):
            stack.append((char, line))
        elif char in PAIRS:
            if not stack or stack.pop()[0] != PAIRS[char]:
                return f"{line}: {char} closes nothing"
        at += 1
    return f"{stack[-1][1]}: {stack[-1][0]} is not closed" if stack else ""

@slow
def scripts(root):
    "Node, where it is installed, can read every script."
    out = []
    for path in own_assets(root, ".js") if shutil.which("node") else []:
        command = ["node", "--check", "--input-type=module"]
        run = subprocess.run(command, input=path.read_text(encoding="utf-8"), capture_output=True, text=True)
        if run.returncode:
            error = next((l for l in run.stderr.splitlines() if "Error" in l), "cannot be read")
            out.append(f"{path.relative_to(root).as_posix()}: {error}")
    return out

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", metavar="check", help="of: " + ", ".join(CHECKS))
    p.add_argument("--fast", action="store_true")
    p.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    a = p.parse_args()
    if unknown := set(a.names) - set(CHECKS):
        p.error(f"unknown check {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    found = [
        f"{n}: {problem}" for n in a.names or CHECKS if not (a.fast and n in SLOW) for problem in CHECKS[n](a.root)
    ]
    print(*found, f"house checks: {len(found)} problems" if found else "house checks: no problem", sep="\n")
    return bool(found)
if __name__ == "__main__":
    sys.exit(main())
