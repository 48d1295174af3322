"""What is a speaker's own is taken out without labels or the future; tables, latents and probes know of it."""
import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camels import cli
from camels.core import CamelsError, WindowConfig
from camels.data.clips import shared_data
from camels.data.encode import encode
from camels.data.features import batch, load_features, normalised, subset, toy_features
from camels.encoders.core import create_encoder
from camels.encoders.speaker import SpeakerStats, by_speaker, marked, people, restored, typical
from camels.latent.probes import clip_vectors, emotion_probe, halves, person_probes, raw_view, speaker_probe
from camels.latent.space import LatentSpace, describe
from camels.media.clips import Clip, window_starts, write_clips
from camels.media.sound import read_audio
from camels.media.write import write_audio

SR = 16000

# The statistics

@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 40), st.booleans())
def test_the_causal_form_sees_no_future(seed, n, cut, known):
    g = np.random.default_rng(seed)
    x, mask, who = 10**g.uniform(-3, 4)*g.normal(size=(n, 3)), g.random(n) < .7, g.integers(0, 3, n)
    prior = (np.ones(3), np.full(3, 2.)) if known else None
    before = by_speaker(x, mask, who, prior, causal=True)
    later = x.copy()
    later[cut:] = g.normal(size=later[cut:].shape)*1e3
    after = by_speaker(later, mask, who, prior, causal=True)
    assert np.array_equal(before[:cut], after[:cut])
    assert np.isfinite(before).all() and not before[~mask].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_at_the_end_both_forms_know_the_same(seed, n):
    g = np.random.default_rng(seed)
    x, mask = g.normal(5, 3, (n, 2)), g.random(n) < .8
    mask[-1] = True
    whole, causal = (by_speaker(x, mask, np.zeros(n), causal=c) for c in (False, True))
    np.testing.assert_allclose(whole[-1], causal[-1], atol=1e-4)


def test_a_live_voice_gets_the_numbers_of_the_table():
    x, mask = np.random.default_rng(0).normal(200, 30, (30, 4)), np.arange(30) % 5 > 0
    prior = (np.full(4, 150.), np.full(4, 20.))
    stats = SpeakerStats(4, prior)
    live = []
    for row, real in zip(x, mask):
        live.append(stats.push(row, real))
        stats = restored(json.loads(json.dumps(stats.state())))   # a talk that is put down and taken up
    np.testing.assert_allclose(live, by_speaker(x, mask, np.zeros(30), prior, causal=True), atol=1e-5)


def test_a_live_row_without_numbers_is_not_learnt():
    stats = SpeakerStats(2).learn(np.ones((3, 2)))
    assert not stats.push(np.array([np.nan, 1.])).any() and stats.n == 3 and np.isfinite(stats.mean).all()


@pytest.mark.parametrize("how", ["speaker", "speaker-causal"])
def test_the_order_of_rows_changes_nothing(how):
    fs = toy_features(120)
    order = np.random.default_rng(0).permutation(len(fs))
    there, back = normalised(fs, how).x, normalised(subset(fs, order), how).x
    for m in there:
        np.testing.assert_allclose(there[m][order], back[m], atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_masked_rows_and_rows_without_numbers_count_for_nothing(causal):
    g = np.random.default_rng(0)
    x, mask, who = g.normal(size=(20, 3)), np.arange(20) % 4 > 0, np.arange(20) % 2
    spoilt = np.where(mask[:, None], x, np.nan)
    spoilt[5] = np.inf                                             # real by its mask, but no number
    clean = mask.copy()
    clean[5] = False
    out = by_speaker(spoilt, mask, who, causal=causal)
    assert np.array_equal(out, by_speaker(x, clean, who, causal=causal)) and not out[5].any()
    assert not by_speaker(x, np.zeros(20, bool), who).any()


@pytest.mark.parametrize("prior", [None, (np.zeros(3), np.zeros(3)), (np.zeros(3), np.ones(3))])
def test_a_single_window_and_a_voice_that_never_moves_are_finite(prior):
    out = by_speaker(np.array([[1., 2., 3.]]), np.array([True]), np.array(["a"]), prior)
    still = by_speaker(np.full((9, 3), 7.), np.ones(9, bool), np.zeros(9), prior)
    assert np.isfinite(out).all() and np.isfinite(still).all()
    if prior is None:
        assert not out.any() and not still.any()


def test_names_are_people_within_a_corpus():
    who = people(["ann", "ann", "ann", "", None], list("vwxyz"), ["grid", "grid", "mead", "", ""])
    assert who[0] == who[1] and len(set(who)) == 4                 # two dialogues, one Ann; two corpora, two
    fs = toy_features(80)
    rows = np.flatnonzero(fs.ids["speaker"] == "toy00")
    one = subset(fs, rows)
    other = subset(fs, rows)
    other.x["prosody"] = other.x["prosody"]*2 + 500
    both = replace(one, ids={k: np.concatenate([v, v]) for k, v in one.ids.items()},
                   x={k: np.concatenate([v, other.x[k]]) for k, v in one.x.items()},
                   mask={k: np.concatenate([v, v]) for k, v in one.mask.items()}, phone_x=None)
    n = len(rows)
    both.ids["corpus"] = np.array(["a"]*n + ["b"]*n, object)
    both.ids["clip"] = np.array([f"{c}{'ab'[i >= n]}" for i, c in enumerate(both.ids["clip"])], object)
    apart = normalised(both, "speaker").x["prosody"]
    np.testing.assert_allclose(apart[:n], apart[n:], atol=1e-3)
    both.ids["corpus"][:] = "a"
    both.ids["dialogue"] = both.ids["corpus"].copy()
    both.ids["dialogue"][n:] = "another"
    assert np.abs(normalised(both, "speaker").x["prosody"][:n] - apart[:n]).max() > .5


@pytest.mark.parametrize("bad", [
    {}, [], None, dict(n=None), dict(mean="x"), dict(n=-1), dict(squares=[-1.]), dict(mean=[0., 1.]),
    dict(weights=None), dict(weights=[1.]), dict(weights=[1., -1.]), dict(mean=[float("nan")]), dict(typical=[[0.]]),
])
def test_broken_statistics_are_one_line(bad):
    sound = SpeakerStats(1).learn(np.ones((2, 1))).state()
    assert restored(sound).n == 2
    with pytest.raises(CamelsError, match="statistics of a speaker"):
        restored(sound | bad if isinstance(bad, dict) and bad else bad)


def test_what_is_typical_fits_the_shipped_encoders():
    for name in ("prosody22", "prosody_contour", "facemesh_landmarks"):
        card = create_encoder(name).card
        mean, spread = typical(card)
        assert mean.shape == spread.shape == (card["d_out"],) and (spread > 0).all()
        assert typical(card | dict(version="0")) is None

# Tables and latents

def voice(seed, hz, s=4.):
    g = np.random.default_rng(seed)
    t = np.arange(int(s*SR))/SR
    f0 = hz*(1 + .1*np.sin(2*np.pi*g.uniform(.5, 2)*t))
    x = sum(np.sin(2*np.pi*k*np.cumsum(f0)/SR)/k for k in range(1, 8))
    return (.1*x*(1 + .5*np.sin(2*np.pi*3*t)) + g.normal(0, .002, len(t))).astype(np.float32)

@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    "Three clips each of a low and of a high voice."
    home = tmp_path_factory.mktemp("talks")
    clips = []
    for i in range(6):
        write_audio(home/f"{i}.wav", voice(i, (110, 220)[i % 2]), SR)
        clips.append(Clip(f"c{i}", str(home/f"{i}.wav"), speaker=("lo", "hi")[i % 2], split="train"))
    write_clips(home/"clips.jsonl", clips)
    return home

HOW = dict(video="none", phoneme="none")

@pytest.fixture
def run(monkeypatch, capsys):
    "The command line in this process."
    def call(*args):
        monkeypatch.setattr("sys.argv", ["camels", *map(str, args)])
        with pytest.raises(SystemExit) as e:
            cli.main()
        return e.value.code, capsys.readouterr().err
    return call

@pytest.fixture(scope="module")
def tables(talks):
    for how in ("none", "speaker", "speaker-causal"):
        encode([talks/"clips.jsonl"], talks/f"{how}.lance", HOW, jobs=1, normalise=how)
    return talks


def test_a_marked_table_is_the_raw_one_normalised(tables):
    raw = load_features(tables/"none.lance")
    for how in ("speaker", "speaker-causal"):
        own = load_features(tables/f"{how}.lance")
        assert np.array_equal(own.x["prosody"], normalised(raw, how).x["prosody"])
        assert own.encoders == normalised(raw, how).encoders and own.fingerprint != raw.fingerprint
    assert np.abs(load_features(tables/"speaker.lance").x["prosody"]).max() <= 10


def test_who_speaks_is_gone_from_the_pitch(tables):
    raw, own = (load_features(tables/f"{n}.lance") for n in ("none", "speaker"))
    low = raw.ids["speaker"] == "lo"
    def gap(fs):
        f0 = fs.x["prosody"][:, 0]
        return abs(f0[low].mean() - f0[~low].mean())
    spread = typical(raw.encoders["prosody"])[1][0]
    assert gap(raw)/spread > 5 and gap(own) < 1


def test_a_table_made_in_two_calls_is_the_same(tables, tmp_path):
    encode([tables/f"{i}.wav" for i in range(3)], tmp_path/"f.lance", HOW, jobs=1, normalise="speaker")
    encode([tables/f"{i}.wav" for i in range(6)], tmp_path/"f.lance", HOW, jobs=1, normalise="speaker")
    encode([tables/f"{i}.wav" for i in range(6)], tmp_path/"g.lance", HOW, jobs=1, normalise="speaker")
    a, b = (load_features(tmp_path/f"{n}.lance") for n in "fg")
    order = [np.lexsort((fs.ids["window"], fs.ids["clip"].astype(str))) for fs in (a, b)]
    np.testing.assert_allclose(a.x["prosody"][order[0]], b.x["prosody"][order[1]], atol=1e-5)


def test_a_table_goes_on_in_its_own_kind_only(tables, run):
    at = tables/"speaker.lance"
    code, err = run("encode", tables/"clips.jsonl", "--out", at, "--video", "none", "--phoneme", "none")
    assert code == 2 and "normalised by speaker, not by none" in err and "--normalise speaker" in err
    assert len(err.strip().splitlines()) == 1
    code, err = run("encode", tables/"clips.jsonl", "--out", at, "--video", "none", "--phoneme", "none",
                    "--normalise", "speaker", "--json")
    assert code == 0, err
    code, err = run("encode", tables/"clips.jsonl", "--out", tables/"new.lance", "--normalise", "speakr")
    assert code == 2 and "unknown normalisation 'speakr'" in err and not (tables/"new.lance").exists()


def test_a_latent_refuses_features_of_the_other_kind():
    raw = toy_features(60)
    kinds = {how: normalised(raw, how) for how in ("none", "speaker", "speaker-causal")}
    for mine, a in kinds.items():
        like = batch(a, np.arange(4))
        latent = LatentSpace(describe(like, a.modalities, labels=a.labels, encoders=a.encoders, d_latent=16))
        for other, b in kinds.items():
            if mine == other:
                latent.check_encoders(b.encoders)
                continue
            with pytest.raises(CamelsError, match="but the latent was trained on"):
                latent.check_encoders(b.encoders)

# Probes

def test_windows_of_one_clip_are_on_one_side():
    g = np.random.default_rng(0)
    clip = np.repeat(np.arange(30), 7)
    who, text = clip//5, np.array([f"say {c % 5}" for c in clip])
    for said in (None, text):
        half = halves(who, clip, said)
        assert all(len(set(half[clip == c])) == 1 for c in range(30))
    assert all(len(set(half[text == t])) == 1 for t in set(text))
    noise = g.normal(size=(210, 8)) + 5*g.normal(size=(30, 8))[clip]   # each clip has a room of its own, no speaker has
    told = speaker_probe(noise, who, clip)
    assert told["uar"] < told["chance"] + .2


def test_emotion_is_not_learnt_from_those_who_are_measured():
    g = np.random.default_rng(0)
    who = np.repeat(np.arange(8), 20)
    mood = g.integers(0, 2, 160)
    private = g.normal(size=(8, 2, 40))[who, mood] + .1*g.normal(size=(160, 40))   # everyone has their own way
    told = emotion_probe(private, mood.astype(str), who)
    assert abs(told["uar"] - .5) < .2
    known = emotion_probe(private, mood.astype(str), who, train=(private, mood.astype(str), who))
    assert known is None                                            # nobody is left to learn from


@pytest.mark.parametrize("x", [np.zeros((60, 4)), np.ones((60, 4)), np.full((60, 4), np.nan)])
def test_collapsed_latents_are_told_by_chance(x):
    fs = toy_features(60)
    found = person_probes(fs, (np.arange(60), {"video": x}, {"video": np.isfinite(x).all(1)}))
    for kind in found.values():
        for f in kind.values():
            assert f["uar"] == pytest.approx(f["chance"])
    one = np.arange(1)
    assert person_probes(fs, (one, {"video": x[:1]}, {"video": np.ones(1, bool)})) == dict(speaker={}, emotion={})


@pytest.fixture(scope="module")
def ocean():
    "Prosody of eight utterances each of forty speakers whom nothing was counted from."
    root = shared_data("speechocean762")
    if root is None:
        pytest.skip("speechocean762 is not here")
    with open(root/"train.tsv", encoding="utf-8") as f:
        rows = list(csv.reader(f, delimiter="\t"))[1:]
    enc, feats = create_encoder("prosody_contour", window=WindowConfig()), []
    for who in sorted({r[1] for r in rows})[1:80:2]:
        for r in [r for r in rows if r[1] == who][:8]:
            x = read_audio(root/f"audio/{r[0]}.opus", SR)
            feats.append((enc.encode(x, window_starts(len(x)/SR, enc.window)), who, r[0], r[2]))
    x, mask = (np.concatenate([getattr(f, k) for f, *_ in feats]) for k in ("x", "mask"))
    return enc.card, x, mask, *(np.concatenate([[o[k]]*len(o[0]) for o in feats]) for k in (1, 2, 3))


def test_who_speaks_is_told_half_as_well_without_their_own_mean_and_spread(ocean):
    card, x, mask, who, clip, text = ocean
    def told(x):
        v = clip_vectors(x, mask, clip)
        return speaker_probe(v.x, who[v.first], v.clip, text[v.first])
    raw, own, live = (told(o) for o in (x, *(by_speaker(x, mask, who, typical(card), causal=c) for c in (False, True))))
    print(f"speaker told of {raw['n_classes']}: raw {raw['uar']:.3f}, own {own['uar']:.3f}, live {live['uar']:.3f}")
    assert raw["ci"][0] > 10*raw["chance"] and abs(raw["shuffled"] - raw["chance"]) < .05
    assert own["uar"] < raw["uar"]/2 and live["uar"] < raw["uar"]/2
