"V3: files, batch, stream, engines, and what it does with bad input."
import json
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from camels.express.perform import animate_audio, animate_text, choose_by
from camels.face.arkit import index
from camels.cli import app
from camels.core import CamelsError, one_thread
from camels.face.condition import condition
from camels.face.compiler import frozen_compiler
from camels.media.write import write_audio
from camels.express.features import FeatureStats, audio_features, feature_version, fit_stats, normalise
from camels.express.head import HeadStream, V3Head, V3Size
from camels.express.v3 import BLOCK, V3, has_v3
from camels.express.v3_files import FPS, SR, load_v3, save_v3

cli = CliRunner()
CLOSE = 1e-4


def talk(seconds, seed=0, sr=SR):
    "Something like speech: a buzz with syllables, pauses and breath."
    rng, t = np.random.default_rng(seed), np.arange(round(seconds*sr))/sr
    loud = np.clip(np.sin(2*np.pi*3.1*t + rng.uniform(0, 6)), 0, 1)*(np.sin(2*np.pi*.3*t) > -.6)
    buzz = sum(np.sin(2*np.pi*k*(110 + 20*np.sin(2*t))*t + k)/k for k in range(1, 20))
    return (.1*loud*buzz + .002*rng.standard_normal(len(t))).astype(np.float32)


def moods(n, seed=0):
    "A condition that changes with every frame."
    rng = np.random.default_rng(seed)
    w = rng.random((n, 16))**4
    v = rng.uniform(-1, 1, (n, 3))
    return np.concatenate([w/w.sum(1, keepdims=True), v], 1).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    head = V3Head().eval()
    for b in head.mood:
        torch.nn.init.normal_(b.film.out.weight, 0, .1)
    return save_v3(tmp_path_factory.mktemp("v3")/"m", head, fit_stats([audio_features(talk(20))]), version=3, seeds=[0])


@pytest.fixture(scope="module", params=["onnx", "torch"])
def v3(request, folder):
    return V3(folder, request.param)


def reference(folder, audio, cond):
    "The head on everything at once."
    head, stats, _ = load_v3(folder)
    x = normalise(audio_features(audio), stats)
    with torch.inference_mode():
        return head(
            torch.from_numpy(x)[None], torch.from_numpy(np.array(np.broadcast_to(cond, (len(x), 19))))[None]
        )[0].numpy()


def test_what_is_saved_is_loaded(folder):
    head, _, config = load_v3(folder)
    assert (
        config["version"] == 3
        and config["features"] == feature_version()
        and head.size == V3Size()
        and not head.training
    )
    # no weight is there twice
    assert (
        sum(f.stat().st_size for f in folder.iterdir()) < 5_000_000 and (folder/"model.onnx").stat().st_size < 100_000
    )


def test_batch_is_the_head_whatever_the_length(v3, folder):
    for seconds in (.01, .04, 2, 2*BLOCK/SR + 1.3):       # under a frame; over two blocks
        a = talk(seconds)
        n = v3.frames(len(a))
        c = moods(n)
        y = v3.track(a, c)
        assert y.shape == (n, 52) and y.dtype == np.float32 and 0 <= y.min() and y.max() <= 1
        assert np.abs(y - reference(folder, a, c)).max() < CLOSE
    assert np.abs(v3.track(a, c[0]) - reference(folder, a, c[0])).max() < CLOSE


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 9000), min_size=1, max_size=25), seed=st.integers(0, 99))
def test_stream_equals_batch(folder, cuts, seed):
    v = V3(folder)
    a = talk(sum(cuts)/SR + 1e-9, seed)[:sum(cuts)]
    c = moods(v.frames(len(a)), seed)
    s, out, at = v.stream(), [], 0
    for n in cuts:
        out.append(s.push(a[at:at + n], c[s.begun:s.begun + s.begins(n)]))
        at += n
        late = v.frames(at) - sum(map(len, out))
        assert late <= np.ceil(FPS*v.lookahead_s)
    out.append(s.flush())
    y = np.concatenate(out)
    assert y.shape == (v.frames(len(a)), 52) and (not len(y) or np.abs(y - v.track(a, c)).max() < CLOSE)


def test_a_condition_holds_until_it_changes(v3):
    a = talk(3)
    now, rows, out, changes = condition("fear"), [], [], {7: "joy", 8: "anger", 40: "sulk"}
    s = v3.stream(now)
    for k, at in enumerate(range(0, len(a), 700)):
        new = condition(changes[k]) if k in changes else None
        now = now if new is None else new
        piece = a[at:at + 700]
        rows += [now]*s.begins(len(piece))
        out.append(s.push(piece, new))
    y = np.concatenate([*out, s.flush()])
    assert len(rows) == len(y) and np.abs(y - v3.track(a, np.stack(rows))).max() < CLOSE
    assert np.abs(y - v3.track(a, condition("fear")))[v3.frames(7*700):].max() > .01


def test_a_change_without_sound_holds_too(v3):
    a = talk(1)
    s = v3.stream()
    assert len(s.push(a[:0], condition("joy"))) == 0
    assert np.abs(np.concatenate([s.push(a), s.flush()]) - v3.track(a, condition("joy"))).max() < CLOSE


def test_engines_and_head_stream_agree(folder):
    a = talk(4)
    c = moods(120)
    x, y = (V3(folder, b).track(a, c) for b in ("onnx", "torch"))
    assert np.abs(x - y).max() < CLOSE
    head, stats, _ = load_v3(folder)
    s = HeadStream(head)
    f = torch.from_numpy(normalise(audio_features(a), stats))
    c = torch.from_numpy(c)
    z = torch.cat([s.push(f[i:i + 7], c[i:i + 7]) for i in range(0, 120, 7)] + [s.flush()]).numpy()
    assert np.abs(x - z).max() < CLOSE


def test_other_rates(v3):
    a = talk(40, sr=8000)
    y = v3.track(a, condition("joy"), 8000)   # over a block
    assert (
        len(y) == v3.frames(len(a), 8000) == 1200
        and np.abs(y - v3.track(soxr.resample(a, 8000, SR), condition("joy"))).max() < CLOSE
    )
    for sr in (11025, 44100, 48000):
        a = talk(1.37, sr=sr)
        assert len(v3.track(a, condition("joy"), sr)) == v3.frames(len(a), sr) == int(np.ceil(1.37*30))
    for sr in (0, -1, 10**6, float("nan")):
        with pytest.raises(CamelsError, match="samples a second"):
            v3.track(a, condition("joy"), sr)


def test_odd_sound_is_sound(v3):
    a = talk(1.5)
    for x in (
        np.zeros(9000, np.float32),
        np.sign(a),
        np.clip(90*a, -1, 1),
        a.astype(np.float64),
        a.astype(np.float16),
        a[::2],
        list(a[:800].astype(float)),
    ):
        y = v3.track(x, condition("joy"))
        assert np.isfinite(y).all() and len(y) == v3.frames(len(x))
    for x in (a[:0], []):
        assert v3.track(x, condition("joy")).shape == (0, 52)
    s = v3.stream()
    assert s.push(a[:0]).shape == s.flush().shape == s.flush().shape == (0, 52)


BAD_SOUND = [
    (lambda a: np.stack([a, a], 1), "one channel"),
    (lambda a: (a*32767).astype(np.int16), "int16"),
    (lambda a: np.r_[a, np.nan], "NaN"),
    (lambda a: np.r_[a, np.inf], "NaN"),
    (lambda a: a*1e4, "full scale"),
    (lambda a: "sound", "channel"),
    (lambda a: [a, a[:3]], "array"),
]
BAD_COND = [
    (np.zeros(5), "[5]"),
    (np.zeros((3, 19)), "3 rows"),
    (np.zeros((2, 3, 19)), "[2, 3, 19]"),
    (np.zeros(19), "sum to 1"),
    (np.full(19, np.nan), "sum to 1"),
    (condition("joy")*3, "sum to 1"),
    (-condition("joy"), "sum to 1"),
    ("joy", "not numbers"),
    (None, ""),
]


@pytest.mark.parametrize("spoil, says", BAD_SOUND)
def test_bad_sound(v3, spoil, says):
    a = talk(1)
    with pytest.raises(CamelsError) as e:
        v3.track(spoil(a), condition("joy"))
    assert says in str(e.value) and "\n" not in str(e.value)
    s = v3.stream()
    out = [s.push(a[:6000], condition("joy"))]
    with pytest.raises(CamelsError):
        s.push(spoil(a), condition("anger"))
    # refused whole, condition too
    assert np.abs(np.concatenate([*out, s.push(a[6000:]), s.flush()]) - v3.track(a, condition("joy"))).max() < CLOSE


@pytest.mark.parametrize("cond, says", BAD_COND)
def test_bad_condition(v3, cond, says):
    a = talk(1)
    with pytest.raises(CamelsError) as e:
        v3.track(a, cond)
    assert says in str(e.value) and "\n" not in str(e.value)
    if cond is None:
        return
    s = v3.stream(condition("joy"))
    with pytest.raises(CamelsError):
        s.push(a[:6000], cond)
    assert np.abs(np.concatenate([s.push(a), s.flush()]) - v3.track(a, condition("joy"))).max() < CLOSE
    with pytest.raises(CamelsError):
        v3.stream(cond)


def rewrite(**kw):
    return lambda d: (d/"config.json").write_text(json.dumps({**json.loads((d/"config.json").read_text()), **kw}))
def cut(name, by):
    return lambda d: (d/name).write_bytes((d/name).read_bytes()[:-by])
NET = dict(features=141, cond=19, width=128, embed=64, ahead=2, trunk=[1, 2, 4, 8], mood=[1, 2])


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda d: (d/"model.safetensors").unlink(), "no model.safetensors"),
        (lambda d: (d/"config.json").unlink(), "no config.json"),
        (lambda d: (d/"stats.safetensors").unlink(), "no stats"),
        (lambda d: shutil.rmtree(d), "no config.json"),
        (lambda d: (d/"config.json").write_text("[1]"), "config.json"),
        (lambda d: (d/"config.json").write_bytes(b"\xff\xfe"), "config.json"),
        (cut("config.json", 30), "config.json"),
        (cut("model.safetensors", 4000), "damaged weights"),
        (lambda d: (d/"model.safetensors").write_bytes(b""), "damaged weights"),
        (cut("stats.safetensors", 40), "statistics"),
        (rewrite(format=99), "format 99"),
        (rewrite(features="f"*16), "trained on features"),
        (rewrite(network={**NET, "cond": 5}), "5 numbers"),
        (rewrite(emotions=["joy"]), "emotions"),
        (rewrite(network={}), "config.json"),
    ],
)
def test_a_folder_that_does_not_fit(tmp_path, folder, spoil, says, backend):
    d = shutil.copytree(folder, tmp_path/"m")
    spoil(d)
    with pytest.raises(CamelsError) as e:
        V3(d, backend)
    assert says in str(e.value) and "\n" not in str(e.value)
    with pytest.raises(CamelsError):
        load_v3(d)


def test_weights_of_another_network(tmp_path, folder):
    d = shutil.copytree(folder, tmp_path/"m")
    rewrite(network={**NET, "width": 96})(d)
    with pytest.raises(CamelsError, match="another network"):
        V3(d, "torch")
    d = shutil.copytree(folder, tmp_path/"n")
    cut("model.onnx", 2000)(d)
    with pytest.raises(CamelsError, match="damaged graph"):
        V3(d, "onnx")
    (d/"model.onnx").unlink()
    assert V3(d, "onnx").track(talk(.5), condition("joy")).shape == (15, 52)   # written again
    with pytest.raises(CamelsError, match="unknown backend"):
        V3(folder, "tf")


def test_what_is_not_saved(tmp_path, folder):
    head, stats, _ = load_v3(folder)
    with pytest.raises(CamelsError, match="5 numbers"):
        save_v3(tmp_path/"a", V3Head(V3Size(cond=5)), stats)
    head.lips.weight[0] = float("nan")
    with pytest.raises(CamelsError, match="lips"):
        save_v3(tmp_path/"a", head, stats)
    assert not (tmp_path/"a").exists()
    save_v3(tmp_path/"old", V3Head(), FeatureStats(stats.mean, stats.std, 3, "0"*16))
    with pytest.raises(CamelsError, match="trained on features 0000"):
        V3(tmp_path/"old")


def test_another_size_works_too(tmp_path, folder):
    torch.manual_seed(1)
    small = V3Head(V3Size(width=32, embed=8, ahead=1, trunk=(1, 3), mood=(2,))).eval()
    save_v3(tmp_path/"s", small, load_v3(folder)[1])
    a, c = talk(1), moods(30)
    x, y = (V3(tmp_path/"s", b).track(a, c) for b in ("onnx", "torch"))
    assert np.abs(x - y).max() < CLOSE and np.abs(x - reference(tmp_path/"s", a, c)).max() < CLOSE
    assert V3(tmp_path/"s").lookahead_s < V3(folder).lookahead_s


def test_an_hour_stays_small(folder):
    v = V3(folder)
    a = np.resize(talk(60), 3600*SR)
    v.track(a[:SR], condition("joy"))
    tracemalloc.start()
    with one_thread():
        y = v.track(a, condition("joy"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert y.shape == (108_000, 52) and peak < y.nbytes + 40e6, peak


def test_onnx_starts_without_torch(folder, tmp_path):
    code = (
        "import sys; from camels.express.perform import animate_text; from camels.express.v3 import V3; p = "
        f"animate_text('hi', model=V3({str(folder)!r}, 'onnx')); print(p.by, 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == [
        "v3",
        "False",
    ]


def test_animate_by_each_way(folder, tmp_path):
    v = V3(folder)
    text = "[joy:80] Bob, my brother bought five maps."
    a, b, c = (animate_text(text, idle=None, by=w, model=m) for w, m in (("v3", v), ("mixed", v), ("rules", None)))
    assert (
        (a.by, b.by, c.by) == ("v3", "mixed", "rules")
        and a.weights.shape == b.weights.shape == c.weights.shape
        and (a.cond == c.cond).all()
    )
    jaw, close = index("jawOpen"), index("mouthClose")
    assert (b.weights[:, close] <= b.weights[:, jaw]).all()
    for p in b.phones:
        if p.label in "pbm":
            k = b.frame((p.start_s + p.end_s)/2)
            assert np.abs(b.weights[k - 1:k + 2, jaw] - b.weights[k - 1:k + 2, close]).min() < 1e-6
    write_audio(tmp_path/"a.wav", a.audio, a.sr)
    d = animate_audio(tmp_path/"a.wav", "joy", .0*np.ones(3), idle=None, model=v)
    assert d.phones == [] and d.by == "v3" and abs(len(d.weights) - len(a.weights)) <= 1
    for fps in (24, 25, 60, 120):
        p = animate_text(text, idle=None, model=v, fps=fps)
        assert len(p.weights) == np.ceil(len(p.audio)/p.sr*fps) and np.abs(p.weights[0] - a.weights[0]).max() < 1e-6
    assert (
        choose_by(compiler=frozen_compiler()) == "rules"
        and choose_by("", v) == "v3"
        and choose_by() == ("v3" if has_v3() else "rules")
    )
    for kw in (
        dict(by="v4"),
        dict(by="mixed", compiler=frozen_compiler()),
        dict(by="rules", model=v),
        dict(model=v, lipsync="dominance"),
    ):
        with pytest.raises(CamelsError):
            animate_text("hi", **kw)


def test_a_recording_in_stereo_at_8_khz(folder, tmp_path):
    import soundfile
    a = talk(2, sr=8000)
    soundfile.write(tmp_path/"s.wav", np.stack([a, .5*a], 1), 8000)
    soundfile.write(tmp_path/"m.wav", .75*a, 8000)
    v = V3(folder, "onnx")
    x, y = (animate_audio(tmp_path/f, "joy", idle=None, model=v) for f in ("s.wav", "m.wav"))
    assert x.weights.shape == (60, 52) and np.abs(x.weights - y.weights).max() < .02
    for sound, says in (
        ((np.stack([a, a]), 8000), "one channel"),
        ((a[:0], 8000), "no sound"),
        ((a*np.nan, 8000), "NaN"),
    ):
        with pytest.raises(CamelsError, match=says):
            animate_audio(sound, model=v)


def test_the_command_line(folder, tmp_path):
    def run(*args):
        return cli.invoke(app, [*map(str, args)])
    r = run("animate", "[joy:80] We won.", "--model", folder, "--out", tmp_path/"a.json", "--json")
    assert json.loads(r.stdout)["by"] == "v3"
    r = run("animate", "[joy:80] We won.", "--by", "rules", "--out", tmp_path/"b.json", "--json")
    assert json.loads(r.stdout)["by"] == "rules"
    a, b = (np.array(json.loads((tmp_path/f"{k}.json").read_text())["frames"]) for k in "ab")
    assert a.shape == b.shape and np.abs(a - b).max() > .1
    if not has_v3():
        r = run("animate", "hi", "--out", tmp_path/"c.json", "--json")
        assert json.loads(r.stdout)["by"] == "rules" and "no trained V3" in r.stderr
        assert (
            isinstance(run("animate", "hi", "--by", "v3", "--out", tmp_path/"d.json").exception, CamelsError)
            and not (tmp_path/"d.json").exists()
        )
    r = run("animate", "hi", "--model", tmp_path, "--out", tmp_path/"d.json")
    assert "no config.json" in str(r.exception) and not (tmp_path/"d.json").exists()
