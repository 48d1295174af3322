"""LAM beyond its lessons: the published table, files that do not fit, the converter, an independent forward pass,
chunks of any length."""
import importlib.util
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from camels.face.arkit import ARKIT, ORDERS, index
from camels.core import CamelsError, set_seed
from camels.face.lipsync import create_lipsync, list_lipsyncs
from camels.express.lam import BLOCK, CONTEXT, SEEN, Lam, level, polish, rest_mouth, steady
from camels.express.lam_net import (
    UNUSED, WINDOW, LamConfig, LamNet, first_sample, frames_of, plain_name, published_shapes, save_lam,
)

ROOT = Path(__file__).resolve().parent.parent
SMALL = LamConfig(
    identities=5, identity_width=7, hidden=24, width=32, layers=2, heads=4, inner=40, conv=20, reach=16, groups=4
)

# models/utils.py of aigc3d/LAM_Audio2Expression: the order of the 52 outputs
ORDER = """
browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight
eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft
eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward
jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel
mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight tongueOut
""".split()

# models/network.py with configs/lam_audio2exp_config_streaming.py: what stands after wav2vec2
HEAD = {
    "feature_projection.weight": (512, 768),
    "feature_projection.bias": (512,),
    "identity_encoder.id_mlp.weight": (64, 12, 1),
    "identity_encoder.id_mlp.bias": (64,),
    "identity_encoder.first_net.conv_layers.0.residual_layer.0.weight": (512, 576, 3),
    "identity_encoder.first_net.conv_layers.0.residual_layer.0.bias": (512,),
    "identity_encoder.first_net.conv_layers.0.conv.weight": (512, 576, 3),
    "identity_encoder.first_net.conv_layers.0.conv.bias": (512,),
    "identity_encoder.first_net.conv_layers.1.conv.weight": (512, 512, 3),
    "identity_encoder.first_net.conv_layers.1.conv.bias": (512,),
    "identity_encoder.first_net.conv_layers.2.conv.weight": (512, 512, 3),
    "identity_encoder.first_net.conv_layers.2.conv.bias": (512,),
    **{f"identity_encoder.first_net.conv_layers.{i}.norm.{o}": (512,) for i in range(3) for o in ("weight", "bias")},
    **{f"decoder.0.{i}.conv.weight": (512, 512, 3) for i in range(3)},
    **{f"decoder.0.{i}.conv.bias": (512,) for i in range(3)},
    **{f"decoder.0.{i}.norm.{o}": (512,) for i in range(3) for o in ("weight", "bias")},
    "output_proj.weight": (52, 512),
    "output_proj.bias": (52,),
}

TRAINING = {
    "audio_encoder.masked_spec_embed": (768,),
    "audio_encoder.lm_head.weight": (32, 768),
    "audio_encoder.lm_head.bias": (32,),
    "identity_encoder.grus.weight_ih_l0": (1536, 512),
    "identity_encoder.grus.weight_hh_l0": (1536, 512),
    "identity_encoder.grus.bias_ih_l0": (1536,),
    "identity_encoder.grus.bias_hh_l0": (1536,),
}

@pytest.fixture(scope="module")
def net():
    set_seed(1)
    net = LamNet(SMALL).eval()
    # norms that differ from one and zero, or a swap would not show
    for n, v in net.named_parameters():
        if v.ndim == 1:
            v.data += torch.randn_like(v)*.1
    return net

@pytest.fixture(scope="module")
def lam(net):
    return Lam(net, identity=2)

@pytest.fixture()
def folder(net, tmp_path):
    save_lam(net, tmp_path/"lam")
    return tmp_path/"lam"

def speech(n, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n)/16000
    return (
        .2*np.sin(2*np.pi*140*t + 3*np.sin(5*t))*(np.sin(2*np.pi*1.7*t) > 0)
        + rng.normal(0, .01, n)
    ).astype(np.float32)

def test_the_order_is_the_published_one():
    assert list(ORDERS["alphabetical"]) == ORDER and sorted(ORDER) == sorted(ARKIT)

def test_the_table_is_the_published_one():
    table = published_shapes()
    assert {n: s for n, s in table.items() if not n.startswith("audio_encoder.")} == HEAD and len(HEAD) == 32
    assert (
        len(table) + len(TRAINING) == 249
        and all(n.startswith(UNUSED) for n in TRAINING)
        and not any(n.startswith(UNUSED) for n in table)
    )

def test_wav2vec2_is_transformers_own():
    "The encoder's table against the default configuration, which is wav2vec2-base's."
    from transformers import Wav2Vec2Config, Wav2Vec2Model
    with torch.device("meta"):
        peer = Wav2Vec2Model(Wav2Vec2Config())
    own = {plain_name("audio_encoder." + n): tuple(v.shape) for n, v in peer.state_dict().items()}
    assert own.pop("audio_encoder.masked_spec_embed") == (768,)
    assert own == {n: s for n, s in published_shapes().items() if n.startswith("audio_encoder.")} and len(own) == 210

def test_full_size_module_has_the_table():
    with torch.device("meta"):
        net = LamNet()
    assert {plain_name(n): tuple(v.shape) for n, v in net.state_dict().items()} == published_shapes()

def peer(state, audio, style, heads):
    "The network once more, out of functions on the file's tensors: no module, no transformers."
    w = {n: v.double() for n, v in state.items()}
    e = "audio_encoder."
    def norm(x, at):
        return F.layer_norm(x, x.shape[-1:], w[at + ".weight"], w[at + ".bias"])
    def lin(x, at):
        return F.linear(x, w[at + ".weight"], w[at + ".bias"])
    x = audio.double()[:, None]
    for i, s in enumerate((5, 2, 2, 2, 2, 2, 2)):
        x = F.conv1d(x, w[f"{e}feature_extractor.conv_layers.{i}.conv.weight"], stride=s)
        at = f"{e}feature_extractor.conv_layers.0.layer_norm"
        if i == 0:
            x = F.group_norm(x, x.shape[1], w[at + ".weight"], w[at + ".bias"])
        x = F.gelu(x)
    t, n = frames_of(audio.shape[1]), x.shape[2]
    at = torch.arange(t, dtype=torch.float64)*(n - 1)/max(t - 1, 1)
    i = at.floor().long()
    j = (i + 1).clamp(max=n - 1)
    x = (x[..., i]*(1 - at + i) + x[..., j]*(at - i)).mT
    x = lin(norm(x, e + "feature_projection.layer_norm"), e + "feature_projection.projection")
    v, g = (w[f"{e}encoder.pos_conv_embed.conv.weight_{o}"] for o in "vg")
    k = v/v.pow(2).sum((0, 1), keepdim=True).sqrt()*g
    pos = F.conv1d(
        x.mT, k, w[e + "encoder.pos_conv_embed.conv.bias"], padding=k.shape[2]//2, groups=x.shape[2]//k.shape[1]
    )[..., :-1]
    x = norm(x + F.gelu(pos).mT, e + "encoder.layer_norm")
    for i in range(sum(n.endswith("q_proj.bias") for n in w)):
        at = f"{e}encoder.layers.{i}."
        def split(y):
            return y.unflatten(2, (heads, -1)).transpose(1, 2)
        q, k, v = (split(lin(x, f"{at}attention.{o}_proj")) for o in "qkv")
        y = (q @ k.mT/q.shape[-1]**.5).softmax(-1) @ v
        x = norm(x + lin(y.transpose(1, 2).flatten(2), at + "attention.out_proj"), at + "layer_norm")
        x = norm(
            x + lin(F.gelu(lin(x, at + "feed_forward.intermediate_dense")), at + "feed_forward.output_dense"),
            at + "final_layer_norm",
        )
    def block(x, at, again):
        y = norm(F.conv1d(x.mT, w[at + ".conv.weight"], w[at + ".conv.bias"], padding=1).mT, at + ".norm")
        side = at + ".residual_layer.0"
        if again:
            y = y + (
                F.conv1d(x.mT, w[side + ".weight"], w[side + ".bias"], padding=1).mT if side + ".weight" in w else x
            )
        return y.relu()
    x = lin(x, "feature_projection")
    s = F.linear(style.double(), w["identity_encoder.id_mlp.weight"][..., 0], w["identity_encoder.id_mlp.bias"])
    x = torch.cat([x, s[:, None].expand(-1, t, -1)], 2)
    for i in range(3):
        x = block(x, f"identity_encoder.first_net.conv_layers.{i}", True)
    for i in range(3):
        x = block(x, f"decoder.0.{i}", False)
    return lin(x, "output_proj").sigmoid()

@pytest.mark.parametrize("n", [SEEN, 32000, 8001])
def test_forward_equals_an_independent_one(net, folder, n):
    state = load_file(folder/"model.safetensors")
    x = torch.tensor(speech(2*n).reshape(2, n))
    style = torch.eye(5)[[0, 3]]
    with torch.inference_mode():
        got = net(x, style)
    want = peer(state, x, style, SMALL.heads)
    assert got.shape == want.shape == (2, frames_of(n), 52) and (got - want).abs().max() < 1e-4 and want.std() > .01

def test_round_trip(net, lam, folder):
    again = Lam.load(folder, identity=2)
    x = speech(20000)
    assert (again.frames(x) == lam.frames(x)).all() and again.fingerprint == lam.fingerprint
    assert (Lam.load(folder/"model.safetensors", identity=2).frames(x) == lam.frames(x)).all()
    assert set(load_file(folder/"model.safetensors")) == set(published_shapes(SMALL)) and not any(
        p.requires_grad for p in again.net.parameters()
    )

def test_half_precision_files_load(net, folder, lam):
    state = {n: v.half() for n, v in load_file(folder/"model.safetensors").items()}
    meta = sizes(folder)
    save_file(state, folder/"model.safetensors", meta)
    y = Lam.load(folder, identity=2).frames(speech(16000))
    assert y.dtype == np.float32 and np.abs(y - lam.frames(speech(16000))).max() < .02

def sizes(folder):
    with safe_open(folder/"model.safetensors", "pt") as f:
        return f.metadata()

def change(folder, f, meta=None):
    state = load_file(folder/"model.safetensors")
    meta = sizes(folder) if meta is None else meta
    f(state)
    save_file(state, folder/"model.safetensors", meta)

BAD = {
    "missing": (
        lambda s: s.pop("decoder.0.1.norm.weight"),
        None,
        "1 of 82 tensors missing (first: decoder.0.1.norm.weight)",
    ),
    "several": (lambda s: [s.pop(n) for n in list(s) if "first_net" in n], None, "14 of 82 tensors missing"),
    "another shape": (
        lambda s: s.update({"output_proj.weight": torch.zeros(51, 24)}),
        None,
        "1 of another shape (first: output_proj.weight [51, 24] in place of [52, 24])",
    ),
    "unknown": (lambda s: s.update(head=torch.zeros(1)), None, "1 unknown (first: head)"),
    "not a number": (
        lambda s: s["output_proj.bias"].fill_(float("nan")),
        None,
        "output_proj.bias holds values that are no finite numbers",
    ),
    "integers": (
        lambda s: s.update({"output_proj.bias": torch.zeros(52, dtype=torch.int32)}),
        None,
        "output_proj.bias holds values that are no finite numbers",
    ),
    "twice": (lambda s: s.update({"module.output_proj.bias": torch.zeros(52)}), None, "a tensor twice"),
    "no sizes": (lambda s: None, {"format": "pt"}, "of another shape"),
    "broken sizes": (lambda s: None, {"lam": "{"}, "broken sizes"),
    "unknown size": (lambda s: None, {"lam": '{"depth": 3}'}, "unknown key 'depth'"),
    "sizes of words": (lambda s: None, {"lam": "[1]"}, "broken sizes"),
    "no layers": (lambda s: None, {"lam": '{"layers": 0}'}, "layers: 0 is out of range"),
}

@pytest.mark.parametrize("case", BAD)
def test_a_file_that_does_not_fit_is_one_clear_line(folder, case):
    f, meta, said = BAD[case]
    change(folder, f, meta)
    with pytest.raises(CamelsError) as e:
        Lam.load(folder)
    assert said in str(e.value) and "\n" not in str(e.value)

def test_files_that_are_none(folder, tmp_path, monkeypatch, net):
    whole = (folder/"model.safetensors").read_bytes()
    for cut in (0, 5, 100, len(whole)//2, len(whole) - 1):
        (folder/"model.safetensors").write_bytes(whole[:cut])
        with pytest.raises(CamelsError, match="not a whole safetensors file"):
            Lam.load(folder)
    monkeypatch.setenv("CAMELS_CACHE", str(tmp_path/"cache"))
    with pytest.raises(CamelsError, match="0.4 GB, Apache-2.0: hf download 3DAIGC/LAM_audio2exp"):
        create_lipsync("lam")
    with pytest.raises(CamelsError, match="no model.safetensors"):
        Lam.load(tmp_path)
    save_lam(net, tmp_path/"cache/lam")
    assert create_lipsync("lam").identity == 0

def test_no_pickle_is_ever_opened(tmp_path, net, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (Path.write_text, (tmp_path/"sprung", "x"))
    torch.save({"state_dict": Trap()}, tmp_path/"lam_audio2exp_streaming.tar")
    torch.save(net.state_dict(), tmp_path/"renamed.safetensors")
    torch.save(net.state_dict(), tmp_path/"old.safetensors", _use_new_zipfile_serialization=False)
    with tarfile.open(tmp_path/"outer.tgz", "w:gz") as t:
        t.add(tmp_path/"renamed.safetensors", "a.tar")
    for name in ("lam_audio2exp_streaming.tar", "renamed.safetensors", "old.safetensors", "outer.tgz"):
        with pytest.raises(
            CamelsError, match="a pickle, which is not read; convert it once: python tools/lam_to_safetensors.py"
        ):
            Lam.load(tmp_path/name)
    with pytest.raises(
        CamelsError, match="no model.safetensors, but lam_audio2exp_streaming.tar: pickles are not read"
    ):
        Lam.load(tmp_path)
    assert not (tmp_path/"sprung").exists()

@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("lam_to_safetensors", ROOT/"tools/lam_to_safetensors.py")
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return m

def test_the_converter(tool, net, folder, tmp_path, monkeypatch, capsys):
    "On a checkpoint of the official structure: wrappers' prefixes, training's tensors, an archive around it."
    state = load_file(folder/"model.safetensors")
    held = {f"module.backbone.{n}": v for n, v in state.items()} | {
        f"module.backbone.{n}": torch.zeros(2) for n in TRAINING
    }
    inner = tmp_path/"pretrained_models"/"lam_audio2exp_streaming.tar"
    inner.parent.mkdir()
    torch.save({"epoch": 3, "state_dict": held, "best_metric_value": 0.}, inner)
    with tarfile.open(tmp_path/"LAM_audio2exp_streaming.tar", "w:gz") as t:
        t.add(inner, "pretrained_models/lam_audio2exp_streaming.tar")
    monkeypatch.setattr(tool, "published_shapes", lambda: published_shapes(SMALL))
    for file in (inner, tmp_path/"LAM_audio2exp_streaming.tar"):
        out = tmp_path/file.stem
        assert tool.main([str(file), str(out)]) == 0 and "82 tensors" in capsys.readouterr().out
        got = load_file(out/"model.safetensors")
        assert got.keys() == state.keys() and all((got[n] == state[n]).all() for n in state)
    monkeypatch.undo()
    assert (
        tool.main([str(inner), str(tmp_path/"wrong")]) == 2
        and "of another shape" in capsys.readouterr().err
        and not (tmp_path/"wrong").exists()
    )

def test_the_converter_runs_no_code(tool, tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (Path.write_text, (tmp_path/"sprung", "x"))
    torch.save({"state_dict": {"a": Trap()}}, tmp_path/"evil.tar")
    (tmp_path/"text.tar").write_text("no weights")
    torch.save([1], tmp_path/"list.tar")
    for name, said in (
        ("evil.tar", "weights only"),
        ("text.tar", "weights only"),
        ("list.tar", "missing"),
        ("none.tar", "no such file"),
    ):
        assert tool.main([str(tmp_path/name), str(tmp_path/"out")]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1, err
    assert not (tmp_path/"sprung").exists() and not (tmp_path/"out").exists()

def test_the_project_unpickles_nowhere_else():
    for f in [*(ROOT/"camels").rglob("*.py"), ROOT/"tools/lam_to_safetensors.py"]:
        for line in f.read_text(encoding="utf-8").splitlines():
            if "torch.load(" in line:
                assert "weights_only=True" in line, f

def test_output(lam):
    x = speech(50000)
    w = lam.frames(x)
    assert w.shape == (frames_of(50000), 52) and w.dtype == np.float32 and w.min() >= 0 and w.max() <= 1
    with torch.inference_mode():
        raw = lam.net(torch.tensor(x)[None], torch.eye(5)[2:3])[0].numpy()
    assert all((w[:, i] == raw[:, ORDER.index(n)]).all() for i, n in enumerate(ARKIT))

@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=12), st.sampled_from([1, 3, 10, 30, 64]))
def test_stream_equals_batch_for_any_chunks(lam, cuts, hop):
    if sum(cuts) > 16000 and hop == 1:
        cuts = cuts[:2]
    x = speech(sum(cuts), 3)
    s, parts, at = lam.stream(hop), [], 0
    for c in cuts:
        parts.append(s.push(x[at:at + c]))
        at += c
        assert sum(map(len, parts)) <= frames_of(at)
    got = np.concatenate([*parts, s.finish()])
    want = lam.windowed(x, hop)
    assert got.shape == want.shape == (frames_of(len(x)), 52) and (not len(got) or np.abs(got - want).max() < 1e-5)
    assert len(s.finish()) == 0 and len(s.sound) <= SEEN + first_sample(hop) + 9000

def test_stream_within_its_window_is_the_network(lam):
    "Sound that fills the window exactly: the last frames of one run over it."
    x = speech(first_sample(WINDOW))
    assert len(x) == SEEN
    assert np.abs(lam.stream(64, eased=False).push(x) - lam.run(x[None])[0]).max() < 1e-5
    two = lam.windowed(x, 16, eased=False)
    assert np.abs(two[-16:] - lam.run(x[None])[0, -16:]).max() < 1e-5

def test_a_frame_waits_for_its_hop_only(lam):
    s = lam.stream(3)
    assert len(s.push(np.zeros(1599, np.float32))) == 0 and len(s.push(np.zeros(1, np.float32))) == 3

def test_steps_are_joined(lam):
    x = speech(48000)
    hard, soft = (lam.windowed(x, 15, eased=o) for o in (False, True))
    join = slice(14, None, 15)
    def jump(w):
        return np.abs(np.diff(w, axis=0)).max(1)[join].mean()
    assert jump(soft) < jump(hard) and (soft[5:15] == hard[5:15]).all() and np.allclose(soft[0], hard[0]/4, atol=1e-6)

def test_long_recordings_in_blocks(lam):
    x = speech(first_sample(2*BLOCK + 2*CONTEXT) + 333)
    calls, run = [], lam.run
    lam.run = lambda v: (calls.append(v.shape), run(v))[1]
    try:
        w = lam.frames(x)
    finally:
        del lam.run
    assert (
        w.shape == (frames_of(len(x)), 52)
        and max(n for _, n in calls) <= first_sample(BLOCK + 2*CONTEXT)
        and w.min() >= 0
        and w.max() <= 1
    )
    left, right = (
        lam.run(x[None, :first_sample(BLOCK + CONTEXT)])[0],
        lam.run(x[None, first_sample(BLOCK - CONTEXT):first_sample(2*BLOCK + CONTEXT)])[0],
    )
    # half of each at the seam
    assert (
        np.abs(w[BLOCK] - (left[BLOCK] + right[CONTEXT])/2).max() < 1e-6
        and np.abs(w[BLOCK] - left[BLOCK]).max() > 1e-4
    )
    one = np.abs(np.diff(lam.frames(x[:first_sample(BLOCK)]), axis=0)).max()
    assert np.abs(np.diff(w, axis=0)).max() < 1.5*one

@pytest.mark.parametrize("sr, fps", [(8000, 30), (16000, 24), (22050, 25), (44100, 29.97), (48000, 60)])
def test_from_audio(lam, sr, fps):
    n = round(1.5*fps)
    w = lam.from_audio(np.interp(np.arange(2*sr)/sr, np.arange(32000)/16000, speech(32000)), sr, n, fps)
    assert w.shape == (n, 52) and w.dtype == np.float32 and w.min() >= 0 and w.max() <= 1 and w.std() > 0
    want = lam.from_audio(speech(32000), 16000, n, fps)
    jaw = index("jawOpen")
    assert sr < 16000 or np.abs(w[:, jaw] - want[:, jaw]).mean() < .1

def test_bad_sound(lam):
    assert lam.from_audio(np.zeros(0, np.float32), 16000, 30, 30).shape == (30, 52) and lam.from_audio(
        speech(99), 16000, 0, 30
    ).shape == (0, 52)
    mouth = [index(n) for n in ("jawOpen", "mouthClose", "mouthFunnel")]
    assert lam.from_audio(np.zeros(16000, np.float32), 16000, 30, 30)[4:-4, mouth].max() <= .11   # silence: shut
    assert lam.from_audio(np.clip(speech(16000)*50, -1, 1), 16000, 30, 30).max() <= 1
    for bad, said in ((np.zeros((9, 2)), "one channel"), (np.full(9, np.nan), "NaN")):
        for f in (lambda v: lam.from_audio(v, 16000, 9, 30), lam.frames, lam.windowed, lam.stream().push):
            with pytest.raises(CamelsError, match=said):
                f(bad)
    for sr, n, fps in ((0, 9, 30), (16000, 9, 0), (16000, -1, 30), (16000, 9, float("nan"))):
        with pytest.raises(CamelsError, match="give rates above 0"):
            lam.from_audio(speech(99), sr, n, fps)
    with pytest.raises(CamelsError, match="needs the sound"):
        lam.track([], 9, 30)
    for k in (-1, 5):
        with pytest.raises(CamelsError, match="give 0 … 4"):
            Lam(lam.net, identity=k)
    for hop in (0, 65):
        with pytest.raises(CamelsError, match="1 … 64"):
            lam.stream(hop)

def test_registered(folder):
    assert "lam" in list_lipsyncs() and isinstance(create_lipsync("lam", source=folder), Lam) and Lam.hears == "audio"

def test_steady_equals_scipy():
    signal = pytest.importorskip("scipy.signal")
    w = np.random.default_rng(0).uniform(.3, .7, (40, 52))
    assert np.abs(steady(w) - signal.savgol_filter(w, 5, 2, axis=0, mode="mirror").clip(0, 1)).max() < 1e-6

def test_short_silences_do_not_shut_the_mouth():
    w = np.full((30, 52), .5, np.float32)
    loud = np.full(30, .1, np.float32)
    loud[10:16] = 0
    assert (rest_mouth(w, loud) == w).all()
    loud[16] = 0
    x = rest_mouth(w, loud)[:, index("jawOpen")]
    assert (
        (x[:10] == .5).all()
        and (x[17:] == .5).all()
        and x[13] == pytest.approx(.05)
        and (rest_mouth(w, loud)[:, index("browInnerUp")] == .5).all()
    )
    assert level(np.full(16000, .5), 30) == pytest.approx(.5, rel=.6) and level(np.zeros(0), 3).tolist() == [0, 0, 0]

def test_polish_is_even():
    w = polish(np.random.default_rng(0).uniform(0, 1, (20, 52)).astype(np.float32), np.ones(20, np.float32))
    for n in ARKIT:
        if n.endswith("Left"):
            assert (w[:, index(n)] == w[:, index(n[:-4] + "Right")]).all()
    assert w[:, index("eyeBlinkLeft")].max() == 0 and w.max() <= 1
