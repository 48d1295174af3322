import io
import re

import numpy as np
import pytest
from conftest import opened, serving  # this folder's
from PIL import Image
from playwright.sync_api import expect

CODE = """
import numpy as np
import panel as pn
from camels.apps.avatar import Avatar
pn.extension(inline=True)
def page():
    a = Avatar(width=320, height=320)
    buttons = pn.Row(*(pn.widgets.Button(name=n) for n in ("open", "rest", "turn", "play", "bad")))
    track = np.zeros((180, 52)); track[:, 17] = np.linspace(0, .8, 180)
    note = pn.pane.HTML("<pre id=note></pre>")
    def bad(_):
        try: a.show({"jawOpen": 7})
        except Exception as e: note.object = f"<pre id=note>{e}</pre>"
    calls = (lambda _: a.show({"jawOpen": .8}), lambda _: a.show({}, head=(0, 0, 0)),
             lambda _: a.show({}, head=(.6, 0, 0)), lambda _: a.play(track), bad)
    for b, f in zip(buttons, calls):
        b.on_click(f)
    def tell(t, p):
        return f'<pre id="state">{t:.2f} {p}</pre>'
    return pn.Column(a, buttons, note, pn.pane.HTML(pn.bind(tell, a.param.time_s, a.param.playing)))
pn.serve({"avatar": page}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def url():
    with serving("-u", "-c", CODE) as u:
        yield u + "/avatar"


@pytest.fixture
def head(page, url):
    opened(page, url, "[data-ready=yes] canvas", size=(1280, 900))
    page.wait_for_timeout(700)
    return page.locator("[data-ready=yes] canvas")


def picture(canvas):
    return np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")).astype(int)


def changed(a, b, rows, cols):
    "Share of pixels in a part of the picture (shares of its height and width) that differ clearly."
    h, w = a.shape[:2]
    cut = np.s_[int(rows[0]*h):int(rows[1]*h), int(cols[0]*w):int(cols[1]*w)]
    return (np.abs(a - b)[cut].max(-1) > 24).mean()


MOUTH, BROW = ((.52, .72), (.38, .62)), ((.26, .36), (.3, .7))


def settle(page, canvas, before=None, tries=20):
    "The picture once it has changed and then stands still."
    last = picture(canvas)
    for _ in range(tries):
        page.wait_for_timeout(300)
        now = picture(canvas)
        if np.array_equal(now, last) and (before is None or not np.array_equal(now, before)):
            return now
        last = now
    return last


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_weights_set_on_the_server_move_the_mouth(page, head):
    rest = settle(page, head)
    assert len(np.unique(rest.reshape(-1, 3), axis=0)) > 500
    press(page, "open")
    wide = settle(page, head, rest)
    assert changed(rest, wide, *MOUTH) > .08 and changed(rest, wide, *BROW) < .01
    press(page, "rest")
    assert changed(rest, settle(page, head, wide), (0, 1), (0, 1)) < .002
    press(page, "turn")
    assert changed(rest, settle(page, head, rest), (.2, .7), (.2, .8)) > .1
    press(page, "bad")
    expect(page.locator("#note")).to_contain_text("[0, 1]")


def test_a_track_plays_and_stops_at_its_end(page, head):
    rest = settle(page, head)
    expect(page.locator("#state")).to_have_text("0.00 False")
    press(page, "play")
    expect(page.locator("#state")).to_have_text(re.compile(r"^[0-5]\.\d*[1-9]\d* True"), timeout=60000)
    expect(page.locator("#state")).to_have_text("6.00 False", timeout=60000)
    assert changed(rest, settle(page, head, rest), *MOUTH) > .08
    press(page, "rest")
    assert changed(rest, settle(page, head), *MOUTH) < .02
