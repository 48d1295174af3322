import pytest
from conftest import opened, serving, state, until  # this folder's
from playwright.sync_api import expect

CODE = """
import json
import panel as pn
from camels.apps.crossfade import CrossfadeApp
def page():
    app = CrossfadeApp(text="[joy:80] Hello there, Bob! [fear:60] Please mind the big step."); s = app.state
    def tell(*_):
        now = dict(time=s.time_s, failed=s.failed, status=s.status, seconds=s.performance.duration_s,
                   head=app.curves.heads[0].location)
        return '<pre id="state">' + json.dumps(now) + '</pre>'
    return pn.Column(app, pn.pane.HTML(pn.bind(tell, s.param.time_s, s.param.status, s.param.performance)))
pn.serve({'crossfade': page}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def url():
    with serving("-u", "-c", CODE) as u:
        yield u + "/crossfade"


@pytest.fixture
def app(page, url):
    return opened(page, url, "video[data-ready=yes]", "#state")


def test_the_film_plays_with_sound_and_the_playhead_follows(app):
    v = app.locator("video")
    length = v.evaluate("v => v.duration")
    assert abs(length - state(app)["seconds"]) < .15
    assert v.evaluate("v => v.videoWidth") == 320
    v.evaluate("v => { v.muted = true; return v.play() }")
    s = until(app, lambda s: s["time"] > .7)
    assert v.evaluate("v => v.webkitAudioDecodedByteCount") > 0
    v.evaluate("v => v.pause()")
    s = until(app, lambda s: abs(s["time"] - v.evaluate("v => v.currentTime")) < .05)
    assert abs(s["head"] - s["time"]) < .3


def test_a_click_in_the_curves_seeks(app):
    c = app.locator(".bk-Canvas, .bk-canvas, canvas").nth(1).bounding_box()
    app.mouse.click(c["x"] + .55*c["width"], c["y"] + .5*c["height"])
    s = until(app, lambda s: s["time"] > .5)
    app.wait_for_timeout(400)
    assert (
        abs(app.locator("video").evaluate("v => v.currentTime") - s["time"]) < .05
        and .35 < s["time"]/s["seconds"] < .7
    )


def test_another_text_another_film_and_a_mistake_changes_nothing(app):
    box, button, before = (
        app.get_by_label("Tagged text"),
        app.get_by_role("button", name="Speak"),
        app.locator("video").get_attribute("src"),
    )
    box.fill("[joi:80] Hello")
    box.blur()
    button.click()
    s = until(app, lambda s: s["failed"])
    assert "did you mean" in s["status"] and "column 1" in s["status"]
    expect(app.get_by_role("status").first).to_contain_text("joi")
    assert app.locator("video").get_attribute("src") == before
    box.fill("[anger:90] Where is my umbrella?")
    box.blur()
    button.click()
    until(app, lambda s: not s["failed"] and "4 words" in s["status"])
    expect(app.locator("video")).not_to_have_attribute("src", before, timeout=60000)


def test_files_come_down(app, tmp_path):
    for kind, head in (("json", b'{"fps"'), ("csv", b"Timecode"), ("glb", b"glTF"), ("mp4", b"")):
        with app.expect_download(timeout=30000) as d:
            app.get_by_text(f"Save {kind}").click()
        d.value.save_as(tmp_path/f"x.{kind}")
        raw = (tmp_path/f"x.{kind}").read_bytes()
        assert raw.startswith(head) and len(raw) > 2000
