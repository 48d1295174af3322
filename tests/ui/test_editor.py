import json
import re

import numpy as np
import pytest
from conftest import serving  # noqa: F401  (this folder's)
from playwright.sync_api import expect

from camels.face.arkit import ARKIT, index
from camels.core import asset
from camels.face.anchors import anchors, read_presets

CODE = """
import json, sys
import panel as pn
from camels.apps.editor import PresetEditorApp
def page():
    app = PresetEditorApp(file=sys.argv[1]); s = app.state
    def tell(*_):
        now = dict(preset=s.preset, symmetric=s.symmetric, weights=s.weights.tolist(), status=s.status,
                   failed=s.failed, ms=app.pace.cost_ms)
        return '<pre id="state" style="white-space:pre-wrap">' + json.dumps(now) + '</pre>'
    p = s.param
    told = pn.bind(tell, p.weights, p.preset, p.symmetric, p.status, p.failed, app.note.param.html)
    return pn.Column(app, pn.pane.HTML(told))
pn.serve({'editor': page}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    return tmp_path_factory.mktemp("presets")/"mine.json"


@pytest.fixture(scope="module")
def url(mine):
    with serving("-u", "-c", CODE, str(mine)) as u:
        yield u + "/editor"


@pytest.fixture
def app(page, url):
    page.set_viewport_size(dict(width=1280, height=720))
    page.goto(url)
    page.locator("#state").wait_for(timeout=30000)
    page.locator("img.face").nth(1).wait_for(timeout=10000)
    page.wait_for_timeout(500)
    return page


def state(page):
    return json.loads(page.locator("#state").inner_text())
def faces(page):
    return {page.locator("img.face").nth(i).get_attribute("src") for i in range(2)}


def until(page, what, timeout=10):
    for _ in range(timeout*20):
        if what(state(page)):
            return state(page)
        page.wait_for_timeout(50)
    raise AssertionError(state(page))


def drag_slider(page, name, to):
    "Drag a channel's handle to a weight."
    s = page.locator("[class*=Slider]").filter(has_text=re.compile(f"^{name}: ")).first
    s.scroll_into_view_if_needed()
    h, bar = s.locator(".noUi-handle").bounding_box(), s.locator(".noUi-base").bounding_box()
    y = h["y"] + h["height"]/2
    page.mouse.move(h["x"] + h["width"]/2, y)
    page.mouse.down()
    page.mouse.move(bar["x"] + to*bar["width"], y, steps=12)
    page.mouse.up()


def test_the_page_fits_a_small_screen(app):
    for text in ("Brows", "before", "after", "Nearest in shape", "Nearest in VAD", "Save as"):
        expect(app.get_by_text(text).first).to_be_in_viewport()
    assert app.evaluate("document.documentElement.scrollWidth") <= 1280
    assert len(faces(app)) == 1                                                # nothing edited: before is after


def test_locked_edit_save_and_reload(app, mine):
    drag_slider(app, "browDownLeft", .6)
    now = until(app, lambda s: s["weights"][index("browDownLeft")] > .5)
    w = now["weights"]
    assert w[index("browDownRight")] == w[index("browDownLeft")]
    expect(app.get_by_text("2 channels moved").first).to_be_visible()
    assert len(faces(app)) == 2
    app.get_by_role("button", name="Save").click()
    assert not until(app, lambda s: s["status"])["failed"]
    saved = read_presets(mine)
    assert list(saved) == ["joy_L3_mine"]
    assert np.abs(saved["joy_L3_mine"] - state(app)["weights"]).max() < 1e-4
    app.get_by_label("Preset").first.select_option("anger_L5")
    until(app, lambda s: s["preset"] == "anger_L5")
    assert np.abs(np.array(state(app)["weights"]) - anchors()["anger_L5"][1]).max() < 1e-6
    app.get_by_role("button", name="Open").click()
    now = until(app, lambda s: s["preset"] == "mine.json: joy_L3_mine")
    assert np.abs(saved["joy_L3_mine"] - now["weights"]).max() < 1e-6


def test_unlocked_edit_and_reset(app):
    app.locator(".bk-body").first.click()
    until(app, lambda s: not s["symmetric"])
    drag_slider(app, "eyeBlinkLeft", .9)
    now = until(app, lambda s: s["weights"][index("eyeBlinkLeft")] > .8)
    assert now["weights"][index("eyeBlinkRight")] == 0
    assert [n for n, a, b in zip(ARKIT, now["weights"], anchors()["joy_L3"][1]) if abs(a - b) > 1e-4] == [
        "eyeBlinkLeft"
    ]
    app.get_by_role("button", name="Reset").click()
    until(app, lambda s: s["weights"][index("eyeBlinkLeft")] == 0)
    expect(app.get_by_text("nothing moved yet").first).to_be_visible()
    ms = sorted(until(app, lambda s: s["ms"])["ms"])
    print(f"{ms[len(ms)//2]:.0f} ms a change on the server")
    assert ms[len(ms)//4] < 60


def test_version_1_5_is_not_overwritten(app):
    frozen = asset("face", "emotion_vad_anchors.json")
    was = frozen.read_bytes()
    field = app.get_by_label("File of your own (.json)")
    field.fill(str(frozen))
    field.press("Enter")
    app.wait_for_timeout(200)
    app.get_by_role("button", name="Save").click()
    now = until(app, lambda s: s["failed"])
    assert "version 1.5 is frozen" in now["status"] and "\n" not in now["status"]
    expect(app.locator(".status")).to_contain_text("Not done. emotion_vad_anchors.json: version 1.5 is frozen")
    assert frozen.read_bytes() == was


def test_a_bad_file_is_one_line(app, mine):
    bad = mine.parent/"bad.json"
    bad.write_text(json.dumps(dict(presets=dict(x=dict(jawOpen=1)))))
    field = app.get_by_label("File of your own (.json)")
    field.fill(str(bad))
    field.press("Enter")
    app.wait_for_timeout(200)
    app.get_by_role("button", name="Open").click()
    now = until(app, lambda s: s["failed"])
    assert now["status"].startswith("bad.json: x: missing channels") and now["preset"] == "joy_L3"
    app.get_by_role("button", name="Save").click()
    app.wait_for_timeout(500)
    assert state(app)["failed"] and json.loads(bad.read_text()) == dict(presets=dict(x=dict(jawOpen=1)))
