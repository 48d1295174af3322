"""A training in a process of its own: it outlives whoever started it, obeys what is asked through its folder, and
keeps a record."""
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from camels.core import CamelsError, write_json
from camels.data.features import toy_features
from camels.latent.curriculum import train
from camels.train.watch import RunView, Tail, complaint, is_alive, owner
from camels.train.launch import ask_weight, resume_run, start_run, stop_run
from camels.train.control import ask

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def features(tmp_path, monkeypatch):
    "A table of arrays, and a cache folder of its own."
    monkeypatch.setenv("CAMELS_CACHE", str(tmp_path/"cache"))
    fs = toy_features(200, d=8)
    np.savez(
        f := tmp_path/"toy.npz",
        ids=fs.ids["clip"].astype(str),
        split=fs.ids["split"].astype(str),
        start_s=fs.ids["start_s"],
        video=fs.x["video"],
        prosody=fs.x["prosody"],
    )
    yield f
    for r in tmp_path.glob("*/.lock"):                  # a test that failed may leave a training behind
        if is_alive(who := owner(r.parent)):
            os.kill(who["pid"], signal.SIGKILL)


def until(view, what, timeout_s=120):
    end = time.time() + timeout_s
    while not what(view.refresh()):
        assert time.time() < end, (view.state, view.words, view.last, complaint(view.path))
        time.sleep(.1)
    return view


LONG = dict(
    d_latent=16, batch=32, epochs_a=60, epochs_b=1, epochs_c=1, patience=0, live_every=50, checkpoint_s=5, threads=1
)


def test_it_outlives_its_starter_and_obeys_its_folder(features, tmp_path):
    out = tmp_path/"run"
    code = (
        "import sys, json, time; from camels.train.launch import start_run; start_run(sys.argv[1], sys.argv[2], "
        "json.loads(sys.argv[3])); print('started', flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(features), str(out), json.dumps(LONG)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert starter.stdout.readline() == "started\n"
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    v = until(RunView(out), lambda v: v.state == "training" and v.rows)
    pid = owner(out)["pid"]
    assert pid != starter.pid and v.can == {"pause", "stop", "weights"}
    with pytest.raises(CamelsError, match="already holds a run"):
        start_run(features, out, LONG)
    with pytest.raises(CamelsError, match="did you mean 'w_fused'"):
        ask_weight(v, "w_fusd", 1.)
    ask(out, do="pause")
    until(v, lambda v: v.state == "paused")
    at = v.refresh().sign["step"]
    n = len(v.rows)
    ask_weight(v, "w_fused", .5)
    time.sleep(1.)
    assert v.refresh().sign["step"] == at and len(v.rows) == n and v.can == {"go", "stop", "weights"}
    assert list((out/"checkpoints").glob("step-*")), "a pause leaves a checkpoint"
    ask(out, do="go")
    until(v, lambda v: v.info.get("changes"))
    change = v.info["changes"][0]
    assert change["set"] == {"w_fused": .5} and change["step"] >= at
    stop_run(out)
    until(v, lambda v: v.state == "stopped")
    assert not v.failed and "resume" in v.can and v.last["epoch"] < 59
    resume_run(out)
    until(v, lambda v: v.state == "finished", 240)
    epochs = [r["epoch"] for r in v.rows if r["stage"] == "A"]
    assert epochs == list(range(60)) and (out/"model.safetensors").exists()


def test_what_goes_wrong_is_a_sentence(features, tmp_path):
    bad = tmp_path/"bad.npz"
    np.savez(bad, ids=np.array(["a", "b"]), video=np.zeros((2, 3), np.float32))
    start_run(bad, tmp_path/"never")
    v = until(RunView(tmp_path/"never"), lambda v: v.state != "starting")
    assert v.state == "broken" and v.failed and "needs 'split'" in v.words and not (tmp_path/"never").exists()
    for what in (
        lambda: start_run(features, tmp_path/"x", {"w_flow": "much"}),
        lambda: resume_run(tmp_path/"never"),
        lambda: ask(tmp_path/"never", do="stop"),
    ):
        with pytest.raises(CamelsError):
            what()


def test_a_change_holds_from_the_same_step_after_a_replay(tmp_path):
    fs, cfg = (
        toy_features(80, d=8),
        dict(
            d_latent=16, batch=16, epochs_a=4, epochs_b=1, epochs_c=1, threads=1, live_every=0, checkpoint_s=0, keep=99
        ),
    )
    def hand(out, stop):
        def f(e):
            if e["event"] == "epoch" and e["stage"] == "A" and e["epoch"] == 1:
                ask(out, set={"w_variance": 0.})
            if stop and e["event"] == "epoch" and e["stage"] == "A" and e["epoch"] == 3:
                ask(out, do="stop")
        return f
    whole = train(fs, tmp_path/"whole", cfg, on_event=hand(tmp_path/"whole", False), progress=False)
    out = tmp_path/"cut"
    with pytest.raises(KeyboardInterrupt):
        train(fs, out, cfg, on_event=hand(out, True), progress=False)
    at = json.loads((out/"run.json").read_text())["changes"][0]["step"]
    for c in (out/"checkpoints").glob("step-*"):
        if int(c.name[5:]) >= at:
            [f.unlink() for f in c.iterdir()]
            c.rmdir()   # back to before the change
    run = train(fs, out, resume=True, progress=False)
    assert (run.path/"model.safetensors").read_bytes() == (whole.path/"model.safetensors").read_bytes()
    assert [c["step"] for c in run.info["changes"]] == [at] == [c["step"] for c in whole.info["changes"]]


def test_a_log_is_read_whole_whatever_the_pieces(tmp_path):
    rng = random.Random(0)
    data = "".join(json.dumps({"step": i, "é": "x"*rng.randrange(80)}) + "\n" for i in range(300)).encode()
    f = tmp_path/"m.jsonl"
    t = Tail(f)
    with f.open("wb", buffering=0) as o:
        while data:
            k = rng.randrange(1, 200)
            o.write(data[:k])
            data = data[k:]
            t.read()
    assert [r["step"] for r in t.read()] == list(range(300)) and not t.bad


def test_old_requests_and_a_copied_folder(tmp_path):
    run = train(
        toy_features(80, d=8),
        tmp_path/"run",
        dict(d_latent=16, batch=16, epochs_a=1, epochs_b=1, epochs_c=1, threads=1),
        progress=False,
    )
    write_json(run/"run.json", {k: v for k, v in run.info.items() if k != "finished"})
    ask(run.path, do="stop")
    kept = [c.rename(tmp_path/c.name) for c in (run/"checkpoints").glob("step-*")]
    with pytest.raises(CamelsError, match="are gone"):
        train(toy_features(80, d=8), run.path, resume=True, progress=False)
    for c in kept:
        c.rename(run/"checkpoints"/c.name)
    assert "finished" in train(toy_features(80, d=8), run.path, resume=True, progress=False).info, (
        "a wish from before the process began stops nobody"
    )
    info = run.info
    write_json(run/"run.json", {k: v for k, v in info.items() if k != "finished"})
    write_json(run/".lock", {"pid": os.getpid(), "began": 0., "host": "another-machine"})
    v = RunView(run.path).refresh()
    assert v.state == "followed" and v.can >= {"pause", "stop"}


TINY = {
    "v2_epochs": 8,
    "epochs": 3,
    "polish": 1,
    "own_updates": 12,
    "updates": 2,
    "batch": 2,
    "frames": 24,
    "bf16": False,
    "slow": (1, 1, 1.),
    "size.width": 16,
    "size.embed": 8,
    "size.trunk": (1, 2),
    "size.mood": (1,),
}


def test_v3_obeys_its_folder_and_ends_with_the_same_weights(tmp_path, monkeypatch):
    from camels.recipes.v3.scenarios import scenario_turns
    from camels.recipes.v3.targets import write_targets
    from camels.recipes.v3.train import train_v3
    monkeypatch.setenv("CAMELS_CACHE", str(tmp_path/"cache"))
    targets = write_targets(scenario_turns(16, seed=3), tmp_path/"targets", voices=1, shard=8, jobs=1)
    out = tmp_path/"held"
    with pytest.raises(CamelsError, match="did you mean 'epochs'"):
        start_run(targets, out, {"epohcs": 3})
    try:
        start_run(targets, out, TINY)
        v = until(RunView(out), lambda v: v.state == "training" and v.rows)
        assert v.can == {"pause", "stop", "weights"}
        ask(out, do="pause")
        until(v, lambda v: v.state == "paused")
        at = v.sign["step"]
        with pytest.raises(CamelsError, match="did you mean 'w_gap'"):
            ask_weight(v, "w_gab", 1.)
        ask_weight(v, "w_gap", 2.)
        time.sleep(1.)
        assert v.refresh().sign["step"] == at and list((out/"checkpoints").glob("step-*"))
        ask(out, do="go")
        until(v, lambda v: v.info.get("changes"))
        change = v.info["changes"][0]
        assert change["set"] == {"w_gap": 2.} and change["step"] >= at
        stop_run(out)
        until(v, lambda v: v.state == "stopped")
        assert not v.failed and v.can >= {"resume"} and not (out/"model").exists()
        resume_run(out)
        until(v, lambda v: v.state == "finished", 240)
        assert [r["epoch"] for r in v.rows] == [*range(8), *range(3), 0, 0]
    finally:
        if is_alive(who := owner(out)):
            os.kill(who["pid"], signal.SIGKILL)
    n = change["step"]//2
    # an undisturbed run that is asked for the same in the epoch before
    line = f"V2 epoch {n} of" if n <= 8 else f"V3 epoch {n - 8} of"
    def hand(said):
        if line in said:
            ask(tmp_path/"whole", set={"w_gap": 2.})
    model = train_v3(targets, tmp_path/"whole", TINY, tell=hand)
    plain = train_v3(targets, tmp_path/"plain", TINY, tell=lambda _: None)
    def read(f):
        return (f/"model.safetensors").read_bytes()
    assert [c["step"] for c in RunView(tmp_path/"whole").refresh().info["changes"]] == [change["step"]]
    assert (
        read(out/"model") == read(model) != read(plain)
        and "w_gap = 2.0 from update" in json.loads((model/"config.json").read_text())["about"]
    )


def test_v3_may_be_stopped_in_its_last_part(tmp_path):
    from camels.recipes.v3.scenarios import scenario_turns
    from camels.recipes.v3.targets import write_targets
    from camels.recipes.v3.train import train_v3
    targets = write_targets(scenario_turns(16, seed=3), tmp_path/"targets", voices=1, shard=8, jobs=1)
    cfg = {**TINY, "v2_epochs": 1, "epochs": 1, "polish": 1}
    whole = train_v3(targets, tmp_path/"whole", cfg, tell=lambda _: None)
    out = tmp_path/"cut"
    import camels.recipes.v3.expression as module
    made, calls = module.fade_batch, []
    def late(rng, *args):
        calls.append(1)
        if len(calls) == 9:
            ask(out, do="stop")
        return made(rng, *args)
    module.fade_batch = late
    try:
        with pytest.raises(KeyboardInterrupt):
            train_v3(targets, out, cfg, tell=lambda _: None)
    finally:
        module.fade_batch = made
    v = RunView(out).refresh()
    assert v.state == "stopped" and "expression path, update 9 of 12" in v.words and v.can == {"resume"}
    model = train_v3(None, out, resume=True, tell=lambda _: None)
    assert (model/"model.safetensors").read_bytes() == (whole/"model.safetensors").read_bytes()
    assert train_v3(None, out, resume=True, tell=lambda _: pytest.fail("a finished run is left as it is")) == model
