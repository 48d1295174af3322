"Faults of names, folders, tables and batches: each is one line or a mask, nothing is lost, doubled or silently wrong."
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

import camels.data.encode as encoding
import camels.media.sound as encoding_sound
import camels.media.read as encoding_read
import camels.data.clips as encoding_clips
import camels.media.read
import camels.data.digests as digests
import camels.data.rows as rows_of
import camels.data.streams as streams
import camels.data.table as store
from camels.core import CamelsError
from camels.data.clips import MEDIA, clips_from, find_clips
from camels.media.clips import Clip
from camels.data.encode import encode, only_writer
from camels.data.errors import add_error, write_errors
from camels.media.write import write_audio, write_video
from camels.data.store import versions_of
from camels.data.table import FeatureTable, TableWriter, tidy
from camels.data.features import load_features

SR = 16000
PROSODY = dict(video="none", phoneme="none")
cases = Path(__file__).resolve().parent.parent.parent/"shared"/"cases"


def voice(seconds, hz=130):
    t = np.arange(int(seconds*SR))/SR
    return (.3*np.sign(np.sin(2*np.pi*hz*t))*np.sin(2*np.pi*2*t)**2).astype(np.float32)


def put(path, seconds=3., hz=130):
    "A WAV file of a buzzing voice, under any name."
    os.makedirs(os.path.dirname(os.fsencode(path)), exist_ok=True)
    with open(path, "wb") as f:
        soundfile.write(f, voice(seconds, hz), SR, format="WAV", subtype="PCM_16")
    return path


def move(path, ending, to):
    "The same sound in another container."
    write_audio(to.with_suffix(".wav"), voice(3), SR)
    with av.open(str(to.with_suffix(".wav"))) as a, av.open(str(to), "w", format=ending) as b:
        s = b.add_stream("aac" if ending != "aiff" else "pcm_s16be", rate=SR, layout="mono")
        for f in a.decode(audio=0):
            b.mux(s.encode(f))
        b.mux(s.encode(None))
    to.with_suffix(".wav").unlink()
    return to


def go(inputs, out, **kw):
    return encode([inputs] if isinstance(inputs, (str, Path)) else inputs, out, **{"names": PROSODY, "jobs": 1, **kw})


def table(path):
    return FeatureTable.open(path).ds.to_table()


def command(*args, cwd=None, **kw):
    p = subprocess.run([sys.executable, "-m", "camels.cli", *args], capture_output=True, cwd=cwd, **kw)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


# Names

ODD = [
    b"caf\xe9.wav",
    b"\xff\xfe.wav",
    b"new\nline.wav",
    b"esc\x1b[2J.wav",
    "übung ﷽.wav".encode(),
    b"it's.wav",
    b'say "x" %20 #1?.wav',
    b"-dash.wav",
]


def test_names_of_any_bytes_are_encoded(tmp_path):
    for n in ODD:
        put(os.path.join(os.fsencode(tmp_path), b"in", n))
    lines = []
    rep = go(tmp_path/"in", tmp_path/"t.lance", tell=lines.append)
    assert (rep.clips, rep.errors) == (len(ODD), [])
    again = go(tmp_path/"in", tmp_path/"t.lance")
    assert (again.skipped, again.clips, again.errors) == (len(ODD), 0, [])
    fs = load_features(tmp_path/"t.lance")
    assert len(fs) == 2*len(ODD) and "caf\\xe9.wav" in fs.ids["clip"]
    for s in fs.ids["source"]:
        s.encode()   # text that UTF-8 can hold


def test_the_table_leads_back_to_a_file_of_odd_bytes(tmp_path):
    from camels.look.views import media_of, open_view
    put(os.path.join(os.fsencode(tmp_path), b"in", b"caf\xe9.wav"))
    go(tmp_path/"in", tmp_path/"t.lance")
    assert media_of(open_view(tmp_path/"t.lance"), 0)[0].is_file()


def test_odd_names_reach_no_terminal_raw(tmp_path):
    d = os.path.join(os.fsencode(tmp_path), b"in")
    for n in ODD:
        put(os.path.join(d, n))
    for n in (b"\x1b[2Jbad.wav", b"b\xe9d.wav"):
        open(os.path.join(d, n), "wb").write(b"not sound at all")
    code, out, err = command(
        "encode",
        str(tmp_path/"in"),
        "--out",
        str(tmp_path/"t.lance"),
        "--jobs",
        "1",
        "--video",
        "none",
        "--phoneme",
        "none",
        "--json",
    )
    assert code == 2 and "Traceback" not in err and "\x1b[2J" not in err + out
    assert len(err.strip().splitlines()) == 2, err
    assert json.loads(out)["clips"] == len(ODD)
    assert len((tmp_path/"errors.jsonl").read_text().splitlines()) == 2


def test_loops_and_names_that_cannot_be_are_one_line(tmp_path):
    put(tmp_path/"in"/"good.wav")
    os.symlink("loop.wav", tmp_path/"in"/"loop.wav")
    os.symlink("b", tmp_path/"in"/"a")
    os.symlink("a", tmp_path/"in"/"b")
    os.symlink("nowhere.wav", tmp_path/"in"/"gone.wav")
    rep = go(tmp_path/"in", tmp_path/"t.lance")
    assert rep.clips == 1 and sorted(Path(e["input"]).name for e in rep.errors) == ["gone.wav", "loop.wav"]
    rows = [
        dict(id="nul", path="in/a\0b.wav"),
        dict(id="half", path="in/\ud800.wav"),
        dict(id="odd\udcff", path="in/good.wav"),
        dict(id="long", path="x"*5000 + ".wav"),
    ]
    (tmp_path/"clips.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    rep = go(tmp_path/"clips.jsonl", tmp_path/"u.lance")
    assert rep.clips == 1 and len(rep.errors) == 3
    assert all(len(e["error"]) < 200 and "Error" not in e["error"] for e in rep.errors), rep.errors


def test_one_input_that_is_not_there_stops_nothing(tmp_path):
    put(tmp_path/"good.wav")
    rep = go([tmp_path/"nowhere.wav", tmp_path/"good.wav", "no\0name"], tmp_path/"t.lance")
    assert rep.clips == 1 and len(rep.errors) == 2
    with pytest.raises(CamelsError, match="no such file"):
        go(tmp_path/"nowhere.wav", tmp_path/"u.lance")


def test_one_bad_alignment_is_one_line(tmp_path):
    for n in "ab":
        put(tmp_path/"s1"/f"{n}.wav")
    (tmp_path/"s1"/"a.align").write_bytes(b"0 17750 caf\xe9\n")
    (tmp_path/"s1"/"b.align").write_text("0 17750 bin\n")
    clips, passed = find_clips([tmp_path/"s1"])
    assert [c.transcript for c in clips] == ["bin"] and len(passed.errors) == 1 and not passed.files


# Folders

def test_what_a_folder_holds_is_taken_or_told(tmp_path):
    d = tmp_path/"in"
    put(d/"a.wav")
    move(d, "aiff", d/"b.AIFF")
    move(d, "mp4", d/"noending")
    move(d, "mp4", d/"strange.xyz")
    (d/"notes.txt").write_text("hello")
    (d/"data.unknown").write_bytes(bytes(1000))
    (d/"empty").touch()
    os.mkfifo(d/"pipe")
    os.symlink("/proc/kmsg", d/"kernel")
    lines = []
    rep = go(d, tmp_path/"t.lance", tell=lines.append)
    assert (rep.clips, rep.errors) == (4, [])
    assert sorted(Path(f).name for f in rep.passed) == ["data.unknown", "empty", "kernel", "notes.txt", "pipe"]
    assert lines == ["passed over 5 files that are no recordings: data.unknown, empty, kernel, …"]


def test_linked_folders_are_entered_once(tmp_path):
    put(tmp_path/"there"/"a.wav")
    (tmp_path/"in"/"sub").mkdir(parents=True)
    (tmp_path/"in"/"linked").symlink_to(tmp_path/"there")
    (tmp_path/"in"/"sub"/"up").symlink_to(tmp_path/"in")
    assert [c.id for c in clips_from([tmp_path/"in"])] == ["linked/a.wav"]


def test_a_table_and_its_folder_can_be_one(tmp_path):
    put(tmp_path/"a.wav")
    for _ in range(2):
        rep = go(tmp_path, tmp_path/"t.lance")
    assert (rep.skipped, rep.errors, rep.passed) == (1, [], [])


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path, monkeypatch):
    put(tmp_path/"in"/"a.wav")
    (tmp_path/"in"/"locked").mkdir()
    was = os.scandir
    def scandir(p):
        if str(p).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(p))
        return was(p)
    monkeypatch.setattr(os, "scandir", scandir)
    clips, passed = find_clips([tmp_path/"in"])
    assert [c.id for c in clips] == ["a.wav"] and [e["error"] for e in passed.errors] == [
        "cannot be listed (permission denied)"
    ]


@pytest.mark.parametrize("ending", "aiff aif caf wma amr mka mts m2ts vob ogv oga spx au w64 rf64 aifc wmv".split())
def test_endings_of_recordings(ending):
    assert f".{ending}" in MEDIA


def test_pipes_and_devices_are_never_opened(tmp_path):
    os.mkfifo(tmp_path/"pipe.wav")
    for n, to in (("kmsg", "/proc/kmsg"), ("zero", "/dev/zero"), ("self", "/proc/self/status")):
        os.symlink(to, tmp_path/f"{n}.wav")
    put(tmp_path/"good.wav")
    rep = go(tmp_path, tmp_path/"t.lance")   # a pipe that is opened waits for ever, and a device never ends
    assert rep.clips == 1 and len(rep.errors) == 4
    assert {e["error"] for e in rep.errors} == {"not a plain file"}


# Ids and resuming

def test_a_neighbour_changes_no_id_and_no_row(tmp_path):
    put(tmp_path/"in"/"talk.wav")
    go(tmp_path/"in", tmp_path/"t.lance")
    move(tmp_path, "mp4", tmp_path/"talk.m4a").rename(tmp_path/"in"/"talk.m4a")
    rep = go(tmp_path/"in", tmp_path/"t.lance")
    assert (rep.clips, rep.skipped, rep.errors) == (1, 1, [])
    ids = {Path(s).name: c for c, s in zip(*(table(tmp_path/"t.lance")[k].to_pylist() for k in ("clip", "source")))}
    assert (
        ids
        == {"talk.wav": "talk.wav", "talk.m4a": "talk.m4a"}
        == {Path(c.path).name: c.id for c in clips_from([tmp_path/"in"])}
    )


def test_a_recording_is_in_once_whatever_it_is_called(tmp_path, monkeypatch):
    put(tmp_path/"in"/"talk.wav")
    go(tmp_path/"in", tmp_path/"t.lance")
    (tmp_path/"clips.jsonl").write_text(json.dumps(dict(id="other", path="in/talk.wav")) + "\n")
    os.symlink("talk.wav", tmp_path/"in"/"same.wav")
    monkeypatch.chdir(tmp_path)
    for inputs in (tmp_path/"clips.jsonl", tmp_path, "in", "in/talk.wav", tmp_path/"in"/"same.wav"):
        rep = go(inputs, tmp_path/"t.lance")
        assert (rep.clips, rep.skipped, rep.errors) == (0, 1, []), inputs
    assert len(FeatureTable.open(tmp_path/"t.lance")) == 2


def test_two_folders_with_one_name_stay_apart(tmp_path):
    for d in "ab":
        put(tmp_path/d/"talk.wav", hz=100 + 50*(d == "b"))
    go(tmp_path/"a", tmp_path/"t.lance")
    rep = go([tmp_path/"b"], tmp_path/"t.lance")
    assert (rep.clips, rep.errors) == (1, [])
    rep = go([tmp_path/"b", tmp_path/"a"], tmp_path/"t.lance")
    assert (rep.clips, rep.skipped, rep.errors) == (0, 2, []) and len(FeatureTable.open(tmp_path/"t.lance")) == 4


def test_stretches_of_one_file_are_clips_of_their_own(tmp_path):
    put(tmp_path/"a.wav", 8)
    rows = [dict(id=f"s{i}", path="a.wav", start_s=s, end_s=e) for i, (s, e) in enumerate([(0, 3), (0, 5), (3, 6)])]
    (tmp_path/"c.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert go(tmp_path/"c.jsonl", tmp_path/"t.lance").windows == 2 + 4 + 2
    rep = go([tmp_path/"a.wav", tmp_path/"c.jsonl"], tmp_path/"t.lance")
    assert (rep.clips, rep.skipped, rep.windows) == (1, 3, 7)


def old_table(path, clips, monkeypatch):
    "A table as it was made before marks were kept, with ids without endings."
    with monkeypatch.context() as m:
        m.setattr(rows_of, "MARK_COLUMNS", ())
        m.setattr(encoding, "find_clips", lambda inputs, corpus: (clips, encoding_clips.Passed()))
        go("x", path)
    assert not {*rows_of.MARK_COLUMNS} & {*FeatureTable.open(path).ds.schema.names}


def test_a_table_of_before_is_resumed(tmp_path, monkeypatch):
    put(tmp_path/"in"/"talk.wav")
    old_table(tmp_path/"t.lance", [Clip("talk", str(tmp_path/"in"/"talk.wav"), split="train")], monkeypatch)
    put(tmp_path/"in"/"new.wav", 4)
    rep = go(tmp_path/"in", tmp_path/"t.lance")
    assert (rep.clips, rep.skipped, rep.errors) == (1, 1, [])
    t = table(tmp_path/"t.lance")
    assert t["clip"].to_pylist() == ["talk"]*2 + ["new.wav"]*3 and t["source_digest"].to_pylist()[:2] == [None]*2
    shutil.move(tmp_path/"in", tmp_path/"moved")
    rep = go(tmp_path/"moved", tmp_path/"t.lance")
    assert (rep.clips, rep.skipped, rep.errors) == (0, 2, [])


@pytest.mark.parametrize("after", [1, 3])
def test_a_job_that_was_stopped_ends_as_one_that_was_not(tmp_path, monkeypatch, after):
    "Rows, order, splits and schema; killed processes are in test_encode."
    from camels.bench.core import table_digest
    for i in range(6):
        put(tmp_path/"in"/f"{i}.wav")
    go(tmp_path/"in", tmp_path/"whole.lance")
    was, done = encoding.Job.event, []
    def event(self, clip, kind, *rest):
        was(self, clip, kind, *rest)
        done.extend([self.commit()]*(kind == "done"))
        if len(done) == after:
            raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(encoding.Job, "event", event)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path/"in", tmp_path/"t.lance")
    assert len(FeatureTable.open(tmp_path/"t.lance").clips()) == after
    go(tmp_path/"in", tmp_path/"t.lance")
    assert table(tmp_path/"t.lance").schema == table(tmp_path/"whole.lance").schema
    assert table_digest(tmp_path/"t.lance") == table_digest(tmp_path/"whole.lance")


# A replaced recording

def test_a_replaced_recording_is_encoded_anew(tmp_path):
    for n in ("a", "talk", "z"):
        put(tmp_path/"in"/f"{n}.wav")
    go(tmp_path/"in", tmp_path/"t.lance")
    was = load_features(tmp_path/"t.lance")
    put(tmp_path/"in"/"talk.wav", 5, hz=220)
    lines = []
    rep = go(tmp_path/"in", tmp_path/"t.lance", tell=lines.append)
    assert (rep.clips, rep.replaced, rep.skipped, rep.errors) == (0, 1, 2, []) and "changed since" in lines[0]
    fs = load_features(tmp_path/"t.lance")
    assert sorted(fs.ids["clip"].tolist()) == ["a.wav"]*2 + ["talk.wav"]*4 + ["z.wav"]*2
    alike = fs.x["prosody"][fs.ids["clip"] == "talk.wav"][:2], was.x["prosody"][was.ids["clip"] == "talk.wav"]
    assert not np.allclose(*alike)
    assert fs.ids["split"][fs.ids["clip"] == "talk.wav"][0] == was.ids["split"][was.ids["clip"] == "talk.wav"][0]
    go(tmp_path/"in", tmp_path/"fresh.lance")
    fresh = load_features(tmp_path/"fresh.lance")
    np.testing.assert_array_equal(
        fs.x["prosody"][fs.ids["clip"] == "talk.wav"], fresh.x["prosody"][fresh.ids["clip"] == "talk.wav"]
    )


def test_content_decides_not_time(tmp_path):
    p = put(tmp_path/"a.wav")
    go(p, tmp_path/"t.lance")
    os.utime(p, (1e9, 1e9))
    assert go(p, tmp_path/"t.lance").skipped == 1                 # touched, the same
    put(p, hz=200)                                                # as long as before
    os.utime(p, (2e9, 2e9))
    assert go(p, tmp_path/"t.lance").replaced == 1
    put(p, 4.)
    p.write_bytes(p.read_bytes()[:1000])
    # replaced by what cannot be read: the rows stay, a line says so
    p.write_bytes(b"no sound")
    rep = go(p, tmp_path/"t.lance")
    assert len(rep.errors) == 1 and len(FeatureTable.open(tmp_path/"t.lance")) == 2


def test_a_kill_between_old_and_new_rows_is_not_possible(tmp_path, monkeypatch):
    put(tmp_path/"a.wav")
    go(tmp_path/"a.wav", tmp_path/"t.lance")
    put(tmp_path/"a.wav", 5)
    import lance
    def full(*a, **kw):
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as m:
        m.setattr(lance.LanceDataset, "commit", staticmethod(full))
        with pytest.raises(CamelsError, match="disk is full"):
            go(tmp_path/"a.wav", tmp_path/"t.lance")
    assert len(FeatureTable.open(tmp_path/"t.lance")) == 2
    assert go(tmp_path/"a.wav", tmp_path/"t.lance").replaced == 1 and len(FeatureTable.open(tmp_path/"t.lance")) == 4


# One bad stream

def fake(monkeypatch, **errors):
    "The readers of media, failing as a damaged stream does."
    for name, e in errors.items():
        def fails(*a, e=e, **kw):
            raise e
        def frames(*a, e=e, **kw):
            raise e
            yield
        monkeypatch.setattr(streams, name, frames if name == "iter_frames" else fails)


def film(path, seconds=3., heard=None):
    rng = np.random.default_rng(0)
    return write_video(
        path,
        (rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(int(25*seconds))),
        25,
        voice(heard or seconds),
        SR,
    )


def masks(path):
    return {m: load_features(path).mask[m].tolist() for m in ("video", "prosody")}


def test_a_damaged_stream_masks_its_modality(tmp_path, monkeypatch):
    p, both = film(tmp_path/"a.mp4"), dict(phoneme="none")
    with monkeypatch.context() as m:
        fake(m, iter_frames=CamelsError("its video stream holds no picture", p))
        rep = go(p, tmp_path/"a.lance", names=both)
    assert rep.errors == [] and masks(tmp_path/"a.lance") == dict(video=[False]*2, prosody=[True]*2)
    assert rep.notes[0]["note"] == "video masked: its video stream holds no picture"
    with monkeypatch.context() as m:
        fake(m, read_audio=CamelsError("samples not finite at 1.00 s", p))
        rep = go(p, tmp_path/"b.lance", names=both)
    assert (
        rep.errors == []
        and masks(tmp_path/"b.lance")["prosody"] == [False]*2
        and "prosody masked" in rep.notes[0]["note"]
    )
    with monkeypatch.context() as m:
        fake(m, read_audio=CamelsError("samples not finite", p), iter_frames=CamelsError("no picture", p))
        rep = go(p, tmp_path/"c.lance", names=both)
    assert len(rep.errors) == 1 and rep.clips == 0
    with monkeypatch.context() as m:
        fake(m, iter_frames=CamelsError("truncated: the header says 3 s", p))
        # a file that was cut short is in doubt as a whole
        assert len(go(p, tmp_path/"d.lance", names=both).errors) == 1


def test_sound_that_stops_in_a_long_video(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "STRETCH_S", 5.)
    p = film(tmp_path/"a.mp4", 20, heard=3)
    rep = go(p, tmp_path/"t.lance", names=dict(video="none"))
    fs = load_features(tmp_path/"t.lance")
    assert rep.errors == [] and len(fs) == 19 and fs.ids["window"].tolist() == list(range(19))
    assert fs.mask["prosody"][:2].all() and not fs.mask["prosody"][5:].any() and not fs.mask["phoneme"][5:].any()


def test_a_clip_after_the_sound(tmp_path):
    film(tmp_path/"v.mp4", 4, heard=1.2)
    rows = [dict(id="first", path="v.mp4", end_s=2.), dict(id="late", path="v.mp4", start_s=2., end_s=3.9)]
    (tmp_path/"c.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    rep = go(tmp_path/"c.jsonl", tmp_path/"t.lance")
    fs = load_features(tmp_path/"t.lance")
    assert rep.clips == 1 and len(rep.errors) == 1               # with sound alone, nothing of the late one is left
    rep = go(tmp_path/"c.jsonl", tmp_path/"u.lance", names=dict(phoneme="none"))
    fs = load_features(tmp_path/"u.lance")
    assert (
        rep.errors == []
        and fs.ids["clip"].tolist() == ["first", "late"]
        and fs.mask["prosody"].tolist() == [True, False]
    )


@pytest.mark.parametrize(
    "case, rows", [("04_camera_off/camera_off.webm", 3), ("05_sound_stops_in_long_video/sound_stops.mp4", 239)]
)
def test_cases_of_one_bad_stream(tmp_path, case, rows):
    if not (cases/case).exists():
        pytest.skip("no cases (../shared/cases)")
    if "camera" in case and not hasattr(camels.media.open, "NoPicture"):
        pytest.skip("the media page does not tell an empty stream yet")
    rep = go(
        cases/case,
        tmp_path/"t.lance",
        names=dict(phoneme="none", **({} if "camera" in case else dict(video="none"))),
    )
    fs = load_features(tmp_path/"t.lance")
    assert rep.errors == [] and len(fs) == rows and fs.mask["prosody"][:2].all() and not fs.mask["prosody"][10:].any()
    if "camera" in case:
        assert not fs.mask["video"].any()


def test_hints_that_can_be_followed(tmp_path):
    soundfile.write(tmp_path/"empty.wav", np.zeros(0), SR)
    [e] = go(tmp_path/"empty.wav", tmp_path/"t.lance").errors
    assert "manifest" not in e["hint"] and "start_s" not in e["hint"] and e["input"].endswith("empty.wav")
    put(tmp_path/"a.wav")
    (tmp_path/"c.jsonl").write_text(json.dumps(dict(id="x", path="a.wav", start_s=9., end_s=12.)) + "\n")
    [e] = go(tmp_path/"c.jsonl", tmp_path/"u.lance").errors
    assert "lasts 3.00 s" in e["error"] and "start_s" in e["hint"]


# Tables: names, making, keeping, damage

@pytest.mark.parametrize(
    "name",
    [
        "talks-12:30.lance", "s3:x", "a?b#c.lance", "50%20.lance", "-t.lance", "~t", "a b\\c.lance", "memory:t",
        "file:t", "übung.lance",
    ],
)
def test_a_path_is_a_path(tmp_path, monkeypatch, name):
    from camels.look.views import open_view
    put(tmp_path/"a.wav")
    monkeypatch.chdir(tmp_path)
    go("a.wav", name)
    assert go("a.wav", name).skipped == 1 and (tmp_path/name/"_versions").is_dir()
    assert len(load_features(name)) == len(open_view(name)) == 2
    assert not [f for f in os.listdir(tmp_path) if f not in (name, "a.wav", "errors.jsonl")]


@pytest.mark.parametrize("name", [b"caf\xe9.lance", b"a\nb.lance", b"\x1b[2J.lance"])
def test_a_name_that_no_table_can_have_is_one_line(tmp_path, name):
    put(tmp_path/"a.wav")
    with pytest.raises(CamelsError, match="cannot have this name") as e:
        go(tmp_path/"a.wav", Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))))
    str(e.value).encode()
    assert sorted(os.listdir(tmp_path)) == ["a.wav"]


def test_a_table_whose_making_failed_is_made_again(tmp_path, monkeypatch):
    import lance
    put(tmp_path/"a.wav")
    def fails(*a, **kw):
        (tmp_path/"t.lance"/"_transactions").mkdir(parents=True)
        (tmp_path/"t.lance"/"_transactions"/"0-x.txn").write_bytes(b"x")
        raise OSError("LanceError(IO): No space left on device (os error 28)")
    with monkeypatch.context() as m:
        m.setattr(lance, "write_dataset", fails)
        with pytest.raises(CamelsError, match="disk is full"):
            go(tmp_path/"a.wav", tmp_path/"t.lance")
    assert go(tmp_path/"a.wav", tmp_path/"t.lance").clips == 1
    (tmp_path/"mine").mkdir()
    (tmp_path/"mine"/"letter.txt").write_text("keep me")
    with pytest.raises(CamelsError, match="not a feature table"):
        go(tmp_path/"a.wav", tmp_path/"mine")
    assert (tmp_path/"mine"/"letter.txt").exists()
    (tmp_path/"plain").touch()
    with pytest.raises(CamelsError, match="is a file"):
        go(tmp_path/"a.wav", tmp_path/"plain")


def test_the_second_of_two_makers_reads_who_is_writing(tmp_path):
    put(tmp_path/"a.wav")
    (tmp_path/"t.lance").mkdir()
    with only_writer(tmp_path/"t.lance"), pytest.raises(CamelsError, match="another process is writing here"):
        go(tmp_path/"a.wav", tmp_path/"t.lance")
    assert go(tmp_path/"a.wav", tmp_path/"t.lance").clips == 1


def test_who_reads_reads_on(tmp_path, monkeypatch):
    put(tmp_path/"in"/"a.wav")
    go(tmp_path/"in", tmp_path/"t.lance")
    for f in (tmp_path/"t.lance").rglob("*"):
        os.utime(f, (1e9, 1e9))   # made long ago
    t = FeatureTable.open(tmp_path/"t.lance")
    for i in range(3):
        put(tmp_path/"in"/f"b{i}.wav")
        go(tmp_path/"in", tmp_path/"t.lance")
    assert t.ds.take([0]).num_rows == 1 and len(t) == 2
    monkeypatch.setattr(store, "KEEP_S", -1.)
    with only_writer(tmp_path/"t.lance"):
        tidy(FeatureTable.open(tmp_path/"t.lance"))
    for read in (lambda: t.ds.take([0]), lambda: list(t.ds.to_batches()), lambda: t.ds.to_table()):
        with pytest.raises(CamelsError, match="has changed since it was opened.*open it again"):
            read()
    assert len(FeatureTable.open(tmp_path/"t.lance")) == 8


def test_old_versions_take_no_more_than_their_share(tmp_path, monkeypatch):
    put(tmp_path/"in"/"a.wav", 60)
    monkeypatch.setattr(store, "tidy", lambda t: t)
    for i in range(12):
        put(tmp_path/"in"/f"b{i}.wav")
        go(tmp_path/"in", tmp_path/"t.lance")
    t, mega = FeatureTable.open(tmp_path/"t.lance"), 1 << 20
    before = store._size(t.path)
    monkeypatch.setattr(
        store, "KEEP_TIMES", 3 - mega/sum(d.file_size_bytes for f in t.ds.get_fragments() for d in f.metadata.files)
    )
    with only_writer(t.path):
        tidy(t)
    now = sum(d.file_size_bytes for f in t.ds.get_fragments() for d in f.metadata.files)
    assert store._size(t.path) <= 3*now < before and len(FeatureTable.open(t.path)) == 59 + 24


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    "A table of two clips, its joined version and the pieces before."
    d = tmp_path_factory.mktemp("good")
    for n in "ab":
        put(d/"in"/f"{n}.wav", 3 + (n == "b"))
    go(d/"in"/"a.wav", d/"t.lance")
    go(d/"in", d/"t.lance")
    return d/"t.lance"


def alone(path):
    "The table without its old versions: nothing to fall back to."
    t = FeatureTable.open(path)
    t.ds._dataset.cleanup_old_versions(versions=[v for v, _ in versions_of(path)[1:]], delete_unverified=True)
    return path


def data_file(path):
    return next(Path(path).glob("data/*.lance"))


HARM = dict(
    gone=lambda b: None,
    empty=lambda b: b"",
    half=lambda b: b[:len(b)//2],
    text=lambda b: b"hello"*1000,
    zeros=lambda b: bytes(len(b)),
    one_bit=lambda b: b[:len(b)//2] + bytes([b[len(b)//2] ^ 16]) + b[len(b)//2 + 1:],
)


@pytest.mark.parametrize("part", ["data", "_versions"])
@pytest.mark.parametrize("harm", HARM)
def test_damage_is_one_line_for_every_reader(tmp_path, good, harm, part):
    from camels.look.views import open_view
    path = alone(shutil.copytree(good, tmp_path/"t.lance"))
    f = next((path/part).glob("*.lance" if part == "data" else "*.manifest"))
    broken = HARM[harm](f.read_bytes())
    if broken is None:
        f.unlink()
    else:
        f.write_bytes(broken)
    for read in (load_features, lambda p: FeatureTable.open(p).about(), open_view, lambda p: go(good.parent/"in", p)):
        with pytest.raises(CamelsError) as e:
            read(path)
        assert len(str(e.value).splitlines()) == 1 and "t.lance" in str(e.value) and ".rs" not in str(e.value), e.value
        assert e.value.hint


def test_every_flipped_bit_is_found(tmp_path, good):
    "Data, manifest and the list of digests itself: other values never, a false alarm never."
    path = alone(shutil.copytree(good, tmp_path/"t.lance"))
    want = load_features(path)
    for f in (data_file(path), next(path.glob("_versions/*.manifest")), path/digests.DIGESTS):
        whole = f.read_bytes()
        for at in np.linspace(0, len(whole) - 1, 23).astype(int):
            f.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
            if f.name == digests.DIGESTS:
                assert np.array_equal(load_features(path).x["prosody"], want.x["prosody"])
            else:
                with pytest.raises(CamelsError, match="is not as it was written"):
                    load_features(path)
        f.write_bytes(whole)
    assert np.array_equal(load_features(path).x["prosody"], want.x["prosody"])


def test_an_older_sound_version_is_read(tmp_path, good, caplog):
    path = shutil.copytree(good, tmp_path/"t.lance")
    t = FeatureTable.open(path)
    want, newest = load_features(path), path/"data"/t.ds.get_fragments()[0].metadata.files[0].path
    newest.write_bytes(HARM["one_bit"](newest.read_bytes()))
    with caplog.at_level(logging.WARNING):
        fs = load_features(path)
    assert (
        np.array_equal(fs.x["prosody"], want.x["prosody"]) and len(caplog.records) == 1 and newest.name in caplog.text
    )
    put(tmp_path/"c.wav")
    rep = go([tmp_path/"c.wav"], path)                              # a writer goes on from the sound one
    assert rep.clips == 1 and len(load_features(path)) == len(fs) + 2
    caplog.clear()
    assert len(load_features(path)) and not caplog.records


def test_a_broken_manifest_falls_back(tmp_path, good, caplog):
    path = shutil.copytree(good, tmp_path/"t.lance")
    (path/versions_of(path)[0][1]).write_bytes(os.urandom(1500))
    (path/digests.DIGESTS).unlink()                                    # as in a table of before
    with caplog.at_level(logging.WARNING):
        assert len(load_features(path)) == 5
    assert go(good.parent/"in", path).skipped == 2


def test_a_second_look_costs_nothing(tmp_path, good, monkeypatch):
    path, read = shutil.copytree(good, tmp_path/"t.lance"), []
    was = digests.content_digest
    monkeypatch.setattr(digests, "content_digest", lambda p: (read.append(p), was(p))[1])
    FeatureTable.open(path)
    assert read
    read.clear()
    FeatureTable.open(path)
    digests._checked.clear()                                           # another process remembers too
    FeatureTable.open(path)
    assert not read
    for f in path.glob("data/*.lance"):
        os.utime(f)
    FeatureTable.open(path)
    assert read


def test_a_panic_of_the_library_is_one_line(tmp_path, good, monkeypatch):
    import lance
    class PanicException(BaseException):
        pass
    def panic(*a, **kw):
        raise PanicException("called `Option::unwrap()` on a `None` value")
    monkeypatch.setattr(lance, "dataset", panic)
    with pytest.raises(CamelsError, match="damaged"):
        load_features(good)


# Rows in stretches

def test_rows_of_a_long_clip_come_in_stretches(tmp_path, monkeypatch):
    put(tmp_path/"in"/"a.wav", 20)
    put(tmp_path/"in"/"b.wav", 4)
    go(tmp_path/"in", tmp_path/"whole.lance")
    monkeypatch.setattr(streams, "STRETCH_S", 4.)
    monkeypatch.setattr(store, "SPILL", 500)
    seen, was = [], TableWriter.add
    monkeypatch.setattr(TableWriter, "add", lambda self, rows: (seen.append(rows.num_rows), was(self, rows))[1])
    go(tmp_path/"in", tmp_path/"parts.lance")
    assert max(seen) == 4 and len(seen) == 6
    a, b = (table(tmp_path/f"{n}.lance") for n in ("whole", "parts"))
    assert all(a[k].equals(b[k]) for k in ("clip", "window", "start_s", "prosody_mask", "source_digest"))


def test_a_clip_that_fails_late_leaves_no_row(tmp_path, monkeypatch):
    for n in "abc":
        put(tmp_path/"in"/f"{n}.wav", 12)
    monkeypatch.setattr(streams, "STRETCH_S", 3.)
    monkeypatch.setattr(store, "SPILL", 100)
    was = encoding_sound.read_audio
    def late(path, sr, start_s=0., end_s=None):
        if "b.wav" in str(path) and start_s > 5:
            raise CamelsError("truncated: the header says 12.0 s", path)
        return was(path, sr, start_s, end_s)
    monkeypatch.setattr(streams, "read_audio", late)
    rep = go(tmp_path/"in", tmp_path/"t.lance")
    assert (
        rep.clips == 2
        and len(rep.errors) == 1
        and FeatureTable.open(tmp_path/"t.lance").clips() == {"a.wav", "c.wav"}
    )
    go(tmp_path/"in", tmp_path/"t.lance")
    t = FeatureTable.open(tmp_path/"t.lance")
    known = {
        d.path
        for v, _ in versions_of(t.path)
        for f in __import__("lance").dataset(str(t.path), version=v).get_fragments()
        for d in f.metadata.files
    }
    assert {f.name for f in (t.path/"data").iterdir()} == known             # what was put aside unseen is gone


def test_a_clip_of_days_is_refused(tmp_path, monkeypatch):
    p = put(tmp_path/"a.wav")
    was = encoding_read.probe
    def long(path):
        info = was(path)
        info.duration_s = 3e9
        return info
    monkeypatch.setattr(streams, "probe", long)
    [e] = go(p, tmp_path/"t.lance").errors
    assert "hours" in e["error"] and "at most 24" in e["hint"]


# Workers

def test_a_clip_that_stands_still_is_given_up(tmp_path, monkeypatch):
    for n in "abc":
        put(tmp_path/"in"/f"{n}.wav")
    was = encoding_read.probe
    monkeypatch.setattr(streams, "probe", lambda p: threading.Event().wait() if "b.wav" in str(p) else was(p))
    rep = go(tmp_path/"in", tmp_path/"t.lance", patience_s=1.)
    assert (
        rep.clips == 2
        and [e["error"][:11] for e in rep.errors] == ["no progress"]
        and "b.wav" in rep.errors[0]["input"]
    )


STUCK = (
    "import sys\nif '--multiprocessing-fork' in sys.orig_argv:\n import threading, camels.media.read as m\n was = "
    "m.probe\n m.probe = lambda p: threading.Event().wait() if 'b.wav' in str(p) else was(p)\n"
)


def test_a_worker_that_stands_still_is_replaced(tmp_path, monkeypatch):
    "Takes some seconds: three worker processes start."
    (tmp_path/"sitecustomize.py").write_text(STUCK)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    for n in "abcd":
        put(tmp_path/"in"/f"{n}.wav")
    rep = go(tmp_path/"in", tmp_path/"t.lance", jobs=2, patience_s=3.)
    assert rep.clips == 3 and [e["error"][:11] for e in rep.errors] == ["no progress"]
    assert FeatureTable.open(tmp_path/"t.lance").clips() == {"a.wav", "c.wav", "d.wav"}


def children(pid):
    return [int(o) for o in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("sign, code", [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_stopped_job_says_one_line_and_leaves_nobody(tmp_path, sign, code):
    "Takes some seconds: a command with two workers starts."
    (tmp_path/"sitecustomize.py").write_text(STUCK)
    for n in "abcd":
        put(tmp_path/"in"/f"{n}.wav")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    # a shell's background jobs ignore it
    p = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "camels.cli",
            "encode",
            tmp_path/"in",
            "--out",
            tmp_path/"t.lance",
            "--jobs",
            "2",
            "--video",
            "none",
            "--phoneme",
            "none",
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and len(children(p.pid)) < 2 and p.poll() is None:
        time.sleep(.1)
    time.sleep(6.)   # both are past their imports
    there = children(p.pid)
    os.killpg(p.pid, sign) if sign == signal.SIGINT else os.kill(p.pid, sign)
    _, err = p.communicate(timeout=30)
    assert (
        p.returncode == code
        and "Traceback" not in err
        and "resource_tracker" not in err
        and len(err.strip().splitlines()) <= 1
    ), err
    end = time.monotonic() + 10
    while time.monotonic() < end and any(Path(f"/proc/{c}").exists() for c in there):
        time.sleep(.1)
    assert there and not any(Path(f"/proc/{c}").exists() for c in there)


# errors.jsonl and leavings

def writes(folder, name, barrier):
    barrier.wait()
    rows = []
    for i in range(30):
        rows.append(dict(input=f"{name}{i}", stage="probe", error="x", hint=""))
        if i % 2:
            write_errors(Path(folder)/name, rows)
        else:
            add_error(Path(folder)/name, rows[-1])


def test_two_tables_keep_each_others_errors(tmp_path):
    ctx = get_context("fork")
    b = ctx.Barrier(2)
    ps = [ctx.Process(target=writes, args=(str(tmp_path), n, b)) for n in ("a.lance", "b.lance")]
    for p in ps:
        p.start()
    for p in ps:
        p.join()
    rows = [json.loads(o) for o in (tmp_path/"errors.jsonl").read_text().splitlines()]
    for n in ("a.lance", "b.lance"):
        assert [r["input"] for r in rows if r["table"] == n] == [f"{n}{i}" for i in range(30)]
    assert os.listdir(tmp_path) == ["errors.jsonl"]


def test_leavings_of_dead_processes_go(tmp_path):
    put(tmp_path/"in"/"a.wav")
    dead, alive = tmp_path/".errors.999999999-abcdefgh.tmp.jsonl", tmp_path/f".errors.{os.getpid()}-abcdefgh.tmp.jsonl"
    for f in (dead, alive):
        f.touch()
        os.utime(f, (1e9, 1e9))
    go(tmp_path/"in", tmp_path/"t.lance")
    assert not dead.exists() and alive.exists()


def test_digests_cost_little(tmp_path):
    "Reading a file's content is far cheaper than encoding it."
    p = tmp_path/"a.wav"
    put(p, 60)
    go(p, tmp_path/"warm.lance")
    t = time.process_time()
    go(p, tmp_path/"t.lance")
    whole, t = time.process_time() - t, time.process_time()
    for _ in range(5):
        digests.content_digest(p)
    assert (time.process_time() - t)/5 < .02*whole
