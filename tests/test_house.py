"""The house checks hold here, and each has been seen to fail: a small house is built, a fault planted, and the check
must name it."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/"tools"))
import check  # noqa: E402
from check import CHECKS, circles  # noqa: E402

@pytest.mark.parametrize("name", CHECKS)
def test_house(name):
    problems = CHECKS[name](ROOT)
    assert not problems, "\n" + "\n".join(problems)

# A small house

def code(*lines, outputs=(), **kw):
    return dict(
        cell_type="code", source="\n".join(lines), metadata={}, outputs=list(outputs), execution_count=None, **kw
    )
def text(s, kind="markdown"):
    return dict(cell_type=kind, source=s, metadata={})

def write_notebook(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{**c, "id": f"cell{i:04d}"} for i, c in enumerate(cells)]
    meta = dict(kernelspec=dict(display_name="python3", language="python", name="python3"))
    path.write_text(json.dumps(dict(cells=cells, metadata=meta, nbformat=4, nbformat_minor=5), indent=1) + "\n")

def page(name, *cells):
    return [code(f"#| default_exp {name}"), text(f"# {name}\n\n> A page."), *cells]

@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    "Three modules on three floors, exported and cleaned by nbdev."
    root = tmp_path_factory.mktemp("house")
    for f in ("settings.ini", "setup.py", "pyproject.toml"):
        shutil.copy(ROOT/f, root/f)
    for p in ("camels", "camels/apps", "camels/face"):
        (root/p).mkdir()
        (root/p/"__init__.py").touch()
    (root/"camels/__init__.py").write_text('__version__ = "0.1.0"\n')
    write_notebook(
        root/"nbs/000_core.ipynb",
        *page(
            "core",
            code("#| export", "import json"),
            code("#| export", "def f():", "    return json.dumps(1)"),
            code("f()"),
        ),
    )
    write_notebook(
        root/"nbs/105_face.mesh.ipynb",
        *page(
            "face.mesh",
            code("#| export", "from camels.core import f", "import numpy as np"),
            code("#| export", "def g():", "    import cv2", "    return f(), np, cv2"),
            code("g"),
        ),
    )
    write_notebook(
        root/"nbs/922_apps.state.ipynb",
        *page(
            "apps.state",
            code("#| export", "from camels.face.mesh import g"),
            code("#| export", "def h():", "    return g()"),
            code("h"),
        ),
    )
    write_notebook(root/"nbs/cards/one.ipynb", text("# A card"), code("#| eval: false", "1"))
    for tool in ("nbdev_export", "nbdev_clean"):
        subprocess.run([sys.executable, Path(sys.executable).parent/tool], cwd=root, check=True, capture_output=True)
    return root

@pytest.fixture
def house(clean, tmp_path):
    return Path(shutil.copytree(clean, tmp_path/"house"))

@pytest.mark.parametrize("name", CHECKS)
def test_a_clean_house_has_no_problem(house, name):
    assert CHECKS[name](house) == []

# Faults

def append(path, *lines):
    "Add lines to a file, which may be new."
    def plant(root):
        (root/path).parent.mkdir(parents=True, exist_ok=True)
        with (root/path).open("a") as f:
            f.write("\n".join(lines) + "\n")
    return plant

def lesson(*cells, nb="nbs/000_core.ipynb"):
    def plant(root):
        d = json.loads((root/nb).read_text())
        d["cells"] += [{**c, "id": f"new{i:05d}"} for i, c in enumerate(cells)]
        (root/nb).write_text(json.dumps(d, indent=1) + "\n")
    return plant
def notebook(nb, *cells):
    return lambda root: write_notebook(root/nb, *cells)
def both(*plants):
    return lambda root: [p(root) for p in plants]
def printed(s, **kw):
    return code("1", outputs=[dict(output_type="stream", name="stdout", text=[s]) | kw])

def planted(path, text):
    "A file, and a module that names it."
    def plant(root):
        at = root/"camels/assets"/path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
        append("camels/core.py", f'PLACE = "{path}"')(root)
    return plant

HOME = "/ho" + "me/someone/data"
FAULTS = {
    "upward": (
        "floors",
        append("camels/core.py", "from camels.apps.state import h"),
        "core (floor 1) imports apps.state (floor 9)",
    ),
    "upward, relative": (
        "floors",
        append("camels/face/mesh.py", "from ..apps import state"),
        "face.mesh (floor 2) imports apps.state",
    ),
    "upward, late": (
        "floors",
        append("camels/core.py", "def late():", "    import camels.apps.state"),
        "imports apps.state",
    ),
    "upward, by name": (
        "floors",
        append("camels/core.py", "def late(): return importlib.import_module('camels.cli')"),
        "imports cli (floor 10)",
    ),
    "upward, package": ("floors", append("camels/__init__.py", "from .core import f"), "camels (floor 0) imports core"),
    "circle": (
        "floors",
        both(
            append("camels/core.py", "def f():", "    from camels import files"),
            append("camels/files.py", "import camels.core"),
        ),
        "circle: camels.core -> camels.files -> camels.core",
    ),
    "no floor": ("floors", append("camels/zoo.py", "import json"), "no floor for 'zoo'"),
    "panel below": (
        "floors",
        append("camels/data/table.py", "def f():", "    import panel"),
        "panel does not belong in data.table",
    ),
    "bokeh below": (
        "floors",
        append("camels/look/viz.py", "from bokeh.io import show"),
        "bokeh does not belong in look.viz",
    ),
    "plots below": (
        "floors",
        append("camels/latent/space.py", "import matplotlib.pyplot as plt"),
        "matplotlib does not belong in latent.space",
    ),
    "views in state": (
        "floors",
        append("camels/apps/state.py", "import panel as pn"),
        "panel does not belong in apps.state",
    ),
    "torch in face": (
        "floors",
        append("camels/face/mesh.py", "def f():", "    import torch"),
        "face.mesh needs numpy only, not torch",
    ),
    "cv2 at the top": ("floors", append("camels/face/mesh.py", "import cv2"), "import cv2 inside the function"),
    "mediapipe on top": (
        "floors",
        append("camels/data/table.py", "try: import mediapipe", "except ImportError: pass"),
        "import mediapipe inside the function",
    ),
    "nn reads files": (
        "floors",
        both(append("camels/nn/film.py", "from camels.media.read import x"), append("camels/media/read.py", "x = 1")),
        "nn.film knows only core nn, not media.read",
    ),
    "module, no page": (
        "orphans",
        append("camels/latent/metrics.py", "x = 1"),
        "camels/latent/metrics.py: no notebook exports it",
    ),
    "page, no module": (
        "orphans",
        notebook("nbs/500_latent.metrics.ipynb", *page("latent.metrics", code("#| export", "x = 1"))),
        "camels/latent/metrics.py is missing",
    ),
    "two pages": ("orphans", notebook("nbs/01_core.ipynb", *page("core")), "exports core, as nbs/000_core.ipynb does"),
    "no default_exp": (
        "orphans",
        notebook("nbs/100_face.arkit.ipynb", code("#| export", "x = 1")),
        "exports without default_exp",
    ),
    "exporting card": (
        "orphans",
        notebook("nbs/cards/two.ipynb", *page("core")),
        "a page that explains exports nothing",
    ),
    "broken import": ("alone", append("camels/core.py", "x = undefined"), "camels.core: does not import: NameError"),
    "heavy package": ("alone", append("camels/__init__.py", "import scipy"), "camels: loads numpy, scipy"),
    "hidden heavy": ("alone", append("camels/core.py", "__import__('matplotlib')"), "camels.core: loads matplotlib"),
    "slow import": ("alone", append("camels/__init__.py", "import time; time.sleep(2.1)"), "camels: import takes 2"),
    "undefined name": ("ruff", append("camels/core.py", "def k(): return undefined"), "F821"),
    "unused import": ("ruff", append("camels/core.py", "import os"), "F401"),
    "syntax": ("ruff", append("camels/core.py", "def k(:"), "invalid-syntax"),
    "higher number": (
        "order",
        lesson(code("from camels.face.mesh import g")),
        "imports camels.face.mesh of notebook 105",
    ),
    "higher, in a cell": (
        "order",
        lesson(code("def k():", "    import camels.apps.state")),
        "imports camels.apps.state of notebook 922",
    ),
    "not Python": ("order", lesson(code("def k(:")), "does not parse"),
    "mistyped": ("directives", lesson(code("#| exprot", "x = 1")), "unknown directive 'exprot'"),
    "comment above": ("directives", lesson(code("# why", "#| export", "x = 1")), "stands below other lines"),
    "no bar": ("directives", lesson(code("# export", "x = 1")), "lacks its bar"),
    "private name": ("private", append("camels/face/mesh.py", "from camels.core import _f"), "_f of core is private"),
    "long export": ("style", lesson(code("#| export", *["x = 1"]*41)), "1 x cells over 40 statements: 41"),
    "wide line": ("style", lesson(code("x = 1" + " "*100 + "# to here and on")), "1 x E501"),
    "two statements": ("style", lesson(code("x = 1; y = 2")), "1 x E702"),
    "one line body": ("style", lesson(code("if True: x = 1")), "1 x E701"),
    "lambda with a name": ("style", lesson(code("x = lambda: 1")), "1 x E731"),
    "no lesson": ("style", lesson(*[code("#| export", f"x{i} = 1") for i in range(3)]), "third exported cell"),
    "unused": ("style", lesson(code("#| export", "def unseen():", "    pass"), code("1")), "core.unseen"),
    "long lesson": ("cells", lesson(code(*["x = 1"]*21)), "21 lines, 20 at most"),
    "mixed": ("cells", lesson(code("import os", "os.getcwd()")), "mixes imports"),
    "star": ("cells", lesson(code("#| export", "from camels.core import *")), "absolute and explicit"),
    "relative": ("cells", lesson(code("#| export", "from .core import f")), "absolute and explicit"),
    "skipped": ("skipped", lesson(code("1"), code("#| eval: false", "1")), "eval: false without a reason"),
    "skipped, no word": ("skipped", lesson(text("## Next"), code("#|eval:false", "1")), "eval: false without a reason"),
    "skipped page": ("skipped", lesson(text("---\nskip_exec: true\n---", "raw")), "skip_exec"),
    "large output": ("outputs", lesson(printed("x"*50_000)), "50 KB stored"),
    "traceback": (
        "outputs",
        lesson(code("1/0", outputs=[dict(output_type="error", ename="E", evalue="", traceback=[])])),
        "stored traceback",
    ),
    "printed traceback": ("outputs", lesson(printed("Traceback (most recent call last):")), "stored traceback"),
    "noise": ("outputs", lesson(printed("W0000 feedback", name="stderr")), "stored stderr"),
    "path printed": ("outputs", lesson(printed(f"saved in {HOME}")), "absolute path in output"),
    "temporary printed": ("outputs", lesson(printed("PosixPath('/t" + "mp/xyz')")), "absolute path in output"),
    "path in a cell": ("paths", lesson(code(f"'{HOME}'")), "nbs/000_core.ipynb: absolute path"),
    "path in a module": ("paths", append("camels/core.py", f"x = '{HOME}'"), "camels/core.py: absolute path"),
    "edited module": ("settled", append("camels/core.py", "# by hand"), "camels/core.py: changed"),
    "not exported": ("settled", lesson(code("#| export", "def new(): pass")), "camels/core.py: changed"),
    "wide script": (
        "assets", planted("a/b.js", "const a = 1\n// " + "x"*130 + "\n"), "camels/assets/a/b.js:2: 133 columns",
    ),
    "tab in a style": ("assets", planted("a/b.css", "p {\n\tmargin: 0;\n}\n"), "camels/assets/a/b.css:2: a tab"),
    "script of nobody": ("assets", append("camels/assets/b.js", "const a = 1"), "assets/b.js: no module names it"),
    "open brace": ("assets", planted("a/b.js", "const f = () => {\n  return `}${1}`\n"), "b.js:1: { is not closed"),
    "brace too many": ("assets", planted("a/b.css", "p {margin: 0}\n}\n"), "b.css:2: } closes nothing"),
    "no script": ("scripts", planted("a/b.js", "const a = ;\n"), "camels/assets/a/b.js: SyntaxError"),
    "not cleaned": (
        "settled",
        lesson(
            code(
                "1",
                outputs=[
                    dict(output_type="execute_result", execution_count=7, data={"text/plain": ["1"]}, metadata={})
                ],
            )
        ),
        "nbs/000_core.ipynb: changed",
    ),
}

@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(house, fault):
    name, plant, message = FAULTS[fault]
    if name == "scripts" and not shutil.which("node"):
        pytest.skip("node reads scripts, and there is none")
    plant(house)
    problems = CHECKS[name](house)
    assert any(message in p for p in problems), f"{message!r} not among {problems}"

def test_every_check_has_a_fault():
    assert set(CHECKS) == {name for name, *_ in FAULTS.values()}

def test_reasons_and_magics_pass(house):
    lesson(
        text("Not run: it needs a camera, which no test machine has."),
        code("#| eval: false", "1"),
        code("%time 1", "!ls"),
        code("#| export", "#| cuda", "x = 1"),
    )(house)
    assert [p for n in ("skipped", "directives", "order", "cells") for p in CHECKS[n](house)] == []

@pytest.mark.parametrize(
    "text",
    ["const a = /[(\\d]+/g // (\n", "f(`a ${b(`}`)} {`, '(', \"[\")", "/* { */ a = 1/2, b = c/(d)", "x = {a: /\\//}"],
)
def test_brackets_in_strings_and_patterns_do_not_count(text):
    assert check.unmatched(text, script=True) == ""

def test_circles():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]

def test_command(house):
    def run(*a):
        return subprocess.run(
            [sys.executable, ROOT/"tools/check.py", "--root", house, *a], capture_output=True, text=True
        )
    assert (ok := run("--fast")).returncode == 0 and "no problem" in ok.stdout
    lesson(code("#| exprot", "1"))(house)
    bad = run("directives", "cells")
    assert bad.returncode == 1 and bad.stdout.splitlines() == [
        "directives: nbs/000_core.ipynb[5]: unknown directive 'exprot'",
        "house checks: 1 problems",
    ]
    assert run("dirctives").returncode == 2
