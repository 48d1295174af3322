"""The small campaign: damaged files against their readers (a value or one line, never else), and the campaigns' own
counting. All in this process but where said."""
import contextlib
import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camels.bench.faults import calls, core, damage, kills, media, spoil
from camels.core import CamelsError
from camels.latent.row import as_dict

ROOT = Path(__file__).resolve().parent.parent
QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "Good files of the quick readers, and a recording."
    d = tmp_path_factory.mktemp("samples")
    import pyarrow as pa
    import pyarrow.parquet as pq
    from camels.face.arkit import write_livelink
    from camels.face.anchors import anchors, save_presets
    from camels.media.write import write_audio
    kills.do_features(str(d/"npz.npz"), 40)
    arrays = dict(np.load(d/"npz.npz"))
    pq.write_table(pa.table({k: list(v) if v.ndim == 2 else v for k, v in arrays.items()}), d/"parquet.parquet")
    save_presets(d/"presets.json", {k: anchors()[k][1] for k in anchors().ids[:2]})
    (d/"manifest.jsonl").write_text(
        "".join(
            json.dumps(dict(id=f"c{i}", path=f"c{i}.wav", speaker="s", start_s=0, end_s=2)) + "\n" for i in range(3)
        )
    )
    write_livelink(d/"csv.csv", np.random.default_rng(0).uniform(0, 1, (6, 52)).astype(np.float32), fps=30)
    np.savez(
        d/"npz_view.npz",
        vectors=np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32),
        clip=np.array([f"c{i}" for i in range(20)]),
    )
    from safetensors.numpy import save_file
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.ones(4, np.float32)}, d/"weights.safetensors")
    write_audio(d/"sound.wav", (.3*np.sin(np.arange(24000)*.05)).astype(np.float32), 16000)
    return d

def read_spoilt(kind, home, tmp_path, monkeypatch, seed):
    "What `do_read` says of a spoilt copy, run here."
    work = tmp_path/f"{kind}{seed}"
    if not work.exists():
        work.mkdir()
        monkeypatch.chdir(work)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return spoil.do_read(kind, str(spoil.sample_of(kind, home)), seed)

@pytest.mark.parametrize("kind", ["npz", "parquet", "presets", "manifest", "csv", "npz_view", "weights"])
def test_a_spoilt_file_is_read_or_refused(kind, home, tmp_path, monkeypatch):
    @QUICK
    @given(st.integers(0, 10**9))
    def holds(seed):
        read_spoilt(kind, home, tmp_path, monkeypatch, seed)
    holds()

@QUICK
@given(st.integers(0, 10**6), st.sampled_from(["wav", "mp3", "noise"]))
def test_a_damaged_recording_is_read_or_refused(home, tmp_path, seed, kind):
    from camels.media.read import probe
    from camels.media.sound import read_audio
    name, data = damage.damaged(
        (home/"sound.wav").read_bytes() if kind != "noise" else random.Random(seed).randbytes(400), seed
    )
    path = tmp_path/f"{name}.{kind if kind != 'noise' else 'wav'}"
    path.write_bytes(data)
    with contextlib.suppress(CamelsError):
        probe(path)
        assert np.isfinite(read_audio(path, 16000, end_s=10.)).all()

@QUICK
@given(st.text(max_size=200))
def test_any_text_is_a_manifest_presets_or_csv_or_is_refused(tmp_path, text):
    from camels.face.arkit import read_livelink
    from camels.face.anchors import read_presets
    from camels.media.clips import read_clips
    for name, read in (("a.jsonl", read_clips), ("a.json", read_presets), ("a.csv", read_livelink)):
        (tmp_path/name).write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        with contextlib.suppress(CamelsError):
            read(tmp_path/name)

# the campaigns count rightly: planted faults are seen

def test_a_reader_that_raises_is_a_failure(home, tmp_path, monkeypatch):
    "Old readers, in short: the property above would be red for them."
    monkeypatch.setitem(spoil.READERS, "presets", "json:loads")
    with pytest.raises(Exception) as e:
        for seed in range(5):
            read_spoilt("presets", home, tmp_path, monkeypatch, seed)
    assert not isinstance(e.value, (CamelsError, OSError))

def test_a_message_of_many_lines_is_a_failure(home, tmp_path, monkeypatch):
    def reader(path):
        raise CamelsError("one\ntwo", path)
    monkeypatch.setattr(spoil, "read_checkpoint", reader)
    monkeypatch.setitem(spoil.READERS, "presets", "camels.bench.faults.spoil:read_checkpoint")
    with pytest.raises(RuntimeError, match="many lines"):
        read_spoilt("presets", home, tmp_path, monkeypatch, 1)

def test_damage_is_the_same_for_the_same_seed():
    data = bytes(range(256))*40
    assert [damage.damaged(data, s) for s in range(40)] == [damage.damaged(data, s) for s in range(40)]
    assert len({damage.damaged(data, s)[1] for s in range(42)}) > 30

@pytest.mark.parametrize("how, sign", [("raise", "ValueError: odd"), ("die", "signal 11"), ("hang", "time")])
def test_a_call_that_ends_badly_is_told_apart(caller, how, sign):
    e = caller("do_nothing", how, limit_s=.5)
    assert e.is_crash and sign in e.sign

def test_a_call_that_ends_well_gives_its_value(caller):
    assert (e := caller("do_nothing", "value")).value == "value" and not e.is_crash

def test_a_refusal_is_no_crash(caller):
    e = caller("do_camels", ["compile", "--emotion", "joyy"])
    assert not e.is_crash and e.code == 2 and e.err.startswith("camels:") and e.err.count("\n") == 1

@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    "One helper process for this file: the modules it imports take some seconds."
    c = calls.Caller(tmp_path_factory.mktemp("caller"))
    yield c
    c.close()

def test_a_lost_row_is_seen(tmp_path):
    "`kill_once` compares what was left: a job that leaves something else is counted as lost."
    class Fake:
        def __call__(self, name, *args, **kw):
            return calls.Ended(-9, .1, "killed") if kw.get("kill_s") is not None else calls.Ended(0, .1, value="other")
    job = kills.Job("fake", lambda f: [], lambda f: [], "do_file_result", "x")
    assert kills.kill_once(Fake(), job, tmp_path/"k", .5, 1., False) == (True, "other")

def test_rows_have_the_shape_that_others_build_on():
    row = as_dict(core.fault_row("faults.kill.lost", calls.Tally(40), "lost"))
    assert [*row] == [
        "id", "what", "value", "unit", "ci", "null", "null_name", "peer", "peer_name", "ratio", "goal", "met",
    ]
    assert (row["value"], row["goal"], row["met"]) == (0, "= 0", True) and "of 40 tried" in row["what"]
    skipped = core.fault_row("faults.disk.lost", calls.Tally(skipped="only root may mount"), "lost")
    assert skipped.value is None and skipped.met is None and "skipped" in skipped.what

def test_the_budget_is_ten_minutes():
    assert sum(core.BUDGET_S.values()) <= 600

@pytest.mark.parametrize("data", [b"", b"x", b"RIFF", bytes(9)])
def test_hardly_any_bytes_can_be_damaged_too(data):
    assert all(isinstance(damage.damaged(data, s)[1], bytes) for s in range(60))

def test_odd_names_are_known_by_their_token():
    assert [media.token(n) for n in ("s100_bad\\xff.wav", "/a/b/m012_x.mp4", "x", "", "/a.b/s1017")] == [
        "s100",
        "m012",
        "",
        "",
        "s1017",
    ]

def test_notes_of_the_report_count_as_lines():
    e = calls.Ended(0, 1., out=json.dumps(dict(notes=[dict(input="/x/m003_a.wav", note="cut")])))
    assert media.said_of(e, {})["m003"][0]["stage"] == "note"
    assert media.said_of(calls.Ended(1, 1., out="no json"), {}) == {}


def test_times_that_are_no_numbers_are_named():
    from camels.look.views import moment_keys
    with pytest.raises(CamelsError, match="times that are no numbers"):
        moment_keys(dict(clip=["a", "b"], start_s=["text", "1"]))
    assert moment_keys(dict(clip=["a", "b"], start_s=["0.5", 2])).tolist() == ["a@0.5", "b@2"]
