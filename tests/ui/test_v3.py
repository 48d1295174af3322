import wave

import numpy as np
import pytest
from conftest import opened, serving, state, until  # this folder's
from playwright.sync_api import expect

CODE = """
import json
import numpy as np
import panel as pn
from camels.apps.v3 import V3App
def page():
    app = V3App(text="[joy:80] Hello there, Bob! [fear:60] Please mind the big step."); s = app.state
    def tell(*_):
        tracks = {w: np.round(p.weights[:, 17], 4).tolist() for w, p in s.performances.items()}
        now = dict(time=s.time_s, failed=s.failed, status=s.status, seconds=s.duration_s, jaws=tracks,
                   source=s.source, emotion=s.emotion, vad=[s.valence, s.arousal, s.dominance])
        return '<pre id="state" style="display:none">' + json.dumps(now) + '</pre>'
    p = s.param
    return pn.Column(app, pn.pane.HTML(pn.bind(
        tell, p.time_s, p.status, p.performances, p.valence, p.source, p.emotion)))
pn.serve({'v3': page}, port=0, show=False)
"""
STAGES = """() => {
    const below = el => [...(el.shadowRoot ? el.shadowRoot.children : []), ...el.children]
    const stages = el => el.stage ? [el.stage] : below(el).flatMap(stages)
    return stages(document.body).map(s => s.goal[17])
}"""

HEADS = (
    "Array.from(Bokeh.documents).flatMap(d => [...d._all_models.values()]).filter(m => m.type === 'Span' && "
    "m.dimension === 'height').map(m => m.location)"
)


@pytest.fixture(scope="module")
def url():
    with serving("-u", "-c", CODE) as u:
        yield u + "/v3"


@pytest.fixture
def app(page, url):
    opened(page, url, "audio[data-ready=yes]", "#state", timeout_s=180)
    page.locator("[data-ready=yes] canvas").nth(2).wait_for()   # three heads drawn without a graphics card
    return page


def calm(page):
    "Wait until everything is drawn: without a graphics card that takes its time."
    page.evaluate(
        "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 200))))"
    )


def test_three_heads_follow_one_sound(app):
    a = app.locator("audio")
    s = state(app)
    expect(app.locator("figcaption b")).to_have_text(["V3", "Rules", "Mixed"])
    assert abs(a.evaluate("v => v.duration") - s["seconds"]) < .1
    a.evaluate("v => { v.muted = true; return v.play() }")
    until(app, lambda s: s["time"] > .5)
    a.evaluate("v => v.pause()")
    s = until(app, lambda s: abs(s["time"] - a.evaluate("v => v.currentTime")) < .02)
    app.wait_for_function(HEADS + f".every(x => Math.abs(x - {s['time']}) < .02)")     # the playhead in both curves
    calm(app)
    t = a.evaluate("v => v.currentTime")
    jaws = app.evaluate(STAGES)
    assert len(jaws) == 3
    # each head stands where its own track is at the time of the sound
    for jaw, way in zip(jaws, ("v3", "rules", "mixed")):
        if way in s["jaws"]:
            track = s["jaws"][way]
            assert abs(jaw - np.interp(t*30, np.arange(len(track)), track)) < .01, (way, t)

    c = app.locator(".bk-Canvas").last.bounding_box()
    for k in range(4):     # a press that is drawn over for long is no click
        app.mouse.click(c["x"] + (.53 + .01*k)*c["width"], c["y"] + .4*c["height"])
        calm(app)
        app.wait_for_timeout(1500)
        if .35 < state(app)["time"]/s["seconds"] < .7:
            break
    s = until(app, lambda s: .35 < s["time"]/s["seconds"] < .7, 5)
    calm(app)
    assert abs(a.evaluate("v => v.currentTime") - s["time"]) < .05
    jaws = app.evaluate(STAGES)
    track = s["jaws"]["rules"]
    assert abs(jaws[1] - np.interp(s["time"]*30, np.arange(len(track)), track)) < .01


def test_a_plain_text_a_mistake_and_a_recording(app, tmp_path):
    box, button, a = (
        app.get_by_label("Text, with tags"),
        app.get_by_role("button", name="Perform"),
        app.locator("audio"),
    )
    before = a.get_attribute("src")
    box.fill("[joi:80] Hello")
    box.blur()
    button.click()
    s = until(app, lambda s: s["failed"])
    assert "did you mean" in s["status"]
    assert a.get_attribute("src") == before
    expect(app.get_by_role("status").first).to_contain_text("joi", timeout=60_000)
    box.fill("I am so happy that we won!")
    box.blur()
    button.click()
    s = until(app, lambda s: not s["failed"] and "MicroALBERT" in s["status"])
    assert "[" in s["status"]
    expect(a).not_to_have_attribute("src", before, timeout=120_000)
    expect(button).to_be_enabled(timeout=120_000)

    app.get_by_role("button", name="recording").click()
    until(app, lambda s: s["source"] == "recording")
    before = a.get_attribute("src")
    button.click()
    s = until(app, lambda s: s["failed"])
    assert "no recording" in s["status"] and a.get_attribute("src") == before
    (tmp_path/"bad.wav").write_bytes(b"no sound at all")
    app.locator("input[type=file]").set_input_files(tmp_path/"bad.wav")
    app.wait_for_timeout(1500)
    button.click()
    s = until(app, lambda s: s["failed"] and "bad.wav" in s["status"])
    tone = .3*np.sin(np.cumsum(2*np.pi*(140 + 40*np.sin(np.arange(32000)/4000))/16000))
    with wave.open(str(tmp_path/"tone.wav"), "wb") as w:
        w.setparams((1, 2, 16000, 0, "NONE", ""))
        w.writeframes((tone*32767).astype("<i2").tobytes())
    app.locator("input[type=file]").set_input_files(tmp_path/"tone.wav")
    app.get_by_label("Emotion").select_option("anger")
    s = until(app, lambda s: s["emotion"] == "anger")
    old = s["vad"]
    assert old[0] < -.3
    handle = app.locator(".noUi-handle").first
    handle.focus()
    handle.press("ArrowRight")
    until(app, lambda s: s["vad"][0] > old[0])
    button.click()
    s = until(app, lambda s: "tone.wav" in s["status"] and not s["failed"])
    assert abs(s["seconds"] - 2) < .1
    expect(a).not_to_have_attribute("src", before, timeout=120_000)
