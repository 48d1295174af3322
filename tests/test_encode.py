"Bad input: each a line in errors.jsonl or a mask, and the rest of the batch intact."
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from camels.core import CamelsError, WindowConfig
from camels.data.encode import encode
from camels.face.render import Renderer
from camels.face.people import random_identity
from camels.media.write import write_audio, write_video
from camels.data.table import FeatureTable
from camels.data.features import load_features

SR = 16000


def voice(seconds, sr=SR):
    t = np.arange(int(seconds*sr))/sr
    return (.3*np.sign(np.sin(2*np.pi*130*t))*np.sin(2*np.pi*2*t)**2).astype(np.float32)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    "A drawn face that opens its mouth, with a buzzing voice, 3 s."
    p = tmp_path_factory.mktemp("media")/"talk.mp4"
    r = Renderer(random_identity(1), size=192)
    write_video(p, (r.render({"jawOpen": .5 + .5*np.sin(i)}) for i in range(75)), 25, voice(3), SR)
    return p


def run(*args):
    p = subprocess.run([sys.executable, "-m", "camels.cli", *map(str, args)], capture_output=True, text=True)
    return p.returncode, p.stdout, p.stderr


def test_a_batch_goes_on_past_bad_files(tmp_path, talk):
    d = tmp_path/"in"
    d.mkdir()
    data = talk.read_bytes()
    (d/"good.mp4").write_bytes(data)
    (d/"truncated.mp4").write_bytes(data[:len(data)//3])
    (d/"renamed.mp4").write_text("this is text")
    (d/"empty.mp4").write_bytes(b"")
    sf.write(d/"zero.wav", np.zeros(0), SR)
    nan = voice(3)
    nan[100:200] = np.nan
    sf.write(d/"nan.wav", nan, SR, subtype="FLOAT")
    sf.write(d/"six.wav", np.tile(voice(3)[:, None], (1, 6)), SR)
    sf.write(d/"phone.wav", voice(3, 8000), 8000)
    write_video(d/"tiny.mp4", (np.zeros((2, 2, 3), np.uint8) for _ in range(75)), 25)
    write_video(d/"noface.mp4", (np.full((120, 160, 3), i, np.uint8) for i in range(75)), 25, voice(3), SR)
    code, out, err = run("encode", d, "--out", tmp_path/"f.lance", "--json")
    errors = {
        json.loads(line)["input"].split("/")[-1]: json.loads(line)
        for line in (tmp_path/"errors.jsonl").read_text().splitlines()
    }
    bad = {"truncated.mp4", "renamed.mp4", "empty.mp4", "zero.wav", "nan.wav"}
    assert set(errors) == bad and code == 2
    for e in errors.values():
        assert e["stage"] and e["error"] and "Traceback" not in e["error"], e
    for name in bad:
        assert sum(name in line for line in err.splitlines()) == 1, err   # one line each
    fs = load_features(tmp_path/"f.lance")
    def has(m, clip):
        return fs.mask[m][fs.ids["clip"] == clip].all()
    assert set(fs.ids["clip"]) == {"good.mp4", "six.wav", "phone.wav", "tiny.mp4", "noface.mp4"}
    assert has("video", "good.mp4") and has("prosody", "good.mp4")
    for clip in ("tiny.mp4", "noface.mp4", "six.wav", "phone.wav"):
        assert not fs.mask["video"][fs.ids["clip"] == clip].any(), clip
    assert (
        has("prosody", "six.wav")
        and has("prosody", "phone.wav")
        and not fs.mask["prosody"][fs.ids["clip"] == "tiny.mp4"].any()
    )
    assert all(np.isfinite(x).all() for x in fs.x.values())


def test_row_n_is_window_n(tmp_path, talk):
    encode([talk], tmp_path/"f.lance", jobs=1)
    fs = load_features(tmp_path/"f.lance")
    assert (
        fs.ids["window"].tolist() == [0, 1]
        and fs.ids["start_s"].tolist() == [0., 1.]
        and fs.ids["end_s"].tolist() == [2., 3.]
    )


def test_jobs_do_not_change_a_table(tmp_path, talk):
    for i in range(5):
        (tmp_path/f"{i}.mp4").write_bytes(talk.read_bytes())
    one, two = (encode([tmp_path], tmp_path/f"{j}.lance", jobs=j) for j in (1, 2))
    a, b = (FeatureTable.open(r.table).ds.to_table() for r in (one, two))
    assert a.equals(b)


def test_long_sound_in_stretches_equals_short(tmp_path, monkeypatch):
    import camels.data.streams as e
    rng = np.random.default_rng(0)
    write_audio(tmp_path/"a.wav", voice(12) + .01*rng.normal(size=12*SR).astype(np.float32), SR)
    encode([tmp_path/"a.wav"], tmp_path/"whole.lance", jobs=1)
    monkeypatch.setattr(e, "STRETCH_S", 3.)
    encode([tmp_path/"a.wav"], tmp_path/"parts.lance", jobs=1)
    a, b = (load_features(tmp_path/f"{n}.lance") for n in ("whole", "parts"))
    assert np.array_equal(a.mask["prosody"], b.mask["prosody"])
    np.testing.assert_allclose(a.x["prosody"], b.x["prosody"], rtol=1e-3, atol=1e-3)
    assert a.phone_label.tolist() == b.phone_label.tolist()
    np.testing.assert_allclose(a.phone_place, b.phone_place, atol=1e-3)


def test_a_table_refuses_another_encoder(tmp_path, talk):
    encode([talk], tmp_path/"f.lance", dict(video="none"), jobs=1)
    code, _, err = run("encode", talk, "--out", tmp_path/"f.lance", "--video", "none", "--prosody", "prosody22")
    assert code == 2 and "prosody22" in err and "prosody_contour" in err and len(err.strip().splitlines()) == 1


def test_a_full_disk_is_one_line_and_keeps_what_is_there(tmp_path):
    disk = tmp_path/"disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("cannot mount a small tmpfs here")
    try:
        for i in range(4):
            write_audio(tmp_path/f"{i}.wav", voice(4), SR)
        only = ("--video", "none", "--phoneme", "none", "--jobs", "1")
        assert run("encode", tmp_path/"0.wav", "--out", disk/"f.lance", *only)[0] == 0
        (disk/"filler").write_bytes(b"x"*(os.statvfs(disk).f_bavail*os.statvfs(disk).f_bsize - 1000))
        code, _, err = run("encode", tmp_path, "--out", disk/"f.lance", *only)
        assert code == 2 and "disk is full" in err and "Traceback" not in err, err
        (disk/"filler").unlink()
        assert FeatureTable.open(disk/"f.lance").clips() == {"0.wav"}
        assert run("encode", tmp_path, "--out", disk/"f.lance", *only)[0] == 0
        assert FeatureTable.open(disk/"f.lance").clips() == {"0.wav", "1.wav", "2.wav", "3.wav"}
    finally:
        subprocess.run(["umount", disk])


def test_a_file_without_permission_is_one_line(tmp_path, talk):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path/"locked.mp4").write_bytes(talk.read_bytes())
    (tmp_path/"locked.mp4").chmod(0)
    code, _, err = run("encode", tmp_path/"locked.mp4", "--out", tmp_path/"f.lance")
    assert code == 2 and "permission" in err.lower()


def test_a_decoder_that_crashes_costs_one_clip(tmp_path, monkeypatch):
    "The spawned workers read a `sitecustomize` that dies on one file, as a broken native decoder does."
    (tmp_path/"sitecustomize.py").write_text(
        "import os, soundfile\nwas = soundfile.info\ndef info(f, *a): return os._exit(9) if 'boom' in str(f) else "
        "was(f, *a)\nsoundfile.info = info\nimport av\nopened = av.open\nav.open = lambda f, *a, **k: os._exit(9) if "
        "'boom' in str(f) else opened(f, *a, **k)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    d = tmp_path/"in"
    d.mkdir()
    for name in ("a", "boom", "z"):
        write_audio(d/f"{name}.wav", voice(3), SR)
    rep = encode([d], tmp_path/"f.lance", dict(video="none", phoneme="none"), jobs=2)
    assert [(e["input"].split("/")[-1], e["error"]) for e in rep.errors] == [
        ("boom.wav", "its decoder crashed the worker process")
    ]
    assert FeatureTable.open(tmp_path/"f.lance").clips() == {"a.wav", "z.wav"}


def test_workers_that_cannot_start_are_one_error(tmp_path, monkeypatch):
    (tmp_path/"sitecustomize.py").write_text(
        "import sys\nif '--multiprocessing-fork' in sys.orig_argv: sys.exit('no memory')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [write_audio(tmp_path/f"{c}.wav", voice(3), SR) for c in "ab"]
    with pytest.raises(CamelsError, match="cannot start"):
        encode([tmp_path], tmp_path/"f.lance", dict(video="none", phoneme="none"), jobs=2)


def test_killed_encoding_resumes_to_the_same_table(tmp_path):
    from camels.bench.core import survive, table_digest
    for i in range(8):
        write_audio(tmp_path/f"{i}.wav", voice(6) * (i + 1)/9, SR)
    def args(f):
        return (["encode", tmp_path, "--out", f/"f.lance", "--video", "none", "--jobs", "1"],)*2
    hits, equal, _ = survive(args, lambda f: table_digest(f/"f.lance"), moments=2)
    assert hits and equal == hits


def test_windows_can_be_denser(tmp_path, talk):
    rep = encode([talk], tmp_path/"f.lance", dict(video="none", phoneme="none"), WindowConfig(hop_s=.25), jobs=1)
    assert rep.windows == 5
