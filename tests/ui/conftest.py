"Browser tests drive Debian's chromium (or any chromium on the PATH) through playwright."
import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session")
def browser():
    exe = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if exe is None:
        pytest.fail("no chromium: run tools/setup.sh --ui")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(
            executable_path=exe,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
            ],
        )
        yield b
        b.close()


@pytest.fixture
def page(browser):
    "A page that remembers console errors and requests that leave the machine, and fails the test for either."
    pg = browser.new_page(viewport=dict(width=1280, height=900))
    bad = []
    pg.on("console", lambda m: bad.append(m.text) if m.type == "error" else None)
    pg.on("pageerror", lambda e: bad.append(str(e)))
    pg.on(
        "request",
        lambda r: (
            bad.append(f"request to {r.url}")
            if r.url.startswith("http") and r.url.split("/")[2].split(":")[0] not in ("localhost", "127.0.0.1")
            else None
        ),
    )
    yield pg
    pg.close()
    assert not bad, bad


@contextmanager
def serving(*args):
    "Run `python -c …` or a command that prints a line with http://localhost:PORT, and give that address."
    p = subprocess.Popen([sys.executable, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        end = time.time() + 90
        url = None
        seen = []
        while url is None and time.time() < end and (line := p.stdout.readline()):
            seen.append(line)
            url = next((w.strip(".,") for w in line.split() if w.startswith("http://localhost")), None)
        assert url, "".join(seen)
        yield url
    finally:
        p.terminate()
        p.wait(10)


def opened(page, address, *ready, size=(1280, 720), timeout_s=90):
    "The page at an address, once everything in `ready` (selectors) is there; a loaded machine is slow, not wrong."
    page.set_default_timeout(1000*timeout_s)
    page.set_viewport_size(dict(width=size[0], height=size[1]))
    page.goto(address, wait_until="commit")
    for s in ready:
        page.locator(s).first.wait_for(state="attached")
    return page


def state(page):
    "What the app under test says of itself: the JSON in `<pre id=state>`."
    return json.loads(page.locator("#state").text_content())


def until(page, what, timeout_s=90, why=lambda page: ""):
    "The state, as soon as `what(state)` is true; `why(page)` is told where that never comes."
    end = time.time() + timeout_s
    while not what(s := state(page)):
        assert time.time() < end, (s, why(page))
        page.wait_for_timeout(100)
    return s


def contrast(words):
    "Contrast of a locator's text against what is painted behind it, in [1, 21]; small text needs 4.5."
    return words.first.evaluate("""e => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1})
    const x = canvas.getContext("2d"), on = []
    const up = n => n.parentElement || n.getRootNode().host
    for (let n = e; n; n = up(n)) on.unshift(getComputedStyle(n).backgroundColor)
    const linear = u => u <= .04045 ? u/12.92 : ((u + .055)/1.055)**2.4
    const light = () => {
        const v = [...x.getImageData(0, 0, 1, 1).data].slice(0, 3).map(u => linear(u/255))
        return .2126*v[0] + .7152*v[1] + .0722*v[2] + .05
    }
    const paint = c => { x.fillStyle = c; x.fillRect(0, 0, 1, 1) }
    paint("white")
    on.forEach(paint)
    const page = light()
    paint(getComputedStyle(e).color)
    const ink = light()
    return Math.max(page, ink)/Math.min(page, ink)
}""")
