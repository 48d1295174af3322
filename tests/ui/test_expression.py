import json
import re

import pytest
from conftest import serving  # noqa: F401  (this folder's)
from playwright.sync_api import expect

CODE = """
import json
import panel as pn
from camels.apps.expression import ExpressionApp
def page(view="picture"):
    app = ExpressionApp(view, emotion="joy"); s = app.state
    def tell(*_):
        now = dict(emotion=s.emotion, intensity=s.intensity, vad=s.vad, part=s.part, archetype=s.archetype,
                   ms=app.pace.cost_ms)
        return '<pre id="state" style="white-space:pre-wrap">' + json.dumps(now) + '</pre>'
    return pn.Column(app, pn.pane.HTML(pn.bind(tell, s.param.changed, app.take.param.json)))
pn.serve({'expression': page, 'avatar': lambda: page('avatar')}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def url():
    with serving("-u", "-c", CODE) as u:
        yield u + "/expression"


@pytest.fixture
def app(page, url):
    page.set_viewport_size(dict(width=1280, height=720))
    page.goto(url)
    page.locator("#state").wait_for(timeout=30000)
    page.locator("img.face").wait_for(timeout=10000)
    page.wait_for_timeout(500)
    return page


def state(page):
    return json.loads(page.locator("#state").inner_text())
def face(page):
    return page.locator("img.face").get_attribute("src")


def until(page, what, timeout=10):
    for _ in range(timeout*20):
        if what(state(page)):
            return state(page)
        page.wait_for_timeout(50)
    raise AssertionError(state(page))


def slider(page, label):
    return (
        page
        .locator(".bk-panel-models-widgets-TooltipSlider, .bk-Slider, [class*=Slider]")
        .filter(has_text=re.compile(f"^{label} "))
        .first
    )


def drag(page, start, *stops, steps=12):
    page.mouse.move(*start)
    page.mouse.down()
    for at in stops:
        page.mouse.move(*at, steps=steps)
    page.mouse.up()


def middle(box, x=.5, y=.5):
    return box["x"] + x*box["width"], box["y"] + y*box["height"]


def test_the_page_fits_a_small_screen(app):
    for text in ("Emotion", "parametric", "Copy JSON", "SHARED: from both"):
        expect(app.get_by_text(text).first).to_be_in_viewport()
    assert app.evaluate("document.documentElement.scrollWidth") <= 1280
    bars = app.locator(".channel-bars").first.bounding_box()
    assert bars["y"] + bars["height"] <= 720


def test_sliders_move_the_face(app):
    assert state(app)["vad"] == [.7, .42, .32]
    was = face(app)
    handle = slider(app, "Valence").locator(".noUi-handle").bounding_box()
    x, y = middle(handle)
    drag(app, (x, y), (x - 150, y))
    now = until(app, lambda s: s["vad"][0] < -.3)
    assert now["vad"][1:] == [.42, .32] and now["emotion"] == "joy"
    app.wait_for_timeout(600)
    assert face(app) != was
    handle = slider(app, "Intensity").locator(".noUi-handle").bounding_box()
    x, y = middle(handle)
    drag(app, (x, y), (x + 200, y))
    now = until(app, lambda s: s["intensity"] == 1)
    assert now["vad"] == [.95, .68, .42]


def test_the_point_in_the_plane_moves_the_face(app):
    was = face(app)
    plane = app.locator(".vad-plane").first.bounding_box()
    drag(app, middle(plane, .6, .5), middle(plane, .4, .3), middle(plane, .25, .25), steps=20)
    now = until(app, lambda s: s["vad"][0] < -.3 and s["vad"][1] > .3)
    assert now["vad"][2] == .32 and now["emotion"] == "joy"
    app.wait_for_timeout(600)
    assert face(app) != was
    expect(app.get_by_text("off the line of joy").first).to_be_visible()
    app.mouse.click(*middle(plane, .6, .7))
    until(app, lambda s: s["vad"][0] > 0 and s["vad"][1] < -.2)   # a tap is enough
    app.mouse.move(*middle(plane, .6, .7))
    app.mouse.down()
    app.mouse.move(plane["x"] + plane["width"] + 80, plane["y"] + 40, steps=8)
    app.mouse.up()
    # cut at the end of the axis
    until(app, lambda s: s["vad"][0] == 1)


def test_emotion_and_layers(app):
    was = face(app)
    app.get_by_label("Emotion").first.select_option("disgust")
    now = until(app, lambda s: s["emotion"] == "disgust")
    assert now["vad"] == [-.64, .36, .22]
    expect(app.get_by_text("compile_face(\"disgust\", intensity=0.6)").first).to_be_visible()
    blend = face(app)
    assert blend != was
    app.get_by_role("button", name="show parametric").click()
    until(app, lambda s: s["part"] == "parametric")
    expect(app.get_by_text("what the place does to any face").first).to_be_visible()
    assert face(app) != blend
    app.get_by_role("button", name="show archetype").click()
    until(app, lambda s: s["part"] == "archetype")
    app.wait_for_timeout(600)
    residual = face(app)
    app.get_by_text("literal", exact=True).click()
    until(app, lambda s: s["archetype"] == "literal")
    app.wait_for_timeout(600)
    assert face(app) != residual


def test_copy(app, url):
    app.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url.rpartition("/")[0])
    app.get_by_role("button", name="Copy JSON").click()
    expect(app.get_by_text("Copied").first).to_be_visible()
    got = json.loads(app.evaluate("navigator.clipboard.readText()"))
    assert (
        got["emotion"] == "joy"
        and len(got["weights"]) == 52
        and len(got["cond"]) == 19
        and got["weights"]["mouthSmileLeft"] > .5
    )
    app.get_by_role("button", name="Copy Python").click()
    app.wait_for_timeout(200)
    assert app.evaluate("navigator.clipboard.readText()").splitlines()[-1] == 'compile_face("joy", intensity=0.6)'


def test_a_drag_feels_live(app):
    app.evaluate("""() => {
        window.seen = []
        const inside = e => e.shadowRoot ? find(e.shadowRoot) : []
        const find = r => [...r.querySelectorAll('*')].flatMap(e => e.matches('img.face') ? [e] : inside(e))
        const watch = new MutationObserver(() => window.seen.push(performance.now()))
        watch.observe(find(document)[0], {attributes: true, attributeFilter: ['src']})
    }""")
    plane = app.locator(".vad-plane").first.bounding_box()
    app.mouse.move(*middle(plane, .3, .6))
    app.mouse.down()
    for i in range(60):
        app.mouse.move(*middle(plane, .3 + i*.01, .6 - i*.005))
        app.wait_for_timeout(16)
    end = app.evaluate("performance.now()")
    app.mouse.up()
    app.wait_for_timeout(600)
    seen = app.evaluate("window.seen")
    ms = sorted(until(app, lambda s: s["ms"])["ms"])
    print(
        f"{len(seen)} pictures in a drag, the last {seen[-1] - end:.0f} ms after it; {ms[len(ms)//2]:.0f} ms a change "
        "on the server"
    )
    assert len(seen) >= 12 and seen[-1] - end < 2000 and ms[len(ms)//4] < 60


def test_the_avatar_stands_in_for_the_picture(page, url):
    page.goto(url.replace("/expression", "/avatar"))
    page.locator("#state").wait_for(timeout=30000)
    head = page.locator("canvas").filter(visible=True).last
    head.wait_for(timeout=10000)
    page.wait_for_timeout(2000)
    assert page.locator("img.face").count() == 0
    box = next(
        b
        for i in range(page.locator("canvas").count())
        if (b := page.locator("canvas").nth(i).bounding_box())
        and abs(b["width"] - 310) < 4
        and abs(b["height"] - 310) < 4
    )
    was = page.screenshot(clip=box)
    page.get_by_label("Emotion").first.select_option("surprise")
    until(page, lambda s: s["emotion"] == "surprise")
    page.wait_for_timeout(1500)
    assert page.screenshot(clip=box) != was
