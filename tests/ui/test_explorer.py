import re

import pytest
from conftest import serving  # noqa: F401  (this folder's)
from playwright.sync_api import expect

CODE = """
import sys
from camels.apps.explorer import ExplorerApp
import panel as pn
app = ExplorerApp(sys.argv[1])
def page():
    return pn.Column(app, pn.pane.HTML(pn.bind(lambda sel, l, r, c: f'<pre id="state">{len(sel)} {l} {r} {c}</pre>', app.state.param.selection, app.state.param.left, app.state.param.right, app.state.param.colour_by)))
pn.serve({'explorer': page}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    from camels.report import toy_run
    run = toy_run(tmp_path_factory.mktemp("run")/"toy")
    with serving("-u", "-c", CODE, str(run)) as u: yield u + "/explorer"


def state(page): return page.locator("#state").inner_text().split()


def test_a_user_compares_two_stages(page, url):
    page.goto(url); page.locator("#state").wait_for(timeout=30000)
    assert state(page) == ["0", "untrained", "C", "modality"]
    for label in ("▲ phoneme", "Stages", "Losses"): expect(page.get_by_text(label).first).to_be_visible()
    page.get_by_label("Right: stage").select_option("A")
    page.locator("#state", has_text="untrained A modality").wait_for(timeout=10000)
    page.get_by_label("Colour by").select_option("emotion")
    page.locator("#state", has_text="emotion").wait_for(timeout=10000)
    expect(page.get_by_text("⬤ anger").first).to_be_visible()


def test_search_and_lasso_select_moments(page, url):
    page.goto(url); page.locator("#state").wait_for(timeout=30000)
    box = page.get_by_placeholder("a word, then Enter"); box.fill("camel"); box.press("Enter")
    expect(page.locator("#state")).not_to_have_text(re.compile("^0 "), timeout=10000)
    assert int(state(page)[0]) > 0
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#state")).to_have_text(re.compile("^0 "), timeout=10000)
    c = page.locator(".bk-Canvas, .bk-canvas, canvas").first.bounding_box()
    x, y, w, h = c["x"] + 60, c["y"] + 30, c["width"] - 130, c["height"] - 80
    page.mouse.move(x, y); page.mouse.down()
    for dx, dy in ((w, 0), (w, h), (0, h), (0, 0)): page.mouse.move(x + dx, y + dy, steps=6)
    page.mouse.up()
    expect(page.locator("#state")).to_have_text(re.compile(r"^\d\d+ "), timeout=10000)          # a lasso round everything


def test_stage_table_and_losses_are_there(page, url):
    page.goto(url); page.locator("#state").wait_for(timeout=30000)
    page.get_by_text("Stages", exact=True).click()
    expect(page.get_by_text("video → phoneme").first).to_be_visible()
    page.get_by_text("Losses", exact=True).click(); page.wait_for_timeout(500)
