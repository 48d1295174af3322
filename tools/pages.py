#!/usr/bin/env python
"""Run notebooks as tests, each in a process of its own: `python tools/pages.py [PAGE …]`.

All of `nbs/` where none is named. A line a page, `ok` or `FAIL` with what it said. The processes are forks of one that
has loaded what most pages load, and of CAMELS nothing: a hundred starts of torch would take longer than the lessons."""
import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = "numpy scipy.fft scipy.signal torch matplotlib.pyplot IPython nbdev.test fastcore.test"
MOST_S = 900  # seconds of a page
TAIL = 40     # lines that are shown of a page that failed


def all_pages():
    "Every notebook, hidden ones left out."
    for page in sorted((ROOT/"nbs").rglob("*.ipynb")):
        if not any(part.startswith((".", "_")) for part in page.relative_to(ROOT).parts):
            yield page


def run(page, log):
    "The child: one page, everything that it says into `log`."
    from nbdev.config import get_config
    from nbdev.test import test_nb
    os.setsid()
    for stream in (1, 2):
        os.dup2(log, stream)
    passed, _ = test_nb(page, skip_flags=get_config().tst_flags.split(), do_print=True)
    sys.stdout.flush()
    os._exit(0 if passed else 1)


def started(page):
    "(process, (page, log, start)) of a page that runs from now on."
    log = tempfile.TemporaryFile()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            run(page, log.fileno())
        finally:
            os._exit(1)
    return child, (page, log, time.monotonic())


def verdict(page, log, began, status):
    "The line of a page, and what it said where it failed."
    took = time.monotonic() - began
    name = page.relative_to(ROOT).as_posix()
    if not status:
        print(f"ok    {name}  {took:.1f} s", flush=True)
        return True
    log.seek(0)
    said = log.read().decode("utf-8", "replace").splitlines()
    print(f"FAIL  {name}  {took:.1f} s", *(f"      {line}" for line in said[-TAIL:]), sep="\n", flush=True)
    return False


def main():
    "Command line; exit code 1 where a page failed."
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pages", nargs="*", type=Path)
    p.add_argument("-n", type=int, default=len(os.sched_getaffinity(0)), help="at once")
    a = p.parse_args()
    pages = [q.resolve() for q in a.pages] or list(all_pages())
    for name in SHARED.split():
        importlib.import_module(name)
    todo, running, failed = list(reversed(pages)), {}, 0
    while todo or running:
        while todo and len(running) < a.n:
            child, what = started(todo.pop())
            running[child] = what
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            failed += not verdict(*running.pop(child), status)
            continue
        for child, (page, _, began) in running.items():
            if time.monotonic() - began > MOST_S:
                os.killpg(child, 9)
        time.sleep(.05)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
