"The figures of the house count what they say, on a house of three pages where the answer is known."
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/"tools"))
import house  # noqa: E402


def page(root, number, module, *cells):
    "A notebook and its module; a cell that begins with `!` is exported."
    code = [f"#| default_exp {module}", *("#| export\n" + c[1:] if c[0] == "!" else c for c in cells)]
    cells_ = [dict(cell_type="code", source=c, metadata={}, outputs=[]) for c in code]
    (root/f"nbs/{number:03d}_{module}.ipynb").write_text(json.dumps(dict(cells=cells_)))
    path = root/"camels"/(module.replace(".", "/") + ".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(c[1:] for c in cells if c[0] == "!") + "\n")


@pytest.fixture
def small(tmp_path):
    for folder in ("nbs", "camels"):
        (tmp_path/folder).mkdir()
    page(tmp_path, 0, "core", "!import json", "!def f():\n    a = 1\n    return json.dumps(a)", "f()")
    page(tmp_path, 100, "face.mesh", "!from camels.core import f", "!def g():\n    return f()", "g()")
    page(tmp_path, 550, "look.viz", "!from camels.face.mesh import g", "!def h(): return g()", "h()")
    return tmp_path


def test_a_good_house_has_nothing_to_list(small):
    figures = house.figures(small)
    assert figures["notebooks with a module"] == 3 and figures["exported cells"] == 3
    assert figures["lessons an exported cell"] == 1 and figures["modules on top"] == 1
    assert not any(figures[k] for k in house.FIGURES if k != "modules on top")


SIX = ["def a():", *(f"    line_{i} = {i}" for i in range(7))]
FAULTS = {
    "semicolons": "!a = 1; b = 2",
    "lines over 120 columns": "!x = '" + "y"*120 + "'",
    "public definitions unused on their page": "!def alone():\n    pass",
    "upward imports": "!def late():\n    from camels.look.viz import h\n    return h",
    "private imports": "!from camels.core import _f",
    "stretches of six lines that stand twice": "!" + "\n".join(SIX*2),
    "files over 400 lines": "!" + "x = 1\n"*401,
    "circles": "!def late():\n    import camels.look.viz",
}


@pytest.mark.parametrize("figure", FAULTS)
def test_a_fault_is_counted(small, figure):
    page(small, 100, "face.mesh", "!from camels.core import f", "!def g():\n    return f()", "g()", FAULTS[figure])
    assert house.figures(small)[figure] == 1


def test_a_third_cell_without_a_lesson(small):
    page(small, 100, "face.mesh", *(f"!def g{i}():\n    pass" for i in range(3)), "[g0(), g1(), g2()]")
    assert house.figures(small)["third exported cell without a lesson"] == 1


def test_statements_are_counted_nested_ones_too(small):
    code = "!def g():\n    'Says.'\n    for i in range(3):\n        x = 1\n        y = 2\n    return x + y"
    page(small, 100, "face.mesh", code, "g()")
    assert sorted(house.survey(small)[1]["statements"]) == [2, 3, 5]


def test_relative_imports_are_read_like_absolute_ones(small):
    (small/"camels/face/mesh.py").write_text("from ..core import f\nfrom ..look.viz import _h\nfrom .. import core\n")
    found = list(house.imports(small/"camels/face/mesh.py", "face.mesh", house.modules(small)))
    assert found == [("core", "f", 1), ("look.viz", "_h", 2), ("core", "", 3)]


def test_the_picture_shows_every_room_and_the_arrows(small):
    picture = house.draw(small)
    assert all(text in picture for text in ("000 core", "100 mesh", "550 viz")) and picture.count('class="a"') == 2


def test_the_command(small):
    def say(*args):
        command = [sys.executable, ROOT/"tools/house.py", "--root", small, *args]
        return subprocess.run(command, capture_output=True, text=True)
    assert "statements a cell, median" in say().stdout and json.loads(say("--json").stdout)["circles"] == 0
    assert say("--list", "top").stdout.strip() == "core" and say("--list", "nothing").returncode
