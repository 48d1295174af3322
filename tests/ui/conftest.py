"Browser tests drive Debian's chromium (or any chromium on the PATH) through playwright."
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session")
def browser():
    exe = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if exe is None: pytest.fail("no chromium: run tools/setup.sh --ui")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=exe, args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                                                        "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"])
        yield b
        b.close()


@pytest.fixture
def page(browser):
    "A page that remembers console errors and requests that leave the machine, and fails the test for either."
    pg = browser.new_page(viewport=dict(width=1280, height=900)); bad = []
    pg.on("console", lambda m: bad.append(m.text) if m.type == "error" else None)
    pg.on("pageerror", lambda e: bad.append(str(e)))
    pg.on("request", lambda r: bad.append(f"request to {r.url}") if r.url.startswith("http") and r.url.split("/")[2].split(":")[0] not in ("localhost", "127.0.0.1") else None)
    yield pg
    pg.close()
    assert not bad, bad


@contextmanager
def serving(*args):
    "Run `python -c …` or a command that prints a line with http://localhost:PORT, and give that address."
    p = subprocess.Popen([sys.executable, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        end = time.time() + 90; url = None; seen = []
        while url is None and time.time() < end and (line := p.stdout.readline()):
            seen.append(line); url = next((w.strip(".,") for w in line.split() if w.startswith("http://localhost")), None)
        assert url, "".join(seen)
        yield url
    finally: p.terminate(); p.wait(10)
