"""Properties of the prosody encoders: finite for any sound, the same however a file is cut, near Praat and librosa,
fast."""
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.signal import butter, sosfilt

from camels.core import CamelsError, WindowConfig
from camels.encoders.core import create_encoder
from camels.encoders.prosody import CONTOUR_NAMES, PROSODY_NAMES, librosa_prosody22, track_pitch

SR, GRID = 16000, Path(__file__).parents[2]/"shared/data/grid_s1"
COL = {n: i for i, n in enumerate(PROSODY_NAMES)}

@pytest.fixture(params=["prosody22", "prosody_contour"])
def enc(request):
    return create_encoder(request.param)

@pytest.fixture(scope="module")
def grid_clips():
    from camels.media.sound import read_audio
    if not GRID.exists():
        pytest.skip("shared/data/grid_s1 is not here")
    return [read_audio(p) for p in sorted(GRID.glob("*.mp4"))[::16]]

def tone(f0=150., seconds=4., noise_db=25., seed=0, drift=0.):
    "Ten harmonics over noise; `drift` octaves up through the recording."
    rng = np.random.default_rng(seed)
    n = int(seconds*SR)
    phase = 2*np.pi*np.cumsum(f0*2**(drift*np.arange(n)/n))/SR
    x = .1*sum(np.sin(k*phase)/k for k in range(1, 11))
    return (x + rng.standard_normal(n)*x.std()*10**(-noise_db/20)).astype(np.float32)

def same(a, b):
    "Equal to 1e-5 of each column's largest value."
    scale = np.abs(b).max(0) + 1e-9
    np.testing.assert_allclose(a/scale, b/scale, rtol=0, atol=1e-5)

def sound(kind, n, gain, seed):
    rng = np.random.default_rng(seed)
    if kind == "zeros":
        return np.zeros(n)
    if kind == "dc":
        return np.full(n, gain)
    if kind == "noise":
        return gain*rng.standard_normal(n)
    if kind == "square":
        return gain*np.sign(np.sin(2*np.pi*rng.uniform(20, 7900)*np.arange(n)/SR))
    if kind == "impulses":
        return gain*(rng.random(n) < .001)
    if kind == "ramp":
        return np.linspace(-gain, gain, n)
    return gain*(np.arange(n) % rng.integers(2, 500) == 0)

@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from("zeros dc noise square impulses ramp train".split()), n=st.integers(0, 3*SR),
       gain=st.sampled_from([1e-30, 1e-5, .01, 1., 30., 3e38]), seed=st.integers(0, 99))
def test_any_sound_gives_finite_values(kind, n, gain, seed):
    x = sound(kind, n, gain, seed).clip(-3e38, 3e38).astype(np.float32)
    for name in ("prosody22", "prosody_contour"):
        with np.errstate(all="raise", under="ignore"):
            out = create_encoder(name).encode(x, [0., 1., 5.])
        assert np.isfinite(out.x).all() and not out.x[~out.mask].any() and not out.mask[2]
        assert ((out.x[:, COL["voiced"]] >= 0) & (out.x[:, COL["voiced"]] <= 1)).all()
        voiced = out.x[:, COL["voiced"]] > 0
        assert ((out.x[voiced, 0] > 45) & (out.x[voiced, 0] < 420)).all()

@pytest.mark.parametrize("n", [0, 1, 2, 159, 959, 960, 961, 31999, 32000, 32001])
def test_lengths(enc, n):
    out = enc.encode(np.full(n, .1, np.float32), [0.])
    assert out.x.shape == (1, enc.d_out) and np.isfinite(out.x).all()
    assert enc.encode(np.zeros(n), []).x.shape == (0, enc.d_out)

def test_rows_do_not_depend_on_how_the_file_is_cut(enc):
    x = np.concatenate([
        tone(f, 7., noise_db=db, seed=i, drift=.3) for i, (f, db) in enumerate(((55, 15), (140, 25), (310, 5)))
    ])
    starts = np.arange(20.)
    whole = enc.encode(x, starts).x
    for length in (2, 3, 7, 13): # segments on the hop grid, one window less a hop of overlap
        rows = [enc.encode(x[a*SR:(a+length)*SR], np.arange(min(length-1, 20-a))).x for a in range(0, 20, length-1)]
        same(np.concatenate(rows)[:20], whole)
    mixed = np.random.default_rng(0).permutation(20)
    same(enc.encode(x, starts[mixed]).x, whole[mixed])

def test_starts_off_the_frame_grid(enc):
    x = tone(120., 5., drift=.5)
    starts = [0., .333, 1.0051, 2.5]
    rows = [enc.encode(x[round(s*SR):round(s*SR)+2*SR], [0.]).x[0] for s in starts]
    same(enc.encode(x, starts).x, rows)

def test_cutting_a_real_recording(enc, grid_clips):
    x = np.concatenate(grid_clips[:8])
    n = int(len(x)/SR) - 1
    whole = enc.encode(x, np.arange(n)).x
    parts = np.concatenate([enc.encode(x[i*SR:(i+2)*SR], [0.]).x for i in range(n)])
    same(whole, parts)

@pytest.mark.parametrize("f0", [55., 80., 120., 220., 390.])
@pytest.mark.parametrize("noise_db", [30., 10.])
def test_pitch_and_hnr_of_known_voices(f0, noise_db):
    v = create_encoder("prosody22").encode(tone(f0, 2., noise_db), [0.]).x[0]
    assert v[COL["voiced"]] > .95 and abs(v[0]/f0-1) < .005 and v[1] < .02*f0
    if f0 > 100 or noise_db < 20:
        assert abs(v[COL["hnr"]]-noise_db) < 1.5 # three periods a frame do not tell 30 dB from 22

@pytest.mark.parametrize("seed", range(5))
def test_noise_and_hum_are_not_voices(seed):
    rng = np.random.default_rng(seed)
    noise = create_encoder("prosody22").encode(.1*rng.standard_normal(2*SR), [0.])
    assert noise.mask[0] and noise.x[0, COL["voiced"]] < .03
    rumble = sosfilt(butter(6, 10, fs=SR, output="sos"), rng.standard_normal(2*SR)) # below 10 Hz, 20 dB above the noise
    x = .2*rumble/rumble.std() + .02*rng.standard_normal(2*SR)
    assert create_encoder("prosody22").encode(x, [0.]).x[0, COL["voiced"]] < .03

def test_half_silence_does_not_dilute_the_voice():
    x = tone(200., 2.)
    whole = create_encoder("prosody22").encode(x, [0.]).x[0]
    x[SR:] = 0
    half = create_encoder("prosody22").encode(x, [0.]).x[0]
    assert abs(half[COL["voiced"]] - .49) < .03
    for n in ("f0_mean", "centroid", "mfcc1", "mfcc2", "hnr"):
        assert abs(half[COL[n]]/whole[COL[n]]-1) < .1, n

def test_silence_is_masked(enc):
    quiet = 1e-4*np.random.default_rng(0).standard_normal(4*SR) # -80 dB: a microphone's own noise
    out = enc.encode(quiet, [0, 1, 2])
    assert not out.mask.any() and not out.x.any()

@pytest.mark.parametrize("sr", [8000, 11025, 22050, 48000])
def test_other_rates(sr):
    t = np.arange(3*sr)/sr
    x = .1*sum(np.sin(2*np.pi*k*130*t)/k for k in range(1, 11))
    v = create_encoder("prosody22", window=WindowConfig(sr=sr)).encode(x, [0., 1.]).x
    assert np.abs(v[:, 0]-130).max() < .5 and v[:, 2].min() > .95

def test_bad_input_is_one_error(enc):
    with pytest.raises(CamelsError, match="NaN"):
        enc.encode(np.r_[tone(), np.nan], [0., 1., 2., 3.])
    with pytest.raises(CamelsError, match="shorter"):
        create_encoder("prosody22", window=WindowConfig(window_s=.05))

def test_fingerprints_follow_parameters():
    ids = [
        create_encoder(n, **kw).fingerprint
        for n in ("prosody22", "prosody_contour")
        for kw in ({}, dict(voicing=.5), dict(window=WindowConfig(hop_s=.5)))
    ]
    assert len(set(ids)) == 6 and len(CONTOUR_NAMES) == create_encoder("prosody_contour").d_out == 94

def praat(x):
    """f0 per frame, and the window's f0 mean, voiced fraction, jitter, shimmer, HNR, with the settings of
    `ProsodyConfig`."""
    import parselmouth
    from parselmouth.praat import call
    s = parselmouth.Sound(x.astype(float), SR)
    p = s.to_pitch_ac(.01, 50, 15, False, .03, .45, .01, .35, .14, 400)
    f = p.selected_array["frequency"]
    pulses = call([s, p], "To PointProcess (cc)")
    h = s.to_harmonicity_cc(.01, 50, .1, 1.).values[0]
    # no fricatives near 400 Hz
    man = s.to_pitch_ac(.01, 75, 15, False, .03, .45, .01, .35, .14, 250).selected_array["frequency"]
    return f, [man[man > 0].mean(), (f > 0).mean(), call(pulses, "Get jitter (local)", 0, 0, 1e-4, .02, 1.3),
               call([s, pulses], "Get shimmer (local)", 0, 0, 1e-4, .02, 1.3, 1.6), h[h > -199].mean()]

def test_frames_agree_with_praat(grid_clips, record_property):
    error, agree = [], []
    for x in grid_clips:
        x = x[:960 + (len(x)-960)//160*160]
        ours, theirs = track_pitch(x)[1], praat(x)[0]
        both = (ours > 0) & (theirs > 0)
        error += list(np.abs(ours[both]/theirs[both]-1))
        agree.append(((ours > 0) == (theirs > 0)).mean())
    error = np.array(error)
    print(
        f"f0: median {100 * np.median(error):.3f} %, beyond 20 %: {100 * (error > 0.2).mean():.2f} % of frames; "
        "voicing agrees "
        f"on {100*np.mean(agree):.1f} %"
    )
    assert np.median(error) < .001 and (error > .2).mean() < .01 and np.mean(agree) > .96

def test_windows_agree_with_praat(grid_clips):
    enc = create_encoder("prosody22")
    windows = [x[s*SR:(s+2)*SR] for x in grid_clips for s in (0, 1) if len(x) > (s+1.9)*SR]
    assert len(windows) > 40
    ours = np.array([enc.encode(x, [0.]).x[0] for x in windows])[:, [0, 2, 18, 19, 20]]
    theirs = np.array([praat(x)[1] for x in windows])
    r = {
        n: (np.corrcoef(a, b)[0, 1], np.median(np.abs(a-b)), np.median(b))
        for n, a, b in zip("f0 voiced jitter shimmer hnr".split(), ours.T, theirs.T)
    }
    for n, (c, d, m) in r.items():
        print(f"{n}: correlation {c:.2f}, median difference {d:.4f} of {m:.4f}")
    assert (
        r["f0"][0] > .8
        and r["f0"][1] < 2
        and r["voiced"][0] > .95
        and min(r[n][0] for n in ("jitter", "shimmer", "hnr")) > .75
    )
    assert all(d < .12*m for _, d, m in r.values())

def test_spectrum_agrees_with_librosa(grid_clips):
    enc = create_encoder("prosody22")
    ours = np.array([enc.encode(x, [0.]).x[0] for x in grid_clips])
    theirs = np.array([librosa_prosody22(x[:2*SR]) for x in grid_clips])
    for n in ("rms", "centroid", "rolloff", "zcr"): # other frame lengths: the order of the clips must agree
        assert np.corrcoef(ours[:, COL[n]], theirs[:, COL[n]])[0, 1] > .9, n
    assert np.allclose(ours[:, COL["zcr"]], theirs[:, COL["zcr"]], rtol=.1)

def test_far_faster_than_librosa():
    x = np.tile(tone(130., 10., 15., drift=.5), 6)
    enc = create_encoder("prosody22")
    def spent(work):
        start = time.process_time()
        work()
        return time.process_time()-start
    librosa_prosody22(x[:2*SR])
    ours = min(spent(lambda: enc.encode(x, np.arange(59.))) for _ in range(3))
    theirs = 59*min(spent(lambda: librosa_prosody22(x[:2*SR])) for _ in range(3))
    print(f"prosody22: {60/ours:.0f} times real time, {theirs/ours:.0f} times as fast as librosa")
    assert ours < theirs/3
