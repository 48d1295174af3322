import json
import shutil

import numpy as np
import pytest
from conftest import opened, serving, state, until  # this folder's
from playwright.sync_api import expect

CODE = """
import json, shutil, sys
from pathlib import Path
import panel as pn
from camels.apps.explorer import Explorer
def served(path, **kw):
    def page():
        app = Explorer(path, **kw); s = app.state
        if s is None: return app
        names = 'left right right_run colour_by current projection query selection'.split()
        def tell(*_):
            now = {k: getattr(s, k) for k in names}
            now |= dict(film=app.page.film_info, ready=bool(app.large and app.large.share >= 1))
            return '<pre id="state">' + json.dumps(now) + '</pre>'
        watched = [s.param[k] for k in names if k != 'query']
        told = pn.bind(tell, *watched, app.page.param.film_info, app.page.param.say_left)
        return pn.Column(app, pn.pane.HTML(told, height=10))
    return page
run = Path(sys.argv[1])
faces = run.parent.parent/'faces'
pn.serve({'explorer': served(run), 'many': served(run.parent/'many.npz'), 'gone': served(run.parent/'later'),
          'face': served(faces/'small'), 'untold': served(faces/'untold')}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from camels.media.write import write_video
    from camels.look.report import toy_run
    run = toy_run(tmp_path_factory.mktemp("run")/"toy")
    p = run/"latents"/"points.json"
    cols = json.loads(p.read_text())
    hum = .1*np.sin(np.arange(16000*6)*.12).astype(np.float32)
    write_video(run/"clip.mp4", (np.full((120, 160, 3), i, np.uint8) for i in range(180)), 30, hum, 16000)
    cols["source"] = [str(run/"clip.mp4")]*(len(cols["clip"]) - 1) + [str(run/"moved.mp4")]
    p.write_text(json.dumps(cols))
    shutil.copytree(run, run.parent/"other")
    g = np.random.default_rng(0)
    k = g.integers(0, 4, 40_000)
    np.savez(
        run.parent/"many.npz",
        ids=np.arange(40_000).astype(str),
        cloud=k.astype(str),
        face=(g.normal(size=(4, 12))*4)[k] + g.normal(size=(40_000, 12)),
    )
    return run


@pytest.fixture(scope="module")
def faces(run):
    "A run on face channels that a moving face could give, with a feature table on disk."
    import lance
    import pyarrow as pa

    from camels.core import WindowConfig
    from camels.latent.curriculum import train
    from camels.encoders.face import window_features
    from camels.look.decode import channel_effect
    from camels.face.natural import natural_faces
    from camels.face.response import response
    from camels.data.rows import table_schema
    g, n = np.random.default_rng(3), 240
    said = g.integers(0, 5, (n, 6))
    t = np.clip(np.arange(60)/10 - .5, 0, 5)
    i = t.astype(int).clip(0, 4)
    part = (t - i)[:, None]
    where = run.parent.parent/"faces"
    where.mkdir(exist_ok=True)
    w = natural_faces(5, 31)[said]
    w = w[:, i]*(1 - part) + w[:, i + 1]*part
    c = np.concatenate([w @ (response().seen @ channel_effect()), np.cumsum(g.normal(size=(n, 60, 6)), 1)/2], -1)
    x = dict(
        video=window_features(c - np.median(c, 1, keepdims=True) + .3*g.normal(size=c.shape)).astype(np.float16),
        prosody=(np.eye(5)[said].reshape(n, -1) @ g.normal(size=(30, 22)) + 50).astype(np.float32),
    )
    cards = {
        m: dict(name=k, version="1", modality=m, d_out=d, fingerprint="test")
        for m, k, d in (("video", "facemesh_landmarks", 523), ("phoneme", "toy", 8), ("prosody", "prosody22", 22))
    }
    s = table_schema(cards, WindowConfig())
    clip = np.arange(n)//4
    cols = {k: pa.FixedSizeListArray.from_arrays(pa.array(v.ravel()), type=s.field(k).type) for k, v in x.items()}
    cols |= dict(
        clip=[f"c{k}" for k in clip],
        window=np.arange(n) % 4,
        start_s=np.arange(n) % 4*1.,
        end_s=np.arange(n) % 4 + 2.,
        split=[("train", "train", "valid", "test")[k % 4] for k in clip],
        source=[str(run/"clip.mp4")]*n,
        speaker=[f"s{k % 3}" for k in clip],
    )
    cols |= dict(
        phones=[[list(v) for v in (np.eye(8, dtype=np.float16)[r])] for r in said],
        phone_labels=[["aefmu"[k] for k in r] for r in said],
        phone_start_s=[[k/3 for k in range(6)]]*n,
        phone_end_s=[[(k + 1)/3 for k in range(6)]]*n,
        phone_scores=[[1.]*6]*n,
        **{f"{m}_mask": [True]*n for m in cards},
    )
    lance.write_dataset(
        pa.table(
            [
                v
                if isinstance(v := cols.get(f.name, ["" if f.type == pa.string() else None]*n), pa.Array)
                else pa.array(v, f.type)
                for f in s
            ],
            schema=s,
        ),
        str(where/"f.lance"),
    )
    train(
        where/"f.lance",
        where/"small",
        dict(epochs_a=10, epochs_b=25, epochs_c=15, threads=1, d_latent=64, patience=0),
        progress=False,
    )
    shutil.copytree(where/"small", where/"untold")
    told = json.loads((where/"untold"/"run.json").read_text())
    (where/"untold"/"run.json").write_text(json.dumps(told | dict(features=str(where/"gone.lance"))))
    return where


@pytest.fixture(scope="module")
def url(run, faces):
    with serving("-u", "-c", CODE, str(run)) as u:
        yield u


@pytest.fixture
def app(page, url):
    return shown(page, url + "/explorer")


def shown(page, address):
    opened(page, address, ".explorer[data-theme]", "#state", size=(1280, 760)).wait_for_timeout(300)
    return page


def box(page, side="right"):
    return page.locator(f".pane.{side} canvas.map").bounding_box()


def a_point(page, side="right"):
    "Move over the map until the hand is on a point."
    b = box(page, side)
    x, y = b["x"] + b["width"]/2, b["y"] + b["height"]/2
    canvas = page.locator(f".pane.{side} canvas.map")
    for r in range(0, 120, 6):
        for a in range(0, 7):
            px, py = x + r*np.cos(a), y + r*np.sin(a)
            page.mouse.move(px, py)
            if canvas.evaluate("c => c.style.cursor") == "pointer":
                return px, py
    raise AssertionError("no point under the hand")


def lasso(page, side="right", share=.9):
    b = box(page, side)
    w, h = share*b["width"]/2, share*b["height"]/2
    x, y = b["x"] + b["width"]/2, b["y"] + b["height"]/2
    page.mouse.move(x - w, y - h)
    page.mouse.down()
    for dx, dy in ((w, -h), (w, h), (-w, h), (-w, -h)):
        page.mouse.move(x + dx, y + dy, steps=5)
    page.mouse.up()


def pixels(page, side):
    return page.locator(f".pane.{side} canvas.map").evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0, s = 0; for (let i "
        "= 3; i < d.length; i += 4) if (d[i]) { n++; s = (s*31 + i + d[i-1]) % 1000003 } return [n, s] }"
    )


def test_open_colour_and_choose_a_class(app):
    s = state(app)
    assert (s["left"], s["right"], s["colour_by"]) == ("untrained", "C", "modality")
    assert min(pixels(app, "left")[0], pixels(app, "right")[0]) > 500
    expect(app.get_by_text("before stage A (untrained)")).to_be_visible()
    expect(app.locator(".legend")).to_contain_text("phoneme")
    was = pixels(app, "left")
    app.get_by_label("Colour by").select_option("emotion")
    until(app, lambda s: s["colour_by"] == "emotion")
    app.wait_for_timeout(500)
    assert pixels(app, "left")[1] != was[1]
    app.locator(".legend button", has_text="joy").click()
    s = until(app, lambda s: s["selection"])
    expect(app.locator("table.rows tbody tr").first).to_contain_text("joy")
    expect(app.locator(".drawer")).to_contain_text(f"{len(s['selection'])} of")
    app.get_by_role("button", name="Clear selection").click()
    until(app, lambda s: not s["selection"])


def test_lasso_table_and_export(app):
    lasso(app)
    s = until(app, lambda s: len(s["selection"]) > 50)
    app.locator("table.rows tbody tr").nth(2).click()
    assert until(app, lambda s: s["current"] >= 0)["current"] == sorted(s["selection"])[2]
    with app.expect_download() as d:
        app.get_by_role("button", name="Save csv").click()
    lines = open(d.value.path()).read().splitlines()
    assert len(lines) == len(s["selection"]) + 1 and "transcript" in lines[0]
    app.locator("[data-tool=box]").click()
    lasso(app, "left", .2)
    t = until(app, lambda t: t["selection"] != s["selection"])
    assert len(t["selection"]) < len(s["selection"])


def test_search_and_keys(app):
    app.locator(".explorer").focus()
    app.keyboard.press("f")
    app.keyboard.type("CAMEL")
    app.keyboard.press("Enter")
    s = until(app, lambda s: s["selection"])
    assert s["query"] == "CAMEL"
    app.locator(".explorer").focus()
    app.keyboard.press("ArrowRight")
    until(app, lambda s: s["current"] == 0)
    app.keyboard.press("ArrowRight")
    until(app, lambda s: s["current"] == 1)
    app.keyboard.press("ArrowLeft")
    until(app, lambda s: s["current"] == 0)
    app.keyboard.press(" ")
    until(app, lambda s: s["film"]["row"] == 0)
    app.keyboard.press("Escape")
    until(app, lambda s: not s["selection"])


def test_a_click_plays_the_clip_from_that_moment_and_tells_the_ranks(app):
    x, y = a_point(app)
    expect(app.locator(".tip")).to_be_visible()
    expect(app.locator(".tip")).to_contain_text("toy-")
    expect(app.locator(".tip img")).to_be_visible(timeout=30000)
    app.mouse.click(x, y)
    s = until(app, lambda s: s["film"]["row"] >= 0 and s["film"]["row"] == s["current"])
    v = app.locator("video")
    app.wait_for_function(
        "() => { const v = [...document.querySelectorAll('*')].flatMap(e => e.shadowRoot ? "
        "[...e.shadowRoot.querySelectorAll('*')] : []).flatMap(e => e.tagName === 'VIDEO' ? [e] : e.shadowRoot ? "
        "[...e.shadowRoot.querySelectorAll('video')] : []); return v.some(e => e.currentTime > .3) }",
        timeout=60000,
    )
    assert (
        v.evaluate("v => v.videoWidth") == 160
        and v.evaluate("v => v.webkitAudioDecodedByteCount") > 0
        and s["film"]["start"] in (0, 1, 2, 3)
    )
    expect(app.locator(".ranks")).to_contain_text("video → phoneme")
    expect(app.locator(".near")).to_contain_text("nearest")
    app.locator(".near details").first.locator("button").first.click()
    until(app, lambda t: t["current"] != s["current"])


def test_a_missing_recording_is_a_sentence(app):
    n = int(app.locator(".drawer .soft").first.inner_text().split()[0])
    app.locator(".explorer").focus()
    app.keyboard.press("ArrowLeft")
    until(app, lambda s: s["current"] == n - 1)
    app.keyboard.press(" ")
    expect(app.locator(".note")).to_contain_text("not here: moved.mp4", timeout=30000)


def test_scrub_through_training_and_play_it(app):
    slider = app.get_by_label("Left: scrub through training")
    was = pixels(app, "left")
    slider.focus()
    slider.press("ArrowRight")
    until(app, lambda s: s["left"] == "A epoch 1")
    app.wait_for_timeout(600)
    assert pixels(app, "left") != was
    expect(app.locator(".pane.left .title")).to_have_text("A epoch 1")
    slider.press("End")
    until(app, lambda s: s["left"] == "C")
    app.get_by_label("Left: play the training").click()
    seen = set()
    for _ in range(600):
        seen.add(state(app)["left"])
        app.wait_for_timeout(100)
        if state(app)["left"] == "C" and len(seen) > 5:
            break
    assert len(seen) > 5 and "A" in seen | {"A"} and state(app)["left"] == "C"


def test_save_and_reopen_a_view_and_its_address(app, url):
    app.get_by_label("Left: stage").select_option("B")
    app.get_by_label("Colour by").select_option("emotion")
    until(app, lambda s: s["colour_by"] == "emotion" and s["left"] == "B")
    app.get_by_label("Name of this view").fill("mine")
    app.get_by_role("button", name="Save view").click()
    expect(app.locator(".message")).to_contain_text("saved as 'mine'", timeout=30000)
    app.wait_for_timeout(400)
    address = app.url
    assert "left=B" in address and "colour_by=emotion" in address
    app.get_by_label("Left: stage").select_option("A")
    until(app, lambda s: s["left"] == "A")
    app.get_by_label("Saved views").select_option("mine")
    until(app, lambda s: s["left"] == "B")
    shown(app, address)
    s = state(app)
    assert (s["left"], s["colour_by"]) == ("B", "emotion")
    shown(app, url + "/explorer?left=never")
    expect(app.locator(".message")).to_contain_text("no left 'never'", timeout=30000)


def test_two_runs_facets_lines_and_the_axis(app):
    app.get_by_label("Right: run").select_option("other")
    until(app, lambda s: s["right_run"] == "other")
    expect(app.locator(".pane.right .title")).to_contain_text("other", timeout=60000)
    lasso(app)
    until(app, lambda s: len(s["selection"]) > 50)
    app.get_by_label("Lines").select_option("selection")
    app.get_by_label("Facet by").select_option("emotion")
    app.wait_for_timeout(800)
    assert pixels(app, "right")[0] > 500
    app.get_by_label("Facet by").select_option("none")
    app.get_by_label("Right: run").select_option("toy")
    app.get_by_label("Colour by").select_option("emotion")
    until(app, lambda s: s["colour_by"] == "emotion")
    app.get_by_label("Map", exact=True).select_option("axis")
    expect(app.locator(".pane.left .say")).to_contain_text("two ends", timeout=30000)
    for name, end in (("joy", "A"), ("anger", "B")):
        app.locator(".legend button", has_text=name).click()
        app.wait_for_timeout(700)
        app.get_by_role("button", name=f"{end} = selection").click()
        expect(app.locator(".message")).to_contain_text(f"end {end}", timeout=30000)
    expect(app.locator(".pane.left .say")).to_contain_text("from A to B", timeout=30000)
    assert pixels(app, "left")[0] > 500


def test_both_themes_and_the_drawers(app):
    first = app.locator(".explorer").get_attribute("data-theme")
    app.get_by_label("light or dark").click()
    expect(app.locator(".explorer")).not_to_have_attribute("data-theme", first)
    ratio = app.locator(".explorer").evaluate(
        "e => { const l = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => { x /= 255; return x <= .04 ? "
        "x/12.92 : ((x + .055)/1.055)**2.4 }); return .2126*v[0] + .7152*v[1] + .0722*v[2] }, s = "
        "getComputedStyle(e), a = l(s.color), b = l(s.backgroundColor); return (Math.max(a, b) + .05)/(Math.min(a, b) "
        "+ .05) }"
    )
    assert ratio > 7
    app.get_by_role("tab", name="Stages").click()
    expect(app.locator(".drawer")).to_contain_text("video → phoneme")
    app.get_by_role("tab", name="Losses").click()
    expect(app.locator(".losses polyline").first).to_be_attached()
    assert app.locator(".drawer").bounding_box()["y"] + app.locator(".drawer").bounding_box()["height"] < 720


def test_many_points_are_drawn_by_the_server(page, url):
    app = shown(page, url + "/many")
    until(app, lambda s: s["ready"])
    expect(app.locator(".pane.left .say")).to_contain_text("sample of 20,000 of 40,000", timeout=60000)
    app.wait_for_timeout(1500)
    was = pixels(app, "left")
    assert was[0] > 2000
    b = box(app, "left")
    app.mouse.move(b["x"] + b["width"]/2, b["y"] + b["height"]/2)
    app.mouse.wheel(0, -300)
    app.wait_for_timeout(2000)
    assert pixels(app, "left") != was
    lasso(app, "left", .5)
    s = until(app, lambda s: len(s["selection"]) > 20)
    expect(app.locator(".drawer")).to_contain_text(f"{len(s['selection']):,} of 40,000")


def test_a_run_that_is_not_there_yet_says_so_and_opens_later(page, url, run):
    page.goto(url + "/gone")
    expect(page.locator(".wrong")).to_contain_text("no such run", timeout=90000)
    shutil.copytree(run, run.parent/"later")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".pane.left .title")).to_have_text("before stage A (untrained)", timeout=60000)
    shutil.rmtree(run.parent/"later")


def errors(page):
    return [
        [float(c) for c in r.split("\t")[1:]]
        for r in page.locator(".face table.err tbody").inner_text().strip().split("\n")
    ]


def answered(page, do):
    "Do something, and wait for what the face drawer says to it."
    n = int(page.locator(".face").get_attribute("data-n"))
    do()
    for _ in range(300):
        if int(page.locator(".face").get_attribute("data-n")) > n and not page.locator(
            ".face .note"
        ).inner_text().startswith("decoding"):
            page.wait_for_timeout(300)
            return
        page.wait_for_timeout(100)
    raise AssertionError("no answer")


def picture(page):
    return page.locator(".face figure img").last.get_attribute("src")


def test_a_click_shows_the_face_behind_the_point_and_its_error(page, url):
    app = shown(page, url + "/face")
    expect(app.get_by_role("tab", name="Face")).to_have_attribute("aria-selected", "true")
    expect(app.locator(".face .empty")).to_contain_text("Click a point")
    x, y = a_point(app)
    app.mouse.click(x, y)
    expect(app.locator(".face figure img")).to_have_count(3, timeout=60000)
    expect(app.locator(".face figcaption")).to_have_text(["recording", "measured, on the avatar", "decoded from video"])
    assert app.locator(".face figure img").evaluate_all("a => a.every(i => i.naturalWidth > 100)")
    e = errors(app)
    assert len(e) == 3 and all(len(r) == 3 and r[0] > 0 for r in e)
    assert e[1][0] < e[1][1] < e[1][2]
    expect(app.locator(".pro")).to_contain_text("f0_mean")
    expect(app.locator(".pro")).to_contain_text("Hz")
    expect(app.locator(".phones").first).to_contain_text("true")
    was = picture(app)
    answered(app, lambda: app.get_by_label("Through", exact=True).select_option("phoneme"))
    expect(app.locator(".face figcaption").last).to_have_text("decoded from phoneme")
    assert picture(app) != was and errors(app) != e
    row = state(app)["current"]
    app.locator(".explorer").focus()
    answered(app, lambda: app.keyboard.press("ArrowLeft" if row else "ArrowRight"))
    assert state(app)["current"] != row
    answered(app, lambda: app.get_by_label("Right: stage").select_option("A"))
    expect(app.locator(".face .note")).to_contain_text("learned from stage B on")
    expect(app.locator(".face figure")).to_have_count(0)
    answered(app, lambda: app.get_by_label("Right: stage").select_option("B"))
    expect(app.get_by_label("Through", exact=True).locator("option")).to_have_count(1)
    expect(app.locator(".face figcaption").last).to_have_text("decoded from video")


def test_drag_a_point_and_see_the_face_change(page, url):
    app = shown(page, url + "/face")
    app.get_by_label("What is decoded").select_option("line")
    expect(app.locator(".face .empty")).to_contain_text("Two ends are needed")
    root = app.locator(".explorer")
    for k, steps in (("A", 1), ("B", 9)):
        for _ in range(steps):
            root.focus()
            app.keyboard.press("ArrowRight")
            app.wait_for_timeout(60)
        until(app, lambda s, at=steps - 1 if k == "A" else 9: s["current"] == at)
        app.get_by_role("button", name=f"{k} = this").click()
        expect(app.locator(".message")).to_contain_text(f"end {k}", timeout=30000)
    expect(app.locator(".face figure img")).to_have_count(2, timeout=60000)
    was, e = picture(app), errors(app)
    s = app.get_by_label("Along the axis")
    b = s.bounding_box()
    seen = {was}
    app.mouse.move(b["x"] + b["width"]/2, b["y"] + b["height"]/2)
    app.mouse.down()
    for i in range(20):
        app.mouse.move(b["x"] + b["width"]*(.5 - .4*i/19), b["y"] + b["height"]/2)
        app.wait_for_timeout(60)
        seen.add(picture(app))
    app.mouse.up()
    app.wait_for_timeout(1500)
    assert (
        len(seen | {picture(app)}) > 3
        and errors(app) != e
        and float(app.locator(".face .line .num").first.inner_text()) < 0
    )
    app.get_by_label("Map", exact=True).select_option("axis")
    expect(app.locator(".pane.right .say")).to_contain_text("from A to B", timeout=30000)
    app.wait_for_timeout(600)
    was = picture(app)
    c = box(app)
    y = c["y"] + c["height"]/2
    canvas = app.locator(".pane.right canvas.map")
    for x in np.arange(c["x"] + 4, c["x"] + c["width"], 4).tolist():    # the point itself, in the map
        app.mouse.move(x, y)
        if canvas.evaluate("c => c.style.cursor") == "ew-resize":
            break
    answered(app, lambda: (app.mouse.down(), app.mouse.move(x + 90, y, steps=4), app.mouse.up()))
    app.wait_for_timeout(800)
    assert picture(app) != was and float(app.locator(".face .line .num").first.inner_text()) > -.1
    address, at = app.url, app.locator(".face .line .num").first.inner_text()
    assert "face=line%2Cvideo%2C1.00%2C" + at in address   # the drawer is part of the view
    app = shown(page, address)
    expect(app.get_by_label("What is decoded")).to_have_value("line", timeout=30000)
    expect(app.locator(".face .line .num").first).to_have_text(at)
    expect(app.locator(".face figure img")).to_have_count(2, timeout=60000)


def test_the_mean_of_a_selection_and_a_run_whose_features_are_gone(page, url):
    app = shown(page, url + "/untold")
    answered(app, lambda: app.get_by_label("What is decoded").select_option("mean"))
    expect(app.locator(".face .empty")).to_contain_text("draw a lasso")
    answered(app, lambda: lasso(app))
    expect(app.locator(".face figcaption")).to_have_text(["decoded from video"], timeout=60000)
    expect(app.locator(".face .errors")).to_contain_text("no feature table here")
    expect(app.locator(".pro")).to_contain_text("–")


def test_features_that_are_no_face_say_so(app):
    expect(app.get_by_role("tab", name="Selected moments")).to_have_attribute("aria-selected", "true")
    app.get_by_role("tab", name="Face").click()
    app.locator(".explorer").focus()
    app.keyboard.press("ArrowRight")
    expect(app.locator(".face .pictures")).to_contain_text("'toy_video'", timeout=60000)
    expect(app.locator(".pro")).to_contain_text("value 1")
