"Tagged text to a condition, lips that meet under every emotion, idle life: properties, and fifty spoken sentences."
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from camels.bench.face import SENTENCES, VOICES
from camels.face.arkit import ARKIT, GROUPS, index
from camels.core import EMOTIONS, CamelsError
from camels.face.anchors import anchors
from camels.face.condition import condition
from camels.face.channels import CLOSED, KEEP, Idle, add_idle, emotion_share, lip_gap, merge, speech_gate
from camels.face.mesh import base_mesh
from camels.face.shapes import basis
from camels.face.timeline import Segment, TimelineStream, crossfade, parse_tags, time_segments, timeline
from camels.face.lipsync import (
    CHANNELS, Dominance, channel_weights, create_lipsync, loudness_track, segments, viseme_table,
)
from camels.voice.core import Phone, create_voice

few = settings(max_examples=40, deadline=None)
def ids(group):
    return [index(o) for o in GROUPS[group]]
spans = st.lists(st.floats(0, 3) | st.just(0.) | st.floats(0, .05), min_size=1, max_size=12)


def row(lengths, seed=0):
    "Segments of these lengths, one after another."
    rng, ends = np.random.default_rng(seed), np.cumsum([0, *lengths])
    return [
        Segment(EMOTIONS[rng.integers(16)], tuple(rng.uniform(-1, 1, 3)), "x", float(a), float(b))
        for a, b in zip(ends, ends[1:])
    ]


def spent_s(work, times=4):
    "Least processor time of a few tries: other processes do not count."
    def once():
        t = time.process_time()
        work()
        return time.process_time() - t
    return min(once() for _ in range(times))


def plain(segs, t, f=.8):
    "The formula as it is written, one frame and one segment after another."
    def step(x):
        return (lambda u: 3*u**2 - 2*u**3)(min(max((x + 1)/2, 0), 1))
    b = [-np.inf] + [s.start_s for s in segs[1:]] + [np.inf]
    return np.array([
        sum(
            (step((x - b[i])/f) - step((x - b[i+1])/f))*condition(s.emotion, s.vad).astype(float)
            for i, s in enumerate(segs)
        )
        for x in t
    ])


# ---------------------------------------------------------------- timeline

@few
@given(spans, st.sampled_from([25., 30., 60.]), st.integers(0, 99))
def test_weights_are_a_partition_and_equal_the_formula(lengths, fps, seed):
    segs = row(lengths, seed)
    n = int((sum(lengths) + 2)*fps)
    c = timeline(segs, n, fps)
    assert c.shape == (n, 19) and c.dtype == np.float32
    assert c[:, :16].min() >= 0 and np.abs(c[:, :16].sum(1) - 1).max() < 1e-5 and np.abs(c[:, 16:]).max() <= 1
    assert np.abs(c - plain(segs, np.arange(n)/fps)).max() < 1e-5


@few
@given(spans, st.integers(0, 99))
def test_value_and_slope_are_continuous(lengths, seed):
    segs = row(lengths, seed)
    h = 1e-3
    t = np.arange(-1, sum(lengths) + 2, h)
    w = crossfade([s.start_s for s in segs], np.eye(len(segs)), t).astype(float)
    assert np.abs(np.diff(w, axis=0)).max() <= 2*.75/.8*h + 1e-6          # two boundaries may pull at one segment
    slope = np.diff(crossfade([s.start_s for s in segs], np.eye(len(segs)), t[::8]).astype(float), axis=0)/(8*h)
    # curvature is bounded, so the slope has no jump
    assert np.abs(np.diff(slope, axis=0)).max() <= 2*1.5/.8**2*8*h + 1e-3


@few
@given(spans, st.integers(0, 99))
def test_a_segment_has_the_area_of_its_duration(lengths, seed):
    segs = row([2., *lengths, 2.], seed)
    t = np.arange(-1, sum(lengths) + 6, 1/240)
    area = crossfade([s.start_s for s in segs], np.eye(len(segs)), t).sum(0)/240
    assert np.abs(area[1:-1] - lengths).max() < 5e-3


@few
@given(spans, st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(0, 99))
def test_stream_equals_batch_in_any_chunks(lengths, chunks, seed):
    segs = row([1., *lengths], seed)
    s = TimelineStream(cond=condition(segs[0].emotion, segs[0].vad))
    todo, got = segs[1:], []
    for k in chunks:
        while todo and todo[0].start_s <= (s.frame + k - 1)/30 + .8:
            s.change(condition(todo[0].emotion, todo[0].vad), todo.pop(0).start_s)
        got.append(s.step(k))
    assert np.array_equal(np.concatenate(got), timeline(segs, sum(chunks)))


@few
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 15)), min_size=1, max_size=20))
def test_a_change_at_any_moment_is_smooth(turns):
    s, got = TimelineStream(), []
    for wait, e in turns:
        got.append(s.step(wait))
        s.change(condition(EMOTIONS[e]))
    got.append(s.step(60))
    w = np.concatenate(got)
    assert np.abs(np.diff(w[:, :16], axis=0)).max() < .75/.8/30 + 1e-5 and np.abs(w[:, :16].sum(1) - 1).max() < 1e-5
    assert w[-1, turns[-1][1]] == 1 and len(s.starts) <= 2


def test_thousands_of_segments_crossing_each_other():
    segs, some = row([.01]*5000), np.arange(1800)[::150]/30
    c, wanted = timeline(segs, 1800), plain(segs, some)
    assert np.abs(c[:, :16].sum(1) - 1).max() < 1e-4 and np.abs(c[::150] - wanted).max() < 1e-4
    # all frames take less than twelve of them by the formula
    assert spent_s(lambda: timeline(segs, 1800)) < spent_s(lambda: plain(segs, some))


def test_far_faster_than_the_formula():
    segs = row([3.]*3000)
    timeline(segs, 1000)
    formula_s = spent_s(lambda: plain(segs[:9], np.arange(300)/30))*270_000/300   # of nine segments only
    assert spent_s(lambda: timeline(segs, 270_000)) < formula_s/30


@pytest.mark.parametrize("bad", [dict(fade_s=0), dict(fps=float("nan")), dict(fade_s=float("inf"))])
def test_bad_settings(bad):
    with pytest.raises(CamelsError, match="not a positive number"):
        timeline(row([1, 2]), 9, **bad)
    with pytest.raises(CamelsError):
        TimelineStream(**bad)


def test_bad_times_and_conditions():
    with pytest.raises(CamelsError, match="not in order"):
        timeline(row([1, 2])[::-1], 9)
    with pytest.raises(CamelsError, match="no segments"):
        timeline([], 9)
    for bad in (np.zeros(18), np.zeros(19), np.full(19, np.nan), condition("joy")*2):
        with pytest.raises(CamelsError, match="condition"):
            TimelineStream().change(bad)
    s = TimelineStream()
    s.step(30)
    with pytest.raises(CamelsError, match="earliest"):
        s.change(condition("joy"), 1.)
    with pytest.raises(CamelsError):
        s.change(condition("joy"), float("nan"))


# ---------------------------------------------------------------- tags

words = st.text(st.sampled_from("abc dé,.!\n\t[]\\ 漢🙂"), min_size=1, max_size=20).filter(str.strip)
def escape(s):
    return "".join("\\" + o if o in "[]\\" else o for o in s)


@few
@given(
    st.lists(st.tuples(st.sampled_from(EMOTIONS[1:]), st.integers(0, 100), words), min_size=1, max_size=8),
    st.none() | words,
)
def test_what_is_written_is_read(parts, before):
    got = parse_tags((escape(before) if before else "") + "".join(f"[{e}:{i}]{escape(s)}" for e, i, s in parts))
    if before:
        assert (got[0].emotion, got[0].text) == ("neutral", before.strip())
        got = got[1:]
    assert [(s.emotion, s.text) for s in got] == [(e, s.strip()) for e, _, s in parts]
    assert all(
        np.isnan(s.start_s) and np.allclose(s.vad, condition(s.emotion, None, i/100)[16:], atol=1e-5)
        for s, (_, i, _) in zip(got, parts)
    )


@few
@given(st.text(st.sampled_from("[]\\:=,.vad joy7-\n") , max_size=40))
def test_any_text_gives_segments_or_one_clear_error(text):
    try:
        assert all(s.emotion in EMOTIONS and len(s.vad) == 3 for s in parse_tags(text))
    except CamelsError as e:
        assert "\n" not in str(e).replace(repr(text), "") and ("line " in str(e) or "no words" in str(e))


@pytest.mark.parametrize(
    "text, says",
    [
        ("Hi [hapy] you", r"line 1, column 4: .*'hapy'; did you mean 'happy'"),
        ("a\nb\n c [joy:101] d", r"line 3, column 4: .*intensity 101 is outside \[0, 100\]"),
        ("[joy:-1] x", "outside"),
        ("[joy:nan] x", "outside"),
        ("[joy:] x", "not a number"),
        ("[joy:1_0] x", "not a number|outside"),
        ("[joy:v=2] x", "valence 2 is outside"),
        ("[joy:d=nan] x", "dominance nan"),
        ("[joy:d=inf] x", "dominance inf"),
        ("[joy:v=.1,v=.2] x", "twice"),
        ("[joy:x=1] x", "unknown key"),
        ("ok [joy", "column 4: .* never closed"),
        ("ok [joy\n]", "never closed"),
        ("[joy [sad]", "column 1: .* never closed"),
        ("[]x", "without a name"),
        ("", "no words"),
        (" \n", "no words"),
        ("[joy:80]", "no words"),
        (7, "not text"),
    ],
)
def test_errors_say_what_and_where(text, says):
    with pytest.raises(CamelsError, match=says):
        parse_tags(text)


def test_ten_thousand_words_take_ten_times_as_long_as_a_thousand():
    def tagged(n):
        return "".join(f"[sad:{i%101}] " + "word "*10 for i in range(n))
    assert len(parse_tags(tagged(1000))) == 1000 and len(parse_tags("word "*10_000)) == 1
    few, many = (spent_s(lambda: parse_tags(tagged(n))) for n in (100, 1000))
    assert many < 40*few   # in one pass; each tag looking at all others would take a hundred times as long
    few, many = (spent_s(lambda: parse_tags("word "*n)) for n in (10_000, 100_000))
    assert many < 40*few


def test_spoken_words_time_the_segments():
    segs = parse_tags("Well — [joy:80] we won 3 games, [sad] — but Bob's dog \\[Rex\\] is ill. [neutral]")
    speech = create_voice("espeak").speak(" ".join(s.text for s in segs))
    timed = time_segments(segs, speech)
    at = {w.text: w.start_s for w in speech.words}
    assert [s.start_s for s in timed[:3]] == [0, at["we"], at["but"]] and timed[-1].end_s == speech.duration_s
    assert all(a.end_s == b.start_s for a, b in zip(timed, timed[1:])) and timed[3].start_s == speech.words[-1].end_s
    with pytest.raises(CamelsError, match="speech says"):
        time_segments(segs, create_voice("espeak").speak("Something else"))
    with pytest.raises(CamelsError, match="no words"):
        time_segments(segs, [])


# ---------------------------------------------------------------- lips


@pytest.fixture(scope="module")
def spoken():
    "(phones, frames, loudness) of fifty sentences."
    voice, out = create_voice("espeak"), []
    for i, text in enumerate(SENTENCES):
        variant, rate = VOICES[i % len(VOICES)]
        s = voice.speak(text, variant, rate=rate)
        n = int(s.duration_s*30) + 30
        out.append((s.phones, n, loudness_track(s.audio, s.sr, n, 30)))
    return out


def frames(phones, n, label):
    "The frames of every such phone; the nearest where none lies in it."
    return [
        [min(i, n - 1) for i in range(int(np.ceil(p.start_s*30)), int(p.end_s*30) + 1)]
        or [min(n - 1, round((p.start_s + p.end_s)*15))]
        for p in phones
        if p.label in label
    ]


def lip_drop(w):
    "How far the lower lip hangs under the upper teeth's edge, in widths of the mouth."
    p = base_mesh().points
    return (p[13, 1] - .048 - (p[14, 1] + w @ basis()[:, 14, 1]))/abs(p[61, 0] - p[291, 0])


def test_lips_meet_at_every_bilabial_under_every_emotion(spoken):
    assert len(spoken) == 50
    a, everything = anchors(), np.ones((1, 52), np.float32)
    widest, lowest, count = 0., -1., 0
    for phones, n, loud in spoken:
        lips = create_lipsync().track(phones, n, 30, loud)
        pbm, fv = (frames(phones, n, o) for o in ("pbm", "fv"))
        count += len(pbm)
        for e in (*a.presets, everything[0]):
            face = merge(lips, np.tile(e, (n, 1)))
            gap, drop = lip_gap(face), lip_drop(face)
            widest = max(widest, *(gap[f].min() for f in pbm), 0.) if pbm else widest
            lowest = max([lowest, *(drop[f].min() for f in fv)])
            assert (
                np.array_equal(face[:, ids("LIPSYNC")], lips[:, ids("LIPSYNC")]) and face.min() >= 0 and face.max() <= 1
            )
    print(f"{count} bilabials × {len(a) + 1} faces: widest gap {widest:.4f}, lowest lip {lowest:.4f}")
    assert count > 150 and widest < CLOSED and lowest <= 0


def test_without_the_gate_they_do_not_meet(spoken):
    phones, n, loud = spoken[0]
    lips = create_lipsync().track(phones, n, 30, loud)
    f = frames(phones, n, "pbm")
    loose = np.clip(lips + anchors()["disgust_L5"][1], 0, 1)
    assert max(lip_gap(loose)[o].min() for o in f) > CLOSED


def test_silence_shuts_the_mouth_and_loudness_opens_it(spoken):
    for phones, n, loud in spoken:
        w = create_lipsync().track(phones, n, 30, loud)
        assert lip_gap(w[int(np.ceil((phones[-1].end_s + .3)*30)):]).max() < CLOSED
        soft = create_lipsync().track(phones, n, 30, loud*.5)
        assert (soft[:, index("jawOpen")] <= w[:, index("jawOpen")] + 1e-6).all() and soft[
            :, index("jawOpen")
        ].sum() < .9*w[:, index("jawOpen")].sum()


@few
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["p", "b", "m", "ɑː", "s", "f", "iː", "uː", "w"]),
            st.floats(.02, .3),
            st.sampled_from([0., 0., .3, 5.]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([24, 30, 60]),
)
def test_any_phones_keep_their_contacts(parts, fps):
    t, phones = .4, []
    for label, length, pause in parts:
        phones.append(Phone(label, t, t + length))
        t += length + pause
    n = int((t + .5)*fps)
    w = create_lipsync().track(phones, n, fps)
    face = merge(w, np.ones((n, 52)), fps=fps)
    for p in phones:
        if p.label in "pbm":
            assert lip_gap(face[max(0, int(p.start_s*fps)):int(p.end_s*fps) + 2]).min() < CLOSED
    assert w.min() >= 0 and w.max() <= 1 and lip_gap(w[:int(.1*fps)]).max() < CLOSED


def test_the_plain_model_is_as_it_was():
    "The studio's corpus is made with it: the formula of Cohen & Massaro, computed apart."
    phones = [Phone("b", .1, .2), Phone("aɪ", .2, .45), Phone("f", .5, .6)]
    segs, t = segments(phones, 1.), np.arange(30)/30
    def cls(s):
        return next(c for c in viseme_table()["classes"].values() if s in c["phones"])
    c = np.zeros((30, len(CHANNELS)))
    for j, k in enumerate(CHANNELS):
        d = np.array([
            [
                v["strong"].get(k, v["alpha"])
                *np.exp(
                    -(v.get("fast", v["theta"]) if k in v.get("strong", {}) else v["theta"])
                    *max(abs(x - (a + b)/2) - (b - a)/4, 0)
                )
                for s, a, b in segs
                for v in [dict(dict(strong={}), **cls(s))]
            ]
            for x in t
        ])
        c[:, j] = (d*[cls(s)["target"].get(k, 0) for s, _, _ in segs]).sum(1)/d.sum(1)
    assert np.abs(Dominance().track(phones, 30, 30) - channel_weights(c)).max() < 1e-5


# ---------------------------------------------------------------- merge

@few
@given(st.integers(0, 10_000), st.integers(1, 90), st.sampled_from([24., 30., 60.]))
def test_merge_bounds(seed, n, fps):
    rng = np.random.default_rng(seed)
    lips, emotion = (rng.random((n, 52)).astype(np.float32)*(rng.random((n, 1)) < p) for p in (.5, .9))
    gate = speech_gate(lips, fps)
    out, k = merge(lips, emotion, fps=fps), emotion_share(lips, gate, fps)
    assert np.array_equal(out[:, ids("LIPSYNC")], lips[:, ids("LIPSYNC")]) and np.array_equal(
        out[:, ids("EXPRESSION")], emotion[:, ids("EXPRESSION")]
    )
    assert (
        out.min() >= 0
        and out.max() <= 1
        and out.dtype == np.float32
        and (out[:, ids("SHARED")] >= lips[:, ids("SHARED")] - 1e-6).all()
    )
    h = [max(1, round(s*fps)) + 1 for s in (.12, .067)]
    if n > 1:
        assert (
            np.abs(np.diff(gate)).max() <= 1/h[0] + 1e-5
            and (np.abs(np.diff(k, axis=0)) <= (1 - KEEP)/h[0] + 1/h[1] + 1e-5).all()
        )
        steps = sum(np.abs(np.diff(x, axis=0)) for x in (lips, emotion, k))
        assert (np.abs(np.diff(out, axis=0)) <= steps + 1e-5).all()


def test_silent_faces_show_all_of_the_emotion():
    e = np.random.default_rng(0).random((60, 52)).astype(np.float32)
    out = merge(np.zeros((60, 52)), e)
    assert np.array_equal(out, np.where(np.isin(np.arange(52), ids("LIPSYNC")), 0, e))
    assert np.array_equal(merge(np.zeros((60, 52)), e, np.zeros(60)), out)


@pytest.mark.parametrize(
    "lips, emotion, gate, says",
    [
        (np.zeros((5, 51)), np.zeros((5, 52)), None, "lips: weights of shape"),
        (np.zeros((5, 52)), np.full((5, 52), np.nan), None, "emotion: weights must lie"),
        (np.zeros((5, 52)), np.full((5, 52), 1.2), None, "emotion"),
        (np.zeros((5, 52)), np.zeros((4, 52)), None, "4 frames of emotion for 5"),
        (np.zeros((5, 52)), np.zeros((5, 52)), np.ones(4), "gate of shape"),
        (np.zeros((5, 52)), np.zeros((5, 52)), np.full(5, 1.5), r"gate must lie"),
        (np.zeros((5, 52)), np.zeros((5, 52)), np.full(5, np.nan), "gate must lie"),
    ],
)
def test_merge_errors(lips, emotion, gate, says):
    with pytest.raises(CamelsError, match=says):
        merge(lips, emotion, gate)


def test_no_frames():
    assert merge(np.zeros((0, 52)), np.zeros((0, 52))).shape == (0, 52) and timeline(row([1.]), 0).shape == (0, 19)
    assert [o.shape for o in Idle().track(0)] == [(0, 52), (0, 3), (0, 2)] and TimelineStream().step(0).shape == (0, 19)


# ---------------------------------------------------------------- idle

@few
@given(st.integers(0, 2**32), st.lists(st.integers(0, 200), min_size=1, max_size=6), st.sampled_from([15., 30., 60.]))
def test_idle_is_the_same_in_any_chunks(seed, chunks, fps):
    whole, life, at, got = Idle(seed, fps).track(sum(chunks), [(2, 4)]), Idle(seed, fps), 0, []
    for k in chunks:
        got.append(life.track(k, [(2, 4)], start=at))
        at += k
    for a, b in zip(whole, zip(*got)):
        assert np.array_equal(a, np.concatenate(b))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blinks_are_spaced_and_some_double(seed):
    at = np.array(Idle(seed).blink_times(20_000))
    first = at[np.r_[True, np.diff(at) > 1]]
    gaps = np.diff(first)
    assert gaps.min() >= 2.5 - 1e-9 and gaps.max() <= 4.5 + 1e-9 and abs((len(at) - len(first))/len(first) - .15) < .02


def test_blinks_can_be_held_back_and_the_others_stay():
    free, held = Idle(3).track(3000)[0], Idle(3).track(3000, [(10, 30), (50, 51)])[0]
    t = np.arange(3000)/30
    assert not held[(t >= 10) & (t <= 30)].any() and free[(t >= 10) & (t <= 30)].any()
    assert np.array_equal(held[t > 52], free[t > 52]) and (held <= free).all()
    with pytest.raises(CamelsError, match="suppress"):
        Idle().track(9, [(3, 2)])
    with pytest.raises(CamelsError, match="fps"):
        Idle(fps=0)


def test_head_drifts_gently_with_a_falling_spectrum():
    head, gaze = Idle(5, 10.).track(40_000)[1:]
    power = np.abs(np.fft.rfft(head[:, 0]))**2
    f = np.fft.rfftfreq(len(head), .1)
    octaves = np.array([power[(f >= a) & (f < 2*a)].sum() for a in .03/1.25*2.**np.arange(6)])
    # degrees a second
    assert octaves.sum()/power.sum() > .99 and np.degrees(np.abs(np.diff(head, axis=0))).max()*10 < 12
    assert np.degrees(np.abs(head)).max() < 4 and np.degrees(np.abs(gaze)).max() < 8


@few
@given(st.integers(0, 999), st.booleans())
def test_a_living_face_stays_in_range_and_keeps_its_mouth(seed, look):
    face = np.random.default_rng(seed).random((200, 52)).astype(np.float32)
    out = add_idle(face, Idle(seed).track(200), look)
    mouth = [i for i, n in enumerate(ARKIT) if not n.startswith("eye")]
    assert out.min() >= 0 and out.max() <= 1 and np.array_equal(out[:, mouth], face[:, mouth])
