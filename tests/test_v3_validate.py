"""The exam of V3: every defect that is planted into a good performer must be found, and by the finding that it
belongs to."""
import json

import numpy as np
import pytest

from camels.face.arkit import GROUPS, index
from camels.core import EMOTIONS, CamelsError, cache_dir
from camels.face.condition import condition
from camels.face.channels import lip_gap
from camels.recipes.v3 import validate as suite, watched as real
from camels.recipes.v3.exam import Amount, exam, findings
from camels.recipes.v3.lips import lag, pearson
from camels.recipes.v3.performers import Knowing, envelope
from camels.recipes.v3.sayings import test_sayings as sayings
from camels.recipes.v3.validate import validate
from camels.recipes.v3.watched import measured_opening, real_clips, track_r, watched

LIPS, EXPR = ([index(n) for n in GROUPS[g]] for g in ("LIPSYNC", "EXPRESSION"))
AMOUNT = Amount(6, 4, 3)


@pytest.fixture(scope="module")
def good():
    "The rules that know the phones of what is said here, and hear those of the other sounds."
    return Knowing([*sayings(AMOUNT.sayings), *sayings(AMOUNT.texts, True)])


def missed(performer):
    return {r.what.split(",")[0].split(" in ")[0] for r in findings(exam(performer, AMOUNT)) if r.met is False}


def test_the_rules_pass(good):
    assert missed(good) <= {"overshoot beyond the ends and rest"}


def late(f):
    return lambda audio, cond: np.roll(f(audio, cond), 4, 0)
def lisping(f):
    def shown(audio, cond):
        y = f(audio, cond)
        y[:, LIPS[4]] = 0
        y[:, index("jawOpen")] += .1
        return y.clip(0, 1)
    return shown
def leaky(f):
    def shown(audio, cond):
        y = f(audio, cond)
        y[:, LIPS] += .1*(1 - cond[:, :1])
        return y.clip(0, 1)
    return shown
def confused(f):
    return lambda audio, cond: f(audio, np.concatenate([np.roll(cond[:, :16], 1, 1), cond[:, 16:]], 1))
def shaking(f):
    def shown(audio, cond):
        y = f(audio, cond)
        y[:, EXPR] += np.random.default_rng(0).normal(0, .2, (len(y), 22))
        return y.clip(0, 1)
    return shown
def cutting(f):
    "Goes over to the next mood at once, where the middle of the crossfade is."
    def shown(audio, cond):
        return f(
            audio,
            np.stack([
                min((condition(e) for e in EMOTIONS), key=lambda o: np.abs(o[:16] - c[:16]).sum()) for c in cond
            ])
            if np.ptp(cond, 0).max() > .5
            else cond,
        )
    return shown


@pytest.mark.parametrize(
    "fault, finding",
    [
        (late, "jaw's lag on unseen voices"),
        (lisping, "lips closed at 15 bilabials"),
        (leaky, "condition's change of LIPSYNC channels"),
        (confused, "emotions named rightly"),
        (confused, "error of the preset on EXPRESSION"),
        (shaking, "variance of an EXPRESSION channel over sounds"),
        (shaking, "largest step on EXPRESSION"),
        (cutting, "mood's largest step"),
    ],
)
def test_a_fault_is_found(good, fault, finding):
    found = missed(fault(good))
    assert any(f.startswith(finding.split(" at ")[0]) for f in found), found


def test_what_a_network_does_to_the_sound_of_another_text_is_the_null(good):
    lips = exam(good, AMOUNT).lips
    assert (
        max(np.abs(lips.lags)) == 0
        and np.mean(lips.r) > .999
        and lips.null_r < .6
        and lips.null_closed < np.mean(lips.closed)
    )


def test_the_measured_opening_is_the_drawn_one(tmp_path, monkeypatch):
    from camels.face.render import Renderer
    from camels.media.write import write_video
    monkeypatch.setenv("CAMELS_CACHE", str(tmp_path/"cache"))
    w = np.zeros((60, 52), np.float32)
    w[:, index("jawOpen")] = .5*np.abs(np.sin(np.arange(60)/6))
    r = Renderer(size=320)
    # 2.4 s at 25 frames a second
    write_video(tmp_path/"x.mp4", [r.render(x) for x in w], 25, np.zeros(38400, np.float32), 16000)
    o = measured_opening(tmp_path/"x.mp4")
    assert o.dtype == np.float32 and len(o) == 72 and np.isfinite(o).all()
    at = np.arange(72)/30*25
    want = np.interp(at, np.arange(60), lip_gap(w))
    assert track_r(o, want) > .97 and lag(o, want)[0] == 0
    kept = list((cache_dir()/"v3").glob("points-*.npy"))
    assert len(kept) == 1
    seen = np.load(kept[0], allow_pickle=False)
    seen[:, 1 + 3*13 + 1] -= 50
    np.save(kept[0], seen)
    assert (measured_opening(tmp_path/"x.mp4") > o + .2).all()   # not measured again
    write_video(tmp_path/"wall.mp4", [np.full((64, 64, 3), 90, np.uint8)]*10, 25, np.zeros(6400, np.float32), 16000)
    with pytest.raises(CamelsError, match="no face"):
        measured_opening(tmp_path/"wall.mp4")
    # what shows no face is left out
    assert [c.name for c in watched(tmp_path, held_out=False)] == ["x"]


def test_absent_data_is_said_and_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(real, "shared_data", lambda *_: None)
    said = []
    assert real_clips(2, said.append) == {} and sum("is not here" in s for s in said) == 2
    with pytest.raises(CamelsError, match="not a folder"):
        (tmp_path/"f").touch()
        validate(out=tmp_path/"f", tell=None, performer=envelope)


def test_the_report_is_json_without_gaps(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "real_clips", lambda *_: {})
    rows = validate(out=tmp_path/"r", tell=None, amount=AMOUNT, performer=envelope)
    text = (tmp_path/"r"/"report.json").read_text()
    report = json.loads(text, parse_constant=lambda c: pytest.fail(c))
    assert (
        [r["met"] for r in report["rows"]] == [r.met for r in rows]
        and report["amount"]["sounds"] == 6
        and str(tmp_path) not in text
    )
    for name in ("mood.png", "lips.png"):
        assert (tmp_path/"r"/name).read_bytes()[:4] == b"\x89PNG"


def test_pearson_and_lag():
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    b = rng.normal(size=200)
    assert abs(pearson(a, b) - np.corrcoef(a, b)[0, 1]) < 1e-12 and pearson(a, 3*a + 2) > .999999
    for k in (-7, 0, 5):
        assert lag(np.roll(a, k), a)[0] == k
    with pytest.raises(CamelsError):
        lag(a[:2], a[:2])
