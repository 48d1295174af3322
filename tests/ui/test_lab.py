"""JupyterLab itself, offline: the start page, a tutorial run to its end, an app in a cell that answers, ipywidgets
that drive it, and the magic."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed: pip install 'camels[apps]'")
from playwright.sync_api import expect  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
LONG = 120_000  # ms; a free core needs a tenth of it


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """`camels lab` on a copy of the tutorials without their stored outputs, with settings of its own; gives (address,
    folder)."""
    home = tmp_path_factory.mktemp("lab")
    nbs = home/"nbs"
    shutil.copytree(ROOT/"nbs"/"tutorials", nbs/"tutorials", ignore=shutil.ignore_patterns(".*"))
    for f in nbs.rglob("*.ipynb"):
        d = json.loads(f.read_text())
        for c in d["cells"]:
            c.update(dict(outputs=[], execution_count=None) if c["cell_type"] == "code" else {})
        f.write_text(json.dumps(d))
    magic = (
        "%load_ext camels",
        "%camels batch=32",
        (
            "from camels.apps.magic import Progress\nfrom camels.look.report import toy_run\nrun = toy_run('toy', "
            "60); Progress(run)"
        ),
        "print(repr(Progress(run)), 'magic done')",
        "%camels epochs_",
    )
    def cell(i, s):
        return dict(cell_type="code", id=f"c{i}", metadata={}, outputs=[], execution_count=None, source=s)
    (nbs/"tutorials"/"magic.ipynb").write_text(
        json.dumps(
            dict(
                nbformat=4,
                nbformat_minor=5,
                metadata=dict(kernelspec=dict(name="python3", display_name="python3", language="python")),
                cells=[cell(i, s) for i, s in enumerate(magic)],
            )
        )
    )
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "CAMELS_CACHE": "cache",
    }
    for d in own.values():
        (home/d).mkdir()
    env = os.environ | {k: str(home/d) for k, d in own.items()} | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    log = home/"log.txt"
    with log.open("w") as f:
        p = subprocess.Popen(
            [sys.executable, "-m", "camels.cli", "lab", str(nbs), "--no-browser"], stdout=f, stderr=f, env=env, cwd=home
        )
    try:
        end = time.time() + 120
        url = None
        while url is None and time.time() < end and p.poll() is None:
            time.sleep(.3)
            url = next(iter(re.findall(r"http://localhost:\S+token=\w+", log.read_text())), None)
        assert url, log.read_text()[-3000:]
        yield url, nbs
    finally:
        p.terminate()
        try:
            p.wait(30)
        except subprocess.TimeoutExpired:
            p.kill()


def opened(page, lab, title):
    "JupyterLab at the start page, with its notebook drawn."
    page.set_viewport_size(dict(width=1500, height=1000))
    page.goto(lab[0])
    expect(page.get_by_role("heading", name=title).first).to_be_visible(timeout=LONG)
    return page


def run_all(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def ended(page, words):
    "Wait for words in an output; an error in any cell ends the waiting."
    done = page.locator(".jp-OutputArea-output", has_text=words)
    wrong = page.locator(
        ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'], .jp-OutputArea-output:has-text('Traceback')"
    )
    end = time.time() + LONG/1000
    while not done.count() and time.time() < end:
        page.wait_for_timeout(300)
        assert not wrong.count() or "Error" not in (t := wrong.first.inner_text()), t[-2000:]
    expect(done.first).to_be_attached(timeout=1000)


def test_the_start_page_leads_to_a_tutorial_whose_apps_answer_in_their_cells(page, lab):
    opened(page, lab, "Start here")
    links = page.locator(".jp-MarkdownOutput table a")
    expect(links).to_have_count(6, timeout=60000)
    page.get_by_role("link", name="A five-minute tour").click()
    expect(page.get_by_role("heading", name="A five-minute tour")).to_be_visible(timeout=LONG)
    page.wait_for_timeout(1000)
    run_all(page)
    ended(page, "the tour is done")

    explorer = page.locator(".explorer[data-theme]")
    explorer.scroll_into_view_if_needed(timeout=60000)
    expect(explorer.locator(".pane.right .title")).to_contain_text("after stage C", timeout=LONG)
    explorer.locator(".legend button", has_text="video").click()
    # there and back through the kernel
    expect(explorer.get_by_label("Show", exact=True)).to_have_value("video", timeout=LONG)
    explorer.focus()
    page.keyboard.press("ArrowRight")
    # answered by other threads
    expect(explorer.locator(".near")).to_contain_text("neighbours and ranks", timeout=LONG)

    handle = page.locator(".widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed(timeout=60000)
    said = page.locator(".widget-html-content, .widget-html").last
    expect(said).to_contain_text("pride", timeout=LONG)
    before = said.inner_text()
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(said).not_to_have_text(before, timeout=LONG)
    value = re.search(r"[+-]\d\.\d\d", said.inner_text())[0]
    face = page.locator(".bk-slider-title, .bk-input-group").filter(has_text="Valence").first
    # the app follows the ipywidgets slider
    expect(face).to_contain_text(value[1:], timeout=LONG)
    expect(page.get_by_text("official Jupyter news")).to_have_count(0)      # it asks nothing


def test_links_of_the_tutorials_lead_somewhere():
    for f in (ROOT/"nbs"/"tutorials").glob("*.ipynb"):
        text = "".join("".join(c["source"]) for c in json.loads(f.read_text())["cells"] if c["cell_type"] == "markdown")
        assert not (dead := [l for l in re.findall(r"\]\(([^):]+\.ipynb)", text) if not (f.parent/l).exists()]), (
            f.name,
            dead,
        )


def test_the_magic_completes_and_its_progress_survives(page, lab):
    opened(page, lab, "Start here")
    page.goto(lab[0].replace("start.ipynb", "magic.ipynb"))
    cells = page.locator(".jp-Notebook:visible .jp-CodeCell")
    expect(cells.nth(4)).to_be_visible(timeout=LONG)
    page.wait_for_timeout(1000)
    cells.nth(4).locator(".cm-content").click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Above Selected Cell", exact=True).click()
    expect(cells.nth(1).locator(".jp-OutputArea")).to_contain_text("batch = 32", timeout=LONG)
    expect(cells.nth(2).locator(".jp-OutputArea [role=progressbar]")).to_be_visible(timeout=LONG)
    expect(cells.nth(3).locator(".jp-OutputArea")).to_contain_text("toy: finished", timeout=LONG)
    cells.nth(4).locator(".cm-content").click()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    names = page.locator(".jp-Completer-item .jp-Completer-match")
    expect(names).to_have_text(["epochs_a=", "epochs_b=", "epochs_c="], timeout=LONG)
