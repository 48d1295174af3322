"A training run killed at random moments ends with the same bytes as one that was left alone."
import json, os, random, signal, subprocess, sys, time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = """
import sys
import camels.latent.curriculum as curriculum
from camels.data.features import toy_features
if sys.argv[2] == "moments":
    curriculum.known_courses = lambda fs: dict(video=((0, 16, 0),), prosody=((0, 16, 0),))
given = dict(epochs_a=2, epochs_b=2, epochs_c=2, batch=16, d_latent=64, checkpoint_s=0.05)
curriculum.train(toy_features(120, d=16), sys.argv[1], given, resume=True, progress=False,
                 on_event=lambda e: print(e["event"], flush=True))
"""

def start(out, kind):
    "A training process, returned when it begins to train (or has nothing left to do)."
    p = subprocess.Popen(
        [sys.executable, "-c", CODE, str(out), kind],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    p.stdout.readline()
    return p

def finish(out, kind):
    p = start(out, kind)
    err = p.communicate()[1]
    assert p.returncode == 0, err
    return out

def same(a, b):
    for f in (
        "model.safetensors",
        *(f"checkpoints/{s}/model.safetensors" for s in ("untrained", "A", "B", "C")),
        *(f"latents/{s}.safetensors" for s in ("untrained", "A", "B", "C")),
    ):
        assert (a/f).read_bytes() == (b/f).read_bytes(), f"{f} differs"
    def rows(r):
        return [
            {k: v for k, v in json.loads(l).items() if k not in ("seconds", "rows_per_s")}
            for l in (r/"metrics.jsonl").read_text().splitlines()
        ]
    assert rows(a) == rows(b)

def kill_often(tmp_path, kills, kind):
    p = start(tmp_path/"whole", kind)
    t0 = time.monotonic()
    err = p.communicate()[1]
    span = time.monotonic() - t0
    assert p.returncode == 0, err
    cut, rng, hit = tmp_path/"cut", random.Random(kills), 0
    for _ in range(kills):
        p = start(cut, kind)
        time.sleep(rng.uniform(0, 1.2*span/kills))
        if p.poll() is None:
            p.send_signal(signal.SIGKILL)
            hit += 1
        p.communicate()
    assert hit >= kills//2, "most kills came too late to matter"
    same(tmp_path/"whole", finish(cut, kind))
    whole, again = (json.loads((tmp_path/r/"run.json").read_text())["start"] for r in ("whole", "cut"))
    assert whole == again
    assert not list((cut/"checkpoints").glob(".*"))

@pytest.mark.parametrize("kind", ["dense", "moments"])
def test_killed_three_times(tmp_path, kind):
    kill_often(tmp_path, 3, kind)

def test_killed_ten_times(tmp_path):
    kill_often(tmp_path, 10, "dense")

def test_another_process_is_kept_out(tmp_path):
    from camels.core import CamelsError
    from camels.train.run import run_lock
    with run_lock(tmp_path), pytest.raises(CamelsError, match="another process"), run_lock(tmp_path):
        pass


def test_kills_hit_a_job_that_has_become_quicker(tmp_path, monkeypatch):
    import camels.bench.core as bench
    clock, takes = [0.], [10.]
    def job(folder, kill_after=None):
        folder.mkdir(exist_ok=True)
        t, takes[0] = takes[0], 1.
        late = kill_after is not None and kill_after < t
        clock[0] += kill_after if late else t
        return late
    monkeypatch.setattr(bench, "_camels", job)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    for seed in range(3):
        takes[0] = 10.                   # the first run fills caches, or shares the machine
        assert bench.survive(lambda f: (f, f), lambda f: f.exists(), moments=3, seed=seed) == (3, 3, pytest.approx(10.))
