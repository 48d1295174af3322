"""Training, its checkpoints, run folders and everybody's own features: what goes wrong is one line, and nothing is
lost by it."""
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from camels import cli
from camels.config import configure, in_range
from camels.core import CamelsError, write_json
from camels.train.run import RunFolder, read_record
from camels.latent.config import TrainConfig, checked
from camels.data.arrays import as_features
from camels.data.features import toy_features
from camels.train.run import is_held, run_lock
from camels.latent.curriculum import train
from camels.train.checkpoint import BrokenCheckpoint, Checkpoints, load_state, save_state

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT.parent/"shared"/"cases"
TINY = dict(d_latent=16, batch=16, epochs_a=1, epochs_b=1, epochs_c=1, threads=1)


@pytest.fixture
def mine():
    "Two modalities of somebody, as arrays."
    rng = np.random.default_rng(0)
    return dict(
        ids=np.array([f"talk{i//4}" for i in range(60)]),
        split=np.array(["train"]*40 + ["valid"]*10 + ["test"]*10),
        face=rng.normal(size=(60, 16)).astype(np.float32),
        voice=rng.normal(size=(60, 8)).astype(np.float32),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    "A small run, trained once."
    return train(toy_features(80, d=8), tmp_path_factory.mktemp("trained")/"run", TINY, progress=False)


@pytest.fixture
def run(tmp_path, trained):
    "A copy of it that was stopped at its end, with two checkpoints."
    run = RunFolder(shutil.copytree(trained.path, tmp_path/"run"))
    write_json(run/"run.json", {k: v for k, v in run.info.items() if k != "finished"})
    return run


def line(monkeypatch, capsys, *words, code=2):
    "What the command says on stderr: one line, and the code that it ends with."
    monkeypatch.setattr(sys, "argv", ["camels", *map(str, words)])
    with pytest.raises(SystemExit) as e:
        cli.main()
    said = capsys.readouterr().err.strip().splitlines()
    assert e.value.code == code and len(said) == 1, said
    return said[0]


# ---- checkpoints

@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), MemoryError(), RuntimeError("a class was renamed")]
)
def test_an_error_that_passes_touches_no_checkpoint(tmp_path, monkeypatch, error):
    import camels.train.checkpoint as module
    c = Checkpoints(tmp_path)
    for step in (1, 2):
        c.save({"step": step}, step)
    def fail(*a, **kw):
        raise error
    with monkeypatch.context() as m:
        m.setattr(module, "load_file", fail)
        with pytest.raises(type(error)):
            c.load()
    assert [o.name for o in c.list()] == ["step-00000001", "step-00000002"] and c.load() == {"step": 2}


def flip(data:bytes, at:int)->bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1:]


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda d: d[:-5],
        lambda d: b"",
        lambda d: flip(d, len(d) - 9),
        lambda d: flip(d, len(d)//2),
        lambda d: b"\x00"*len(d),
        None,
    ],
)
def test_a_spoilt_checkpoint_is_put_aside_and_the_older_one_serves(tmp_path, name, harm):
    import torch
    said = []
    c = Checkpoints(tmp_path, say=said.append)
    for step in (1, 2):
        c.save({"step": step, "w": torch.arange(9.)}, step)
    f = tmp_path/"step-00000002"/name
    f.unlink() if harm is None else f.write_bytes(harm(f.read_bytes()))
    assert c.load()["step"] == 1
    assert (tmp_path/"step-00000002.broken-1").is_dir() and "step-00000002" in said[0] and "going on from" in said[1]


def test_nothing_readable_is_an_error_that_says_where(run):
    for c in (run/"checkpoints").glob("step-*"):
        (c/"state.json").write_text("{")
    before = (run/"metrics.jsonl").read_text()
    for _ in range(2):      # the second time they have other names already
        with pytest.raises(CamelsError, match="no checkpoint can be read") as e:
            train(toy_features(80, d=8), run.path, resume=True, progress=False)
        assert str(run/"checkpoints") in str(e.value)
    assert (run/"metrics.jsonl").read_text() == before and len(list((run/"checkpoints").glob("*.broken-*"))) == 2


def test_checkpoints_that_are_gone_do_not_begin_the_run_again(run):
    for c in (run/"checkpoints").glob("step-*"):
        shutil.rmtree(c)
    with pytest.raises(CamelsError, match="are gone"):
        train(toy_features(80, d=8), run.path, resume=True, progress=False)


def test_a_checkpoint_of_an_older_version_is_read(tmp_path):
    path = save_state(tmp_path/"a", {"step": 3})
    state = json.loads((path/"state.json").read_text())["state"]
    (path/"state.json").write_text(json.dumps(state))
    assert load_state(path) == {"step": 3}


def test_the_digest_costs_little(tmp_path):
    import torch
    from camels.train.checkpoint import digest_of
    tree = {"w": torch.randn(4_000_000)}
    t = time.thread_time()
    path = save_state(tmp_path/"a", tree)
    whole = time.thread_time() - t
    t = time.thread_time()
    digest_of(path/"state.safetensors", "")
    digest = time.thread_time() - t
    t = time.thread_time()
    hashlib.sha256((path/"state.safetensors").read_bytes()).digest()
    plain = time.thread_time() - t
    assert digest < 5*plain, (digest, plain, whole)      # one pass over the bytes, and nothing else


# ---- a full disk

def full(*a, **kw):
    from safetensors import SafetensorError
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("what", ["camels.train.checkpoint.save_file", "camels.latent.snapshots.save_file"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(tmp_path, monkeypatch, trained, what):
    with monkeypatch.context() as m:
        m.setattr(what, full)
        with pytest.raises((CamelsError, OSError)) as e:
            train(toy_features(80, d=8), tmp_path/"run", TINY, progress=False)
    assert "disk is full" in str(e.value) and str(tmp_path/"run") in str(e.value)
    run = train(toy_features(80, d=8), tmp_path/"run", resume=True, progress=False)
    assert (run/"model.safetensors").read_bytes() == (trained/"model.safetensors").read_bytes()


@contextmanager
def small_disk(folder:Path, size:str):
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
        ).returncode
    ):
        pytest.skip("no small disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)])


def test_a_full_disk_for_true(tmp_path, monkeypatch, capsys, mine):
    np.savez(tmp_path/"mine.npz", **mine)
    with small_disk(tmp_path/"disk", "1500k") as disk:
        said = line(
            monkeypatch,
            capsys,
            "train",
            "--features",
            tmp_path/"mine.npz",
            "--out",
            disk/"run",
            "d_latent=64",
            "epochs_a=1",
            "epochs_b=1",
            "epochs_c=1",
            "checkpoint_s=0",
            "threads=1",
        )
        assert "disk" in said and str(disk) in said or "No space left" in said and str(disk) in said, said
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert (
            "finished"
            in train(
                None if (disk/"run/run.json").exists() else tmp_path/"mine.npz",
                disk/"run",
                resume=True,
                progress=False,
            ).info
        )


# ---- the lock

def test_the_lock_of_a_copy_is_held_by_nobody(tmp_path):
    from camels.train.watch import RunView, is_alive, owner
    from camels.train.launch import stop_run
    here, copy = tmp_path/"here", tmp_path/"copy"
    here.mkdir()
    write_json(here/"run.json", dict(kind="curriculum", config={}))
    with run_lock(here):
        shutil.copytree(here, copy)
        assert is_alive(owner(here)) and not is_alive(owner(copy)) and RunView(here).refresh().state == "training"
        v = RunView(copy).refresh()
        assert v.state == "stopped" and "stop" not in v.can
        kept, os.kill = os.kill, lambda *a: pytest.fail(f"somebody was killed: {a}")
        try:
            stop_run(copy, now=True)
        finally:
            os.kill = kept
    assert not is_held(here)


@pytest.mark.parametrize(
    "who",
    [
        dict(pid="7"),
        dict(pid=-1),
        dict(pid=0),
        dict(pid=1),
        dict(pid=True),
        dict(pid=2**70),
        dict(began="now"),
        dict(began=None),
        dict(host=3),
        "text",
        [],
        None,
    ],
)
def test_a_lock_that_says_anything_signals_nobody(tmp_path, monkeypatch, who):
    import platform
    from camels.train.watch import RunView
    from camels.train.launch import stop_run
    write_json(tmp_path/"run.json", dict(kind="curriculum", config={}))
    mine = dict(pid=os.getpid(), began=0., host=platform.node())
    with run_lock(tmp_path):
        (tmp_path/".lock").write_text(json.dumps({**mine, **who} if isinstance(who, dict) else who))
        monkeypatch.setattr(os, "kill", lambda *a: pytest.fail(f"somebody was signalled: {a}"))
        stop_run(tmp_path, now=True)
        RunView(tmp_path).refresh()


@pytest.mark.parametrize(
    "make",
    [
        lambda f: f.mkdir(),
        lambda f: os.mkfifo(f),
        lambda f: f.symlink_to("/etc/hostname"),
        lambda f: f.write_bytes(b"\xff\x00"),
    ],
)
def test_a_lock_of_any_kind(tmp_path, make):
    from camels.train.watch import RunView
    write_json(tmp_path/"run.json", {})
    make(tmp_path/".lock")
    assert RunView(tmp_path).refresh().state != "training"
    if not (tmp_path/".lock").is_file() or (tmp_path/".lock").is_symlink():
        with pytest.raises(CamelsError, match="no plain file"), run_lock(tmp_path):
            pass


# ---- features

def torn(data):
    return data[:len(data)//2]


@pytest.mark.parametrize(
    "harm",
    [
        torn,
        lambda d: d[:200],
        lambda d: b"",
        lambda d: b"<html>"*40,
        lambda d: d.replace(b"<f4", b"|O8", 1),
        lambda d: flip(d, len(d)//2),
    ],
)
def test_a_spoilt_npz_is_one_line(tmp_path, mine, monkeypatch, capsys, harm):
    np.savez(f := tmp_path/"mine.npz", **mine)
    f.write_bytes(harm(f.read_bytes()))
    assert (
        "mine.npz" in line(monkeypatch, capsys, "train", "--features", f, "--out", tmp_path/"run")
        and not (tmp_path/"run").exists()
    )


def test_other_files_called_npz(tmp_path, mine):
    np.save(tmp_path/"a.npy", mine["face"])
    (tmp_path/"a.npy").rename(tmp_path/"a.npz")
    with zipfile.ZipFile(tmp_path/"b.npz", "w") as z:
        for k, v in mine.items():
            b = io.BytesIO()
            np.save(b, v)
            data = b.getvalue()
            z.writestr(
                f"{k}.npy",
                data.replace(b"(60, 16)", b"(9**9,1)", 1).replace(b"(60, 8)", b"(10**15,)"[:7], 1)
                if k == "face"
                else data,
            )
    os.mkfifo(tmp_path/"c.npz")
    (tmp_path/"d.npz").mkdir()
    np.savez(tmp_path/"e.npz", ids=np.array("one"), split=np.array("train"))
    for n in "abcde":
        with pytest.raises(CamelsError) as e:
            as_features(tmp_path/f"{n}.npz")
        assert f"{n}.npz" in str(e.value) and "\n" not in str(e.value)


def write_parquet(path, mine, **changes):
    import pyarrow as pa
    import pyarrow.parquet as pq
    pq.write_table(
        pa.table({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in {**mine, **changes}.items()}), path
    )
    return path


def test_rows_of_other_lengths_are_named(tmp_path, mine):
    rows = mine["face"].tolist()
    rows[5] = rows[5][:3]
    with pytest.raises(CamelsError, match=r"r.parquet, column 'face': row 5 has 3 numbers where others have 16"):
        as_features(write_parquet(tmp_path/"r.parquet", mine, face=rows))
    rows[5] = []
    with pytest.raises(CamelsError, match="row 5 has 0 numbers"):
        as_features(write_parquet(tmp_path/"r.parquet", mine, face=rows))
    with pytest.raises(CamelsError, match="rows of different lengths"):
        as_features({**mine, "face": rows})


def test_a_null_row_is_masked(tmp_path, mine):
    rows = mine["face"].tolist()
    rows[5] = rows[50] = None
    fs = as_features(write_parquet(tmp_path/"n.parquet", mine, face=rows))
    assert np.flatnonzero(~fs.mask["face"]).tolist() == [5, 50] and not fs.x["face"][5].any() and fs.mask["voice"].all()
    fs = as_features(write_parquet(tmp_path/"n.parquet", {"face_mask": np.arange(60) != 7, **mine}, face=rows))
    assert np.flatnonzero(~fs.mask["face"]).tolist() == [5, 7, 50]
    rows[6] = [None]*16
    with pytest.raises(CamelsError, match="1 rows of 'face' hold NaN or infinity, the first is row 6"):
        as_features(write_parquet(tmp_path/"n.parquet", mine, face=rows))


def test_columns_of_any_type(tmp_path, mine):
    import datetime
    from decimal import Decimal
    when, price = [datetime.datetime(2020, 1, 1)]*60, [Decimal("1.50")]*60
    fs = as_features(
        write_parquet(
            tmp_path/"t.parquet",
            mine,
            when=when,
            price=price,
            start_s=price,
            face=[[Decimal(i), Decimal(2)] for i in range(60)],
        )
    )
    assert fs.ids["when"][0].startswith("2020") and fs.ids["start_s"][0] == 1.5 and fs.x["face"][7].tolist() == [7, 2]
    train(fs, tmp_path/"run", TINY, progress=False)      # and what was kept of them can be written
    for bad in (
        dict(face=[["a"]]*60),
        dict(start_s=["soon"]*60),
        dict(more=[{"a": 1}]*60),
        dict(face=[[[1.]]]*60),
        dict(start_s=[float("nan")]*60),
    ):
        with pytest.raises(CamelsError, match="t.parquet"):
            as_features(write_parquet(tmp_path/"t.parquet", mine, **bad))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b"<html></html>", os.urandom(300)])
def test_what_is_no_parquet_is_one_line(tmp_path, monkeypatch, capsys, data):
    (f := tmp_path/"page.parquet").write_bytes(data)
    assert "page.parquet" in line(monkeypatch, capsys, "train", "--features", f, "--out", tmp_path/"run")


@pytest.mark.parametrize(
    "case, words",
    [
        ("14_cut_npz/cut.npz", ["cut.npz", "whole .npz"]),
        ("15_ragged_parquet/ragged.parquet", ["ragged.parquet", "'face'", "row 5 has 3 numbers where others have 16"]),
        ("26_wrong_hints/notrain.npz", ["notrain.npz", "'train'"]),
        ("34_not_parquet/page.parquet", ["page.parquet"]),
    ],
)
def test_shared_cases(tmp_path, monkeypatch, capsys, case, words):
    if not (CASES/case).exists():
        pytest.skip("the shared cases are not here")
    said = line(monkeypatch, capsys, "train", "--features", CASES/case, "--out", tmp_path/"run")
    assert all(w in said for w in words), said
    assert not (tmp_path/"run").exists()


def test_shared_case_of_a_null_row():
    if not (CASES/"33_null_row_parquet").exists():
        pytest.skip("the shared cases are not here")
    assert np.flatnonzero(~as_features(CASES/"33_null_row_parquet"/"nullrow.parquet").mask["face"]).tolist() == [5]


NAMES = ["x.y", "forward", "", "training", "__class__", "~a", "_modules", "é b", "half \udcff"]

def test_modalities_of_any_name(tmp_path):
    from camels.latent.space import LatentSpace
    rng = np.random.default_rng(0)
    d = dict(
        ids=[f"t{i//4}" for i in range(60)],
        split=["train"]*40 + ["valid"]*10 + ["test"]*10,
        **{m: rng.normal(size=(60, 4)) for m in NAMES},
    )
    run = train(
        d, tmp_path/"run", TINY | dict(epochs_b=0, epochs_c=0, live_every=0), progress=False
    )
    assert set(LatentSpace.from_pretrained(run.path).modalities) == {*NAMES[:-1], "half \\xff"}
    for odd in ("group", "phones", "__metadata__"):
        with pytest.raises(CamelsError, match="cannot be called"):
            as_features({**d, odd: d["x.y"]})


# ---- numbers

HUGE = [
    ("threads", 1_000_000),
    ("threads", -1),
    ("pool", 0),
    ("pool", 1),
    ("dropout", 1.5),
    ("dropout", 1),
    ("seed", 10**29),
    ("seed", -1),
    ("d_latent", 10**10),
    ("d_latent", 0),
    ("weight_decay", 1e10),
    ("lr", 1e9),
    ("lr", "nan"),
    ("epochs_a", "9"*6000),
    ("batch", "["*100_000),
    ("batch", 10**12),
    ("hidden", 10**6),
    ("hidden_dense", 0),
    ("checkpoint_s", 1e30),
    ("device", "cpu:x"),
    ("device", "cuda:99"),
    ("amp", "none:1"),
    ("lr", "none"),
    ("keep", 0),
]

@pytest.mark.parametrize("key, value", HUGE, ids=lambda o: str(o)[:12])
def test_numbers_have_bounds(tmp_path, mine, monkeypatch, capsys, key, value):
    np.savez(f := tmp_path/"mine.npz", **mine)
    said = line(monkeypatch, capsys, "train", "--features", f, "--out", tmp_path/"run", f"{key}={value}")
    assert key in said and len(said) < 300 and not (tmp_path/"run").exists()


def test_the_range_is_named_and_all_defaults_are_in_it():
    from camels.recipes.text.corpus import TextConfig
    from camels.recipes.phones.corpus import PhonesConfig
    from camels.recipes.v3.config import V3Config, checked_v3
    with pytest.raises(CamelsError, match="from 0 to 1 .not included."):
        configure(TrainConfig(), {"dropout": 1.5})
    checked(TrainConfig())
    checked_v3(V3Config())
    for cfg in (TrainConfig(), V3Config(), TextConfig(), PhonesConfig()):
        for k, v in vars(cfg).items():
            in_range(k, v)
        with pytest.raises(CamelsError, match="from 0 to"):
            configure(cfg, {"threads": 10**6})


def test_eval_and_encode_bounds(tmp_path, monkeypatch, capsys):
    assert "--pool" in line(monkeypatch, capsys, "eval", tmp_path, "--features", "x.npz", "--pool", 0)
    assert "--jobs" in line(monkeypatch, capsys, "encode", "x.wav", "--out", tmp_path/"t.lance", "--jobs", 10**6)
    assert "hop" in line(monkeypatch, capsys, "encode", "x.wav", "--out", tmp_path/"t.lance", "--hop-s", "nan")
    assert "range" in line(monkeypatch, capsys, "targets", "--out", tmp_path/"t", "--jobs", 10**6)


def test_weights_that_are_not_finite_are_no_model(tmp_path):
    from camels.latent.curriculum import make_latent
    latent = make_latent(TrainConfig(d_latent=16), toy_features(80, d=8))
    latent.partners.guess.out.weight.data[0, 0] = float("nan")
    with pytest.raises(CamelsError, match="not finite"):
        latent.save_pretrained(tmp_path/"model")
    assert not (tmp_path/"model").exists()


# ---- run folders

ODD_RECORDS = [
    "",
    "null",
    "[]",
    "3",
    '"x"',
    "{",
    "["*100_000,
    '{"a":'*5000,
    "\x00\x01",
    '{"threads": 0}',
    '{"threads": "two"}',
    '{"threads": 100000000}',
    '{"config": null}',
    '{"config": {"lr": "x"}}',
    '{"config": {"nope": 1}}',
    '{"changes": "all"}',
    '{"changes": [3]}',
    '{"changes": [{"id": "a", "step": "7", "set": {}}]}',
    '{"changes": [{"id": ["a"], "step": 7, "set": {}}]}',
    '{"changes": [{"id": "a", "step": 7, "set": {"w_nce": "x"}}]}',
    '{"changes": [{"id": "a", "step": 7, "set": {"lr": 1}}, {"id": "b", "step": 7, "set": {"nope": 1}}]}',
    '{"data": []}',
    '{"features": 3}',
    '{"seed": 1' + "0"*5000 + "}",
    '{"kind": ["v3"]}',
    '{"features": "\\ud800"}',
]

@pytest.mark.parametrize("text", ODD_RECORDS, ids=range(len(ODD_RECORDS)))
def test_a_record_of_any_content(run, tmp_path, monkeypatch, capsys, text):
    from camels.train.watch import RunView, weights_now
    (run/"run.json").write_text(text)
    v = RunView(run.path).refresh()
    assert isinstance(v.words, str) and isinstance(weights_now(v), dict) and isinstance(v.can, set)
    said = line(monkeypatch, capsys, "train", "--resume", run.path)
    assert str(run.path) in said or "features" in said, said


def test_a_bad_neighbour_is_shown_as_such(run):
    from camels.apps.training import TrainingApp
    from camels.train.watch import RunView
    odd = run.path.parent/"odd"
    odd.mkdir()
    (odd/"run.json").write_text(
        '{"kind": "curriculum", "config": {}, "changes": [{"id": "a", "step": "7", "set": {"w_nce": 1}}]}'
    )
    (odd/"metrics.jsonl").write_text('{"step": "x", "loss": 1}\n[]\n{"epoch": [], "loss": 2}\n')
    (odd/"health.jsonl").write_text('{"step": {}, "state": ["paused"]}\n')
    assert "cannot be read" in RunView(odd).refresh().words
    app = TrainingApp(run=[str(run.path), str(odd)])
    app.tick()
    assert "look failed" not in app.state.status


ODD_LINES = [
    '{"id": ["l"], "set": {}}',
    '{"id": {"a": 1}, "do": "stop"}',
    '{"id": 3, "do": "stop"}',
    '{"id": "a", "do": ["stop"]}',
    '{"id": "b", "set": 3}',
    '{"id": "c", "set": {"w_nce": {"x": 1}}}',
    '{"id": "d", "set": {"w_nce": 1e999}}',
    '{"id": "e", "set": {"w_nce.x": 1}}',
    '{"id": "f", "set": {"": 1}}',
    '{"id": "g", "set": {"w_nce": null}}',
    '{"id": "\\ud800", "set": {"w_nce": 1}}',
    "[]",
    "null",
    "3",
    "["*100_000,
    "9"*6000,
    "\x00",
    '{"id": "h", "set": {"w_nce": [1]}}',
]

@pytest.mark.parametrize("kind", ["curriculum", "v3"])
def test_no_line_ends_a_running_training(tmp_path, kind):
    from camels.latent.steer import SteerCB
    from camels.recipes.v3.config import V3Config
    from camels.recipes.v3.train import V3SteerCB
    run = RunFolder.create(tmp_path, {}, kind=kind)
    control = SteerCB(run, TrainConfig()) if kind == "curriculum" else V3SteerCB(run, V3Config())
    control.fixed["stage"] = "A" if kind == "curriculum" else "V2"
    with (tmp_path/"control.jsonl").open("wb") as f:
        f.write("\n".join(ODD_LINES).encode() + b'\n\xff\xfe\n{"id": "z", "set": {"w_nce": 0.5}}\n')
    assert control.look() == "" and control.take([], 4)
    changes = read_record(tmp_path)["changes"]
    assert [c["id"] for c in changes if "set" in c][-1:] == (["z"] if kind == "curriculum" else []) or kind == "v3"
    assert all(("set" in c) != ("refused" in c) for c in changes)


# ---- a refused start

REFUSED = [
    dict(face_mask=np.zeros(60, bool)),
    dict(split=np.array(["train"] + ["test"]*59)),
    dict(face=np.zeros((60, 0), np.float32)),
    dict(start_s=np.array(["x"]*60)),
]

@pytest.mark.parametrize("changes", REFUSED, ids=lambda d: next(iter(d)))
def test_a_refused_start_leaves_its_place_free(tmp_path, mine, changes):
    with pytest.raises(CamelsError):
        train({**mine, **changes}, tmp_path/"run", TINY, progress=False)
    assert not (tmp_path/"run").exists()
    assert "finished" in train(mine, tmp_path/"run", TINY | dict(epochs_b=0, epochs_c=0), progress=False).info


@pytest.mark.parametrize(
    "words",
    [["nope=1"], ["dropout=1.5"], ["--speakers", "1"], ["--minutes", "nan"], ["--seed", "-1"], ["--jobs", "100000"]],
)
def test_the_demo_looks_at_every_key_first(tmp_path, monkeypatch, capsys, words):
    import camels.recipes.demo as module
    monkeypatch.setattr(module, "write_studio", lambda *a, **kw: pytest.fail("the corpus was begun"))
    line(monkeypatch, capsys, "demo", "--out", tmp_path/"run", "--no-serve", *words)


# ---- targets

def alive(pid)->bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_of_targets_end_with_their_parent(tmp_path, how):
    import psutil
    p = subprocess.Popen(
        [sys.executable, "-m", "camels.cli", "targets", "--out", str(tmp_path/"t"), "--turns", "2000", "--jobs", "2"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        end, parent, workers = time.time() + 60, psutil.Process(p.pid), []
        while len(workers) < 2 and time.time() < end:
            time.sleep(.1)
            workers = [c.pid for c in parent.children() if "spawn_main" in " ".join(c.cmdline())]
        assert len(workers) >= 2
        from camels.recipes.v3.targets import folder_lock
        with pytest.raises(CamelsError, match="another process"), folder_lock(tmp_path/"t"):
            pass
        if how == signal.SIGINT:
            os.killpg(p.pid, how)
        else:
            p.kill()
        said = p.communicate(timeout=20)[1]
        while any(map(alive, workers)) and time.time() < end:
            time.sleep(.1)
        assert not any(map(alive, workers))
        if how == signal.SIGINT:
            assert p.returncode == 130 and said.strip().splitlines() == ["stopped; what is already written stays"]
    finally:
        if p.poll() is None:
            p.kill()


def test_targets_of_any_content(tmp_path):
    from camels.recipes.v3.targets import Targets, save_shard
    triples = [(np.zeros((4, 141)), np.zeros((4, 19)), np.zeros((4, 52)))]
    save_shard(tmp_path, 0, triples, [dict(turn=0, take=0, dialogue="d", split="train", text="x", voice="v")])
    assert len(Targets(tmp_path)[0]) == 3
    index, sound = tmp_path/"index-0000.json", (tmp_path/"index-0000.json").read_text()
    for odd in (
        "",
        "null",
        "[]",
        "{}",
        "3",
        "["*100_000,
        '{"rows": {}}',
        '{"rows": [1]}',
        '{"rows": [{}]}',
        sound.replace('"start": 0', '"start": -1'),
        sound.replace('"start": 0', '"start": "0"'),
        sound.replace('"frames": 4', '"frames": 99'),
        sound.replace('"split": "train"', '"split": ["a"]'),
        sound.replace('"frames": 4', '"frames": 1e400'),
    ):
        index.write_text(odd)
        with pytest.raises(CamelsError) as e:
            Targets(tmp_path)[0]
        assert str(tmp_path) in str(e.value)
    index.write_text(sound)
    f = tmp_path/"features-0000.npy"
    data = f.read_bytes()
    for odd in (
        b"",
        data[:30],
        data[:-9],
        b"\x00"*300,
        data.replace(b"<f2", b"|O8", 1),
        data.replace(b"(4, 141)", b"(141, 4)", 1),
        data[:-2] + b"\x00\x7e",
    ):
        f.write_bytes(odd)
        with pytest.raises(CamelsError) as e:
            Targets(tmp_path)[0]
        assert "features-0000.npy" in str(e.value)
    f.write_bytes(data)
    for odd in ("[]", "{", '{"trust": "all"}', '{"trust": [1, 2]}', '{"trust": [' + "9,"*51 + "9]}"):
        (tmp_path/"plan.json").write_text(odd)
        with pytest.raises(CamelsError, match="plan.json"):
            Targets(tmp_path)


# ---- views of vectors

def test_views_of_spoilt_files(tmp_path, mine):
    from camels.look.views import open_view
    from camels.data.store import lance_path
    import lance
    import pyarrow as pa
    np.savez(tmp_path/"a.npz", **mine)
    np.save(tmp_path/"a.npy", mine["face"])
    write_parquet(tmp_path/"a.parquet", mine)
    for name in ("a.npz", "a.npy", "a.parquet"):
        data = (tmp_path/name).read_bytes()
        for i, odd in enumerate((b"", data[:20], data[:len(data)//2], b"\x00"*500)):
            (f := tmp_path/f"odd{i}{name[1:]}").write_bytes(odd)
            with pytest.raises(CamelsError, match=f.name):
                open_view(f)
    np.save(tmp_path/"text.npy", np.array([["a", "b"]]*3))
    os.mkfifo(tmp_path/"pipe.npy")
    for n in ("text.npy", "pipe.npy"):
        with pytest.raises(CamelsError, match=n):
            open_view(tmp_path/n)
    colon = tmp_path/"talks-12:30.lance"
    lance.write_dataset(
        pa.table({
            "id": pa.array(list("abc")),
            "v": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6, dtype=np.float32)), 2),
        }),
        lance_path(colon),
    )
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert len(open_view("talks-12:30.lance")) == 3
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"row": 3, "clip": []}',
        '{"row": [0], "clip": []}',
        '{"row": ["x"], "clip": ["a"]}',
        '{"row": [0], "clip": ["a"], "start_s": ["soon"]}',
        "["*100_000,
    ],
)
def test_points_of_any_content(run, text):
    from camels.look.views import open_view
    (run/"latents"/"points.json").write_text(text)
    with pytest.raises(CamelsError, match="points.json"):
        open_view(run.path)


# ---- the latent's configuration

@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        3,
        "x",
        {},
        dict(d_latent=-1),
        dict(d_latent=10**10),
        dict(d_latent=16384),
        dict(modalities=[]),
        dict(modalities={"a": None}),
        dict(modalities={"a": {"d_in": -1}}),
        dict(modalities={"a": {"kind": []}}),
        dict(labels=[1]),
        dict(encoders={"a": 3}),
        dict(flow_blocks=10**9),
        dict(flow_hidden=8192),
    ],
    ids=str,
)
def test_a_config_of_any_content(run, change):
    from camels.latent.space import LatentSpace
    f = run/"config.json"
    sound = json.loads(f.read_text())
    f.write_text(json.dumps({**sound, **change} if change and isinstance(change, dict) else change))
    with pytest.raises(CamelsError) as e:
        LatentSpace.from_pretrained(run.path)
    assert str(run.path) in str(e.value) and "\n" not in str(e.value)


def test_a_broken_checkpoint_is_an_error_of_its_own(tmp_path):
    (tmp_path/"a").mkdir()
    with pytest.raises(BrokenCheckpoint):
        load_state(tmp_path/"a")
