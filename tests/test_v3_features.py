"""Properties of V3's audio features: the same however the sound is cut, librosa's numbers, bounded memory, one line
for what is no sound."""
import time, tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from camels.core import CamelsError
from camels.media.sound import OffsetFilter
from camels.express.features import (
    FEATURE_GROUPS, FEATURE_NAMES, FeatureConfig, FeatureStream, analyse, audio_features, centres, chroma_bank,
    contrast_bands, feature_version, fit_stats, load_stats, n_frames, normalise, save_stats,
)

SR = 16000

def sound(kind, n, gain, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    x = dict(
        zeros=np.zeros(n),
        dc=np.ones(n),
        noise=rng.uniform(-1, 1, n),
        square=np.sign(np.sin(t*rng.uniform(.01, 3))),
        clicks=(rng.random(n) < .001)*1.,
        voice=np.sin(np.cumsum(.05 + .02*np.sin(t/900)))**15*(np.sin(t/4000) > 0),
    )[kind]
    return (gain*x).astype(np.float32)

sounds = st.builds(
    sound,
    st.sampled_from("zeros dc noise square clicks voice".split()),
    st.integers(0, 3*SR),
    st.sampled_from([1e-30, 1e-5, .01, 1., 15.]),
    st.integers(0, 99),
)

@settings(max_examples=80, deadline=None)
@given(
    x=sounds,
    fps=st.sampled_from([30., 30., 25., 29.97, 60., 7., 200.]),
    cuts=st.lists(st.integers(0, 3*SR), max_size=40),
    step=st.sampled_from([0, 160, 533, 4096]),
)
def test_any_cut_gives_the_same(x, fps, cuts, step):
    whole = audio_features(x, fps)
    s = FeatureStream(fps)
    rows, given_ = [], 0
    cuts = sorted(min(c, len(x)) for c in cuts) + list(range(0, len(x), step) if step and not cuts else [])
    for chunk in np.split(x, sorted(cuts)):
        rows.append(s.push(chunk))
        given_ += len(rows[-1])
        i = np.arange(n_frames(s.n, fps))
        known = int((centres(i + 1, fps) + 512 <= s.n).sum())   # frame i waits for the window of i+1
        assert given_ == known and len(s.held) <= 1024 + SR/fps and len(s.rows) <= 2
    rows = np.concatenate(rows + [s.flush()])
    assert rows.shape == whole.shape == (n_frames(len(x), fps), 141) and rows.dtype == whole.dtype == np.float32
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(rows, whole, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate([s.push(x), s.flush()]), whole)                   # flush begins anew

def test_sample_by_sample():
    x, s = sound("noise", 3300, .3, 0), FeatureStream()
    whole = audio_features(x)
    k = 0
    for n, v in enumerate(x, 1):
        rows = s.push(x[n-1:n])
        np.testing.assert_allclose(rows, whole[k:k+len(rows)], rtol=0, atol=1e-4)
        k += len(rows)
        assert k == sum(
            Fraction((i + 1)*SR, 30) + Fraction(1, 2) - (Fraction((i + 1)*SR, 30) + Fraction(1, 2))%1 + 512 <= n
            for i in range(7)
        )
    np.testing.assert_allclose(s.flush(), whole[k:], rtol=0, atol=1e-4)

@pytest.mark.parametrize("fps", [30., 25., 24., 60., 29.97])
def test_frames_stand_where_they_should_two_hours_on(fps):
    i = np.r_[0:50, 215_000:215_050]
    exact = [Fraction(int(k)*SR)/Fraction(fps) for k in i]
    assert all(abs(int(c) - e) <= Fraction(1, 2) for c, e in zip(centres(i, fps), exact))
    assert all(n_frames(int(e), fps) <= k + (e > 0) and n_frames(int(e) + 1, fps) > k for k, e in zip(i, exact))

def test_a_click_is_loudest_in_its_frame():
    x = np.zeros(10*SR, np.float32)
    x[round(250*SR/30)] = 1
    y = audio_features(x)
    assert y[:, 40].argmax() == 250 and y[251, 40] < y[250, 40] - 20 and y[249, 40] < y[250, 40] - 20

def test_a_row_depends_on_nothing_later_than_promised():
    rng = np.random.default_rng(0)
    x = rng.uniform(-.3, .3, SR).astype(np.float32)
    s = FeatureStream()
    for i in (0, 7, 15):
        end = int(i/30*SR + s.lookahead_ms*SR/1000) + 1
        y = x.copy()
        y[end:] = 0
        np.testing.assert_allclose(audio_features(y)[i], audio_features(x)[i], atol=1e-4)
        y[end-200:] = 0
        assert np.abs(audio_features(y)[i] - audio_features(x)[i]).max() > 1e-4
    assert s.lookahead_ms < 4*1000/30

@pytest.mark.parametrize("kind,gain", [("noise", .3), ("noise", .003), ("voice", .5), ("square", 1.)])
def test_librosa_agrees(kind, gain):
    librosa = pytest.importorskip("librosa")
    f = librosa.feature
    x = sound(kind, 2*SR, gain, 1) + np.random.default_rng(2).normal(0, 1e-3, 2*SR).astype(np.float32)
    c = FeatureConfig(contrast_floor=1e-10)
    ours = audio_features(x, config=c)   # librosa's own floor
    w = sliding_window_view(np.pad(OffsetFilter(cut_hz=c.offset_hz)(x).astype(float), 512), 1024)[
        centres(np.arange(60))
    ]
    kw, raw = (
        dict(sr=SR, n_fft=1024, hop_length=1024, center=False),
        dict(frame_length=1024, hop_length=1024, center=False),
    )
    mel = librosa.power_to_db(f.melspectrogram(y=w, n_mels=80, **kw), amin=1e-8, top_db=None)
    mfcc = f.mfcc(S=mel, n_mfcc=13)[..., 0].T
    want = dict(
        mel=mel,
        mfcc=np.concatenate([mfcc, *(f.delta(mfcc, width=3, order=o, mode="nearest") for o in (1, 2))]).T,
        chroma=f.chroma_stft(y=w, tuning=0, **kw),
        contrast=f.spectral_contrast(y=w, **kw),
        rms=f.rms(y=w, **raw),
        centroid=f.spectral_centroid(y=w, **kw)/1000,
        zcr=f.zero_crossing_rate(w, threshold=1e-4, **raw),
    )
    limit = dict(mel=1e-3, mfcc=2e-3, chroma=1e-5, contrast=5e-3, rms=1e-6, centroid=1e-5, zcr=1e-7)
    for g, s in FEATURE_GROUPS.items():
        np.testing.assert_allclose(ours[:, s], want[g].reshape(60, -1), rtol=0, atol=limit[g], err_msg=g)

@pytest.mark.parametrize("sr,n_fft", [(16000, 1024), (16000, 512), (22050, 2048)])
def test_banks_are_librosas(sr, n_fft):
    librosa = pytest.importorskip("librosa")
    np.testing.assert_allclose(
        chroma_bank(sr, n_fft).T, librosa.filters.chroma(sr=sr, n_fft=n_fft, tuning=0), atol=1e-6
    )
    x = np.random.default_rng(0).uniform(-1, 1, (9, n_fft))
    c = FeatureConfig(sr=sr, n_fft=n_fft)
    assert contrast_bands(c)[-1][1] == n_fft//2 + 1
    want = librosa.feature.spectral_contrast(y=x, sr=sr, n_fft=n_fft, hop_length=n_fft, center=False)[..., 0]
    np.testing.assert_allclose(analyse(x, c)[:, 105:112], want, atol=1e-4)

BAD = [
    (np.array([.1, np.nan]), "NaN"),
    (np.array([.1, -np.inf]), "infinite"),
    (np.zeros((2, 900)), "one channel"),
    (np.zeros((900, 2)), "one channel"),
    (np.zeros(900, np.int16), "32768"),
    (np.full(900, 3e4), "full scale is 1"),
    (np.full(900, -3e38), "full scale"),
    (None, "not an array"),
    ([[1.], [1., 2.]], "not an array"),
    ("sound.wav", "one channel"),
    ({}, "not an array"),
    (np.zeros(9, complex), "floating"),
    (np.array([True, False]), "floating"),
]

@pytest.mark.parametrize("bad,why", BAD)
def test_bad_input_is_one_line_and_changes_nothing(bad, why):
    with pytest.raises(CamelsError, match=why) as e:
        audio_features(bad)
    assert "\n" not in str(e.value)
    x = sound("voice", SR, .5, 0)
    s = FeatureStream()
    rows = [s.push(x[:7000])]
    with pytest.raises(CamelsError, match=why):
        s.push(bad)
    np.testing.assert_allclose(
        np.concatenate(rows + [s.push(x[7000:]), s.flush()]), audio_features(x), rtol=0, atol=1e-5
    )

@pytest.mark.parametrize("n", [0, 1, 100, 533, 534, 1023, 1024, 1600])
def test_short_sounds(n):
    x = audio_features(np.full(n, .1))
    assert x.shape == (-(-n*30//SR), 141) and np.isfinite(x).all()

@pytest.mark.parametrize("fps", [0, -30., .5, 201, np.nan, np.inf])
def test_frame_rate(fps):
    with pytest.raises(CamelsError, match="a rate from 1 to 200"):
        audio_features(np.zeros(SR), fps)

def test_silence_clipping_and_other_floats():
    z = audio_features(np.zeros(SR))
    assert np.abs(np.diff(z, axis=0)).max() == 0 and (z[:, 119:] == 0).all()
    x = sound("voice", SR, .5, 0)
    assert np.isfinite(audio_features((99*x).clip(-1, 1))).all()
    np.testing.assert_allclose(audio_features(x.astype(np.float64)), audio_features(x), atol=1e-6)
    assert np.abs(audio_features(x.astype(np.float16)) - audio_features(x))[:, -3:].max() < .02
    np.testing.assert_array_equal(audio_features(x[::-1][::-1]), audio_features(x))

def stream_long(seconds):
    rng = np.random.default_rng(0)
    x = rng.uniform(-.3, .3, SR).astype(np.float32)
    s = FeatureStream()
    n = 0
    tracemalloc.start()
    for _ in range(seconds):
        n += len(s.push(x))
    n += len(s.flush())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return n, peak/2**20

def test_memory_of_a_stream_does_not_grow():
    n, short = stream_long(5)
    assert n == 150
    n, long = stream_long(120)
    assert n == 3600 and long < short + 1 and long < 16, (short, long)

def test_two_hours():
    n, peak = stream_long(7200)
    assert n == 216_000 and peak < 16
    x = np.zeros(7200*SR, np.float32)
    x[-SR:] = .1*np.sin(np.arange(SR))
    tracemalloc.start()
    y = audio_features(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert y.shape == (216_000, 141) and peak < y.nbytes + 2**25 and y[-2, -3] > .05 > y[0, -3]

def test_two_hours_in_the_batch_need_one_block_more_than_the_result():
    x = np.zeros(300*SR, np.float32)
    tracemalloc.start()
    y = audio_features(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(y) == 9000 and peak < y.nbytes + 2**24

def test_faster_than_librosa_prints(capsys):
    x = sound("noise", 20*SR, .3, 0)
    t = time.process_time()
    audio_features(x)
    t = time.process_time() - t
    with capsys.disabled():
        print(f" {20/t:.0f} times real time", end="")

def test_stats(tmp_path):
    rng = np.random.default_rng(0)
    parts = [rng.normal(5, 3, (n, 141)).astype(np.float32) for n in (1, 0, 700, 30)]
    for p in parts:
        p[:, 7] = 2
    s, x = fit_stats(iter(parts)), np.concatenate(parts).astype(float)
    np.testing.assert_allclose(s.mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.delete(s.std, 7), np.delete(x.std(0), 7), rtol=1e-5)
    assert s.std[7] == 1 and s.n == 731 and normalise(x, s)[:, 7].max() == 0 and np.abs(normalise(x*1e6, s)).max() == 10
    save_stats(tmp_path/"s.safetensors", s)
    b = load_stats(tmp_path/"s.safetensors")
    np.testing.assert_array_equal(b.mean, s.mean)
    np.testing.assert_array_equal(b.std, s.std)
    assert (b.n, b.version) == (s.n, s.version)

def test_bad_stats(tmp_path):
    from safetensors.numpy import save_file
    s = fit_stats([np.random.default_rng(0).normal(size=(9, 141))])
    for f in (
        lambda: fit_stats([]),
        lambda: fit_stats([np.zeros((1, 141))]),
        lambda: fit_stats([np.zeros((9, 140))]),
        lambda: fit_stats([np.full((9, 141), np.nan)]),
        lambda: normalise(np.zeros(140), s),
        lambda: normalise(0., s),
        lambda: load_stats(tmp_path/"none"),
        lambda: load_stats(tmp_path),
    ):
        with pytest.raises(CamelsError):
            f()
    p = tmp_path/"s.safetensors"
    meta = dict(version=feature_version(), n="9")
    for tensors, m in [
        (dict(mean=s.mean), meta),
        (dict(mean=s.mean, std=s.std[:9]), meta),
        (dict(mean=s.mean, std=0*s.std), meta),
        (dict(mean=s.mean*np.nan, std=s.std), meta),
        (dict(mean=s.mean, std=s.std), {}),
        (dict(mean=s.mean, std=s.std), dict(meta, version="other")),
        (dict(mean=s.mean, std=s.std), dict(meta, n="x")),
    ]:
        save_file(tensors, p, metadata=m)
        with pytest.raises(CamelsError):
            load_stats(p)
    p.write_bytes(b"no safetensors")
    with pytest.raises(CamelsError):
        load_stats(p)
    assert (
        feature_version(25.) != feature_version() != feature_version(config=FeatureConfig(n_fft=512))
        and len(FEATURE_NAMES) == 141
    )
