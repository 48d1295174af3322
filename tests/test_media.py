"Media: containers, times, bad input. Every recording is made here; the last test reads real ones where they are."
import os, subprocess, sys, tracemalloc
from fractions import Fraction

import av, numpy as np, pytest, soundfile, soxr
from hypothesis import example, given, settings, strategies as st

from camels.core import CamelsError, WindowConfig
from camels.media.clips import Clip, read_clips, window_starts, write_clips
from camels.media.sound import iter_audio, read_audio
from camels.media.read import iter_frames, probe, thumbnail
from camels.media.write import write_audio, write_video

FPS, SR = 25, 48000


def bits(i, h=32, w=128):
    "A frame that says its number in ten bright or dark columns."
    x = np.zeros((h, w, 3), np.uint8)
    for b in range(10):
        x[:, b*12:(b+1)*12] = 255*(i >> b & 1)
    return x

def number(x):
    return sum(1 << b for b in range(10) if x[8:-8, b*12+4:b*12+8].mean() > 128)

def chirp(sr, seconds):
    t = np.arange(round(seconds*sr))/sr
    return (0.5*np.sin(2*np.pi*(200*t + 600/seconds*t*t))).astype(np.float32)

def mux(
    path,
    video=None,
    audio=None,
    frames=(),
    sound=None,
    sr=SR,
    layout="mono",
    pix="yuv420p",
    delay_s=0.,
    options=None,
    setup=None,
):
    "Write a recording through libav; `frames` are (time in seconds, pixels)."
    with av.open(str(path), "w") as c:
        todo = []
        if video:
            frames = [(t, x) for t, x in frames]
            v = c.add_stream(video, rate=FPS, options=options or {})
            v.height, v.width, v.pix_fmt, v.codec_context.time_base = *frames[0][1].shape[:2], pix, Fraction(1, FPS)
            if setup:
                setup(v)
            for t, x in frames:
                f = av.VideoFrame.from_ndarray(x).reformat(format=pix, threads=1)
                f.pts, f.time_base = round(t*1000), Fraction(1, 1000)
                todo.append((t, v, f))
        if audio:
            a, n = c.add_stream(audio, rate=sr, layout=layout), len(av.AudioLayout(layout).channels)
            names = {f.name for f in a.codec_context.codec.audio_formats}
            fmt = next(f for f in ("fltp", "flt", "s16") if f in names)
            for i in range(0, len(sound), 960):
                x = np.repeat(sound[None, i:i+960], n, 0)
                x = x if fmt == "fltp" else x.T.reshape(1, -1)
                f = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray((x*32767).astype(np.int16) if fmt == "s16" else x), format=fmt, layout=layout
                )
                f.sample_rate, f.pts, f.time_base = sr, i + round(delay_s*sr), Fraction(1, sr)
                todo.append((i/sr + delay_s, a, f))
        for _, s, f in sorted(todo, key=lambda o: o[0]):
            c.mux(s.encode(f))
        for s in c.streams:
            c.mux(s.encode(None))
    return path

def film(seconds=3):
    return [(i/FPS, bits(i)) for i in range(int(seconds*FPS))]

# ---- containers and times

CONTAINERS = [
    ("a.mp4", "libx264", "aac"),
    ("a.mov", "libx264", "pcm_s16le"),
    ("a.mkv", "libx264", "aac"),
    ("b.mkv", "ffv1", "flac"),
    ("a.webm", "libvpx", "libopus"),
    ("a.avi", "mjpeg", "pcm_s16le"),
    ("a.ts", "libx264", "aac"),
    ("a.flv", "libx264", "aac"),
    ("a.mpg", "mpeg1video", "mp2"),
    ("a.wav", None, "pcm_s16le"),
    ("f.wav", None, "pcm_f32le"),
    ("a.flac", None, "flac"),
    ("a.mp3", None, "libmp3lame"),
    ("a.ogg", None, "libopus"),
    ("b.ogg", None, "flac"),
    ("a.m4a", None, "aac"),
    ("a.mka", None, "libopus"),
]

@pytest.mark.parametrize("name,video,audio", CONTAINERS, ids=[o[0] for o in CONTAINERS])
def test_seek_is_exact_in_any_container(tmp_path, name, video, audio):
    seconds, sr = 16, 44100 if name in ("a.flv", "b.mkv") else SR
    path = mux(
        tmp_path/name,
        video,
        audio,
        film(seconds),
        chirp(sr, seconds),
        sr,
        pix="yuvj420p" if video == "mjpeg" else "yuv420p",
    )
    info = probe(path)
    assert (info.has_video, info.has_audio, info.sr) == (bool(video), True, sr) and abs(
        info.duration_s - seconds
    ) < 0.15
    whole = read_audio(path)
    assert abs(len(whole)/16000 - seconds) < 0.1
    if audio in ("flac", "pcm_s16le"):
        assert np.abs(read_audio(path, sr) - chirp(sr, seconds)).max() < 1e-3 # no sample lost to a coarse clock
    spans = [(0., 0.5), (0.99, 1.5), (3.3, 3.4), (11., 11.25), (13.017, 14.2), (15.6, 15.9)]
    for a, b in spans:
        want = whole[round(a*16000):round(b*16000)]
        got = read_audio(path, 16000, a, b)
        assert len(got) == len(want) and np.abs(got - want).max() < 0.02 # AAC fills noise anew on each decode
    if video:
        frames = [(t, number(x)) for t, x in iter_frames(path)]
        assert [n for _, n in frames] == list(range(seconds*FPS))
        t = np.array([t for t, _ in frames])
        assert np.abs(t - t[0] - np.arange(len(t))/FPS).max() < 2e-3
        for a, b in spans + [(15.5, None)]:
            want = [o for o in frames if o[0] >= a - 1e-6 and (b is None or o[0] < b - 1e-6)]
            assert [(t, number(x)) for t, x in iter_frames(path, a, b)] == want and want

@pytest.mark.parametrize(
    "name,video,audio", [o for o in CONTAINERS if o[0] in ("a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi")]
)
def test_click_and_flash_stay_together(tmp_path, name, video, audio):
    sound = np.zeros(4*SR, np.float32)
    sound[2*SR:2*SR+48] = 0.9
    frames = [(i/FPS, np.full((32, 32, 3), 255 if i >= 50 else 0, np.uint8)) for i in range(100)]
    path = mux(tmp_path/name, video, audio, frames, sound, pix="yuvj420p" if video == "mjpeg" else "yuv420p")
    flash = next(t for t, x in iter_frames(path) if x.mean() > 128)
    click = np.abs(read_audio(path, SR)).argmax()/SR
    assert abs(flash - 2) < 1e-3 and abs(click - 2) < 2e-3

@pytest.mark.parametrize("ext", ["mp4", "mkv"])
def test_sound_that_starts_late_is_padded(tmp_path, ext):
    sound = np.zeros(2*SR, np.float32)
    sound[SR//2] = 0.9
    path = mux(tmp_path/f"late.{ext}", "libx264", "aac", film(3), sound, delay_s=0.7)
    x = read_audio(path)
    assert abs(np.abs(x).argmax()/16000 - 1.2) < 2e-3 and np.abs(x[:16000*6//10]).max() == 0
    assert abs(np.abs(read_audio(path, 16000, 1.1)).argmax()/16000 - 0.1) < 2e-3

def test_gap_in_the_sound_becomes_silence(tmp_path):
    with av.open(str(tmp_path/"gap.mkv"), "w") as c:
        a = c.add_stream("flac", rate=16000, layout="mono")
        for at in (0, 32000):
            f = av.AudioFrame.from_ndarray(np.full((1, 16000), 9000, np.int16), format="s16", layout="mono")
            f.sample_rate, f.pts, f.time_base = 16000, at, Fraction(1, 16000)
            c.mux(a.encode(f))
        c.mux(a.encode(None))
    level = read_audio(tmp_path/"gap.mkv").reshape(3, -1)[:, 1000:-1000]
    assert level[0].min() > 0.2 and np.abs(level[1]).max() == 0 and level[2].min() > 0.2

@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT"])
def test_any_rate_and_channels_give_the_mean(tmp_path, sr, channels, subtype):
    x = chirp(sr, 0.8)
    many = np.stack([x*(k + 1)/channels for k in range(channels)], 1)
    soundfile.write(tmp_path/"a.wav", many, sr, subtype=subtype)
    got, want = read_audio(tmp_path/"a.wav"), soxr.resample(many.mean(1), sr, 16000)
    assert len(got) == len(want) == 12800 and np.abs(got - want)[200:-200].max() < (
        0.02 if subtype == "PCM_U8" else 1e-3
    )

def test_clock_that_starts_again(tmp_path):
    mux(tmp_path/"a.ts", "libx264", "aac", film(2), chirp(SR, 2))
    (tmp_path/"b.ts").write_bytes((tmp_path/"a.ts").read_bytes()*2)
    t = [t for t, _ in iter_frames(tmp_path/"b.ts")]
    assert len(t) >= 50 and (np.diff(t) > 0).all() and len(read_audio(tmp_path/"b.ts")) >= 31000

# ---- pictures

@pytest.mark.skipif(not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV writes no display matrix")
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirror", [False, True])
def test_rotation_and_mirror_are_applied(tmp_path, degrees, mirror):
    x = np.zeros((32, 64, 3), np.uint8)
    x[:16, :16] = 255 # bright at the top left as stored
    mux(
        tmp_path/"a.mp4",
        "libx264",
        None,
        [(i/FPS, x) for i in range(5)],
        setup=lambda s: s.set_display_rotation(degrees, hflip=mirror),
    )
    with av.open(str(tmp_path/"a.mp4")) as c: # the matrix as written, applied to the corner (x, y) from the centre
        sd = (
            next(s for s in next(c.decode(video=0)).side_data if s.type.name == "DISPLAYMATRIX")
            if degrees or mirror
            else None
        )
    a, b, _, cc, d = np.frombuffer(bytes(sd), np.int32)[:5]/65536 if sd else (1, 0, 0, 0, 1)
    sx, sy = -a - cc, -b - d
    _, y = next(iter_frames(tmp_path/"a.mp4"))
    h, w = y.shape[:2]
    info = probe(tmp_path/"a.mp4")
    assert (w, h) == (info.width, info.height) == ((64, 32) if degrees in (0, 180) else (32, 64))
    row, col = np.argwhere(y[..., 0] > 200).mean(0)
    assert (np.sign(col - w/2), np.sign(row - h/2)) == (np.sign(sx), np.sign(sy))

def test_pixels_become_square(tmp_path):
    def wide(s):
        s.codec_context.sample_aspect_ratio = Fraction(2, 1)
    mux(tmp_path/"a.mkv", "libx264", None, film(0.2), setup=wide)
    assert next(iter_frames(tmp_path/"a.mkv"))[1].shape == (32, 256, 3) and probe(tmp_path/"a.mkv").width == 256

@pytest.mark.parametrize(
    "name,codec,pix",
    [
        ("a.mkv", "ffv1", "yuv444p"),
        ("a.mp4", "libx264", "yuv444p"),
        ("a.avi", "rawvideo", "rgb24"),
        ("a.webm", "libvpx", "yuv420p"),
    ],
)
def test_one_pixel_decodes(tmp_path, name, codec, pix):
    path = mux(tmp_path/name, codec, None, [(i/FPS, np.full((1, 1, 3), 200, np.uint8)) for i in range(10)], pix=pix)
    shapes = {x.shape for _, x in iter_frames(path, max_side=64)}
    assert shapes == {(1, 1, 3)} and thumbnail(path, 0.2).shape == (1, 1, 3) and probe(path).width == 1

def test_odd_sides_are_repeated_and_colours_kept(tmp_path):
    x = np.zeros((31, 47, 3), np.uint8)
    x[:16], x[16:, :24], x[16:, 24:] = (200, 30, 30), (30, 180, 60), (40, 60, 220)
    _, y = next(iter_frames(write_video(tmp_path/"a.mp4", [x]*3, 25, crf=5)))
    assert y.shape == (32, 48, 3)
    for r, c in ((8, 24), (24, 8), (24, 40)):
        assert np.abs(y[r, c].astype(int) - x[r, c]).max() < 8

@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(20, 200), min_size=2, max_size=30), st.sampled_from([5., 10., 30.]))
def test_variable_rate_keeps_times_and_max_fps_thins(tmp_path_factory, steps_ms, max_fps):
    times = np.r_[0, np.cumsum(steps_ms)]/1000
    path = write_video(tmp_path_factory.mktemp("vfr")/"a.mp4", [(t, bits(i)) for i, t in enumerate(times)], 30)
    got = list(iter_frames(path))
    assert np.allclose([t for t, _ in got], times, atol=2e-5) and [number(x) for _, x in got] == list(range(len(times)))
    kept = [t for t, _ in iter_frames(path, max_fps=max_fps)]
    assert kept[0] == 0 and (np.diff(kept) >= 0.9/max_fps - 1e-4).all()
    gaps = [t for a, b in zip(kept, kept[1:] + [9e9]) for t in times if a + 0.9/max_fps + 1e-4 < t < b - 1e-4]
    assert not gaps # nothing is left out without need

def test_cover_picture_is_no_video(tmp_path):
    path = tmp_path/"song.m4a"
    mux(path, None, "aac", sound=chirp(SR, 1))
    with av.open(str(path)) as src, av.open(str(tmp_path/"cover.mp4"), "w") as c:
        a, v = c.add_stream_from_template(src.streams.audio[0]), c.add_stream("mjpeg", rate=1)
        v.width, v.height, v.pix_fmt = 32, 32, "yuvj420p"
        v.disposition = av.stream.Disposition.attached_pic
        c.mux(v.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        c.mux(v.encode(None))
        for p in src.demux(audio=0):
            if p.dts is not None:
                p.stream = a
                c.mux(p)
    assert not probe(tmp_path/"cover.mp4").has_video and len(read_audio(tmp_path/"cover.mp4")) > 15000
    with pytest.raises(CamelsError, match="no video stream"):
        next(iter_frames(tmp_path/"cover.mp4"))

# ---- bad input: one line, with the path and a hint, and nothing on stderr

def one_line(path, *what):
    "Reading `path` in every way raises one helpful line each, with one of `what` in it."
    for f in (
        lambda: probe(path),
        lambda: list(iter_frames(path)),
        lambda: read_audio(path),
        lambda: thumbnail(path, 0.),
    ):
        with pytest.raises(CamelsError) as e:
            f()
        line = str(e.value)
        assert "\n" not in line and str(path) in line and e.value.hint and any(w in line for w in what), line

SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHi\n"
BAD = {
    "empty.mp4": (b"", "empty file"),
    "text.mp4": (b"just text\n"*99, "not a media file"),
    "text.wav": (b"just text\n"*99, "not a media file"),
    "notes.txt": (b"just text\n"*99, "text or a playlist"),
    "sub.mp4": (SRT*9, "neither sound nor picture"),
    "zeros.mp4": (bytes(9999), "not a media"),
    "noise.mp4": (np.random.default_rng(0).bytes(9999), "not a media file"),
    "one.mp4": (b"x", "not a media"),
    "list.m3u8": (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "not a media",
        "playlist",
    ),
    "cat.ffconcat": (b"ffconcat version 1.0\nfile a.mp4\n", "cannot be read", "playlist"),
}

@pytest.mark.parametrize("name", BAD)
def test_what_is_no_recording(tmp_path, name, capfd):
    data, *what = BAD[name]
    (tmp_path/name).write_bytes(data)
    one_line(tmp_path/name, *what)
    assert capfd.readouterr() == ("", "")

def test_missing_and_folder_and_pipe(tmp_path):
    one_line(tmp_path/"no.mp4", "no such file")
    one_line(tmp_path, "is a folder")
    one_line(tmp_path/"no"/"a.mp4", "no such file")
    os.mkfifo(tmp_path/"pipe.mp4")
    one_line(tmp_path/"pipe.mp4", "not a plain file")

def test_permission_denied(tmp_path):
    path = tmp_path/"a.wav"
    soundfile.write(path, np.zeros(99), 8000)
    path.chmod(0)
    code = (
        "import os; os.getuid() or os.setuid(65534)\nfrom pathlib import Path\nfrom camels.media.open import "
        f"check_plain_file\ncheck_plain_file(Path({str(path)!r}))"
    )
    for p in [tmp_path, *tmp_path.parents][:3]:
        p.chmod(p.stat().st_mode | 0o055)
    r = subprocess.run([sys.executable, "-c", "import camels.media.read\n" + code], capture_output=True, text=True)
    if "setuid" in r.stderr:
        pytest.skip("root that may not drop its rights")
    assert "a.wav: permission denied; make it readable" in r.stderr.splitlines()[-1]

def test_stream_that_is_not_there(tmp_path):
    soundfile.write(tmp_path/"a.wav", np.zeros(800), 8000)
    write_video(tmp_path/"a.mp4", [bits(0)]*5, 25)
    with pytest.raises(CamelsError, match="no video stream; it holds only audio"):
        list(iter_frames(tmp_path/"a.wav"))
    with pytest.raises(CamelsError, match="no audio stream; it holds only video"):
        read_audio(tmp_path/"a.mp4")
    assert probe(tmp_path/"a.wav").has_video is False and probe(tmp_path/"a.mp4").has_audio is False

@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_and_zero_length(tmp_path, bad):
    soundfile.write(tmp_path/"a.wav", np.r_[np.zeros(9000), bad], 8000, subtype="FLOAT")
    with pytest.raises(CamelsError, match=r"a.wav: samples not finite at 1\.\d+ s"):
        read_audio(tmp_path/"a.wav")
    assert len(read_audio(tmp_path/"a.wav", 8000, 0., 0.5)) == 4000
    soundfile.write(tmp_path/"z.wav", np.zeros(0), 8000)
    with pytest.raises(CamelsError, match="no sound in it"):
        read_audio(tmp_path/"z.wav")
    with pytest.raises(CamelsError, match="not finite"):
        write_audio(tmp_path/"b.wav", [0., bad])
    with pytest.raises(CamelsError, match="not finite"):
        write_video(tmp_path/"b.mp4", [bits(0)], 25, np.array([0., bad]))
    assert not list(tmp_path.glob(".*")) and not (tmp_path/"b.wav").exists() and not (tmp_path/"b.mp4").exists()

@pytest.mark.parametrize("name", ["front.mp4", "back.mp4", "a.mkv", "a.flac"])
def test_cut_files_raise(tmp_path, name):
    whole = tmp_path/f"whole_{name}"
    if name == "front.mp4":
        write_video(whole, [x for _, x in film(6)], FPS, chirp(16000, 6))
    else:
        mux(whole, None if "flac" in name else "libx264", "flac" if "flac" in name else "aac", film(6), chirp(SR, 6))
    data = whole.read_bytes()
    for part in (0.3, 0.6, 0.8):
        path = tmp_path/name
        path.write_bytes(data[:int(len(data)*part)])
        with pytest.raises(CamelsError, match="truncated"):
            read_audio(path)
        if "flac" not in name:
            with pytest.raises(CamelsError, match="truncated"):
                list(iter_frames(path))
    if name == "front.mp4":
        assert len(read_audio(path, 16000, 0., 1.)) == 16000 # what lies before the cut can be asked for

def test_picture_that_ends_before_the_sound_is_whole(tmp_path):
    mux(tmp_path/"a.mp4", "libx264", "aac", film(1), chirp(SR, 4))
    mux(tmp_path/"b.mkv", "libx264", "aac", film(4), chirp(SR, 1))
    for n in ("a.mp4", "b.mkv"):
        assert len(list(iter_frames(tmp_path/n))) in (25, 100) and len(read_audio(tmp_path/n)) > 15000

@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.wav", "a.flac"])
def test_damaged_bytes_never_crash(tmp_path, name, capfd):
    video, audio = {
        "a.mp4": ("libx264", "aac"),
        "a.webm": ("libvpx", "libopus"),
        "a.wav": (None, "pcm_s16le"),
        "a.flac": (None, "flac"),
    }[name]
    data = np.frombuffer(mux(tmp_path/name, video, audio, film(1), chirp(SR, 1)).read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for i in range(25):
        bad = data.copy()
        at = rng.integers(0, len(bad) if i % 2 else min(2000, len(bad)), 1 + i)
        bad[at] = rng.integers(0, 256, len(at))
        (tmp_path/name).write_bytes(bad.tobytes())
        for f in (probe, read_audio, lambda p: list(iter_frames(p, max_side=64))):
            try:
                f(tmp_path/name)
            except CamelsError as e:
                assert "\n" not in str(e)
    assert capfd.readouterr() == ("", "")

@pytest.mark.parametrize("part,fails", [(0.2, False), (0.8, True)])
def test_mostly_damaged_is_an_error(tmp_path, part, fails):
    path = mux(tmp_path/"a.mp4", None, "flac", (), chirp(SR, 4))
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    n = int((data.index(b"moov") - 4 - at)*part)
    data[at:at+n] = bytes(n)
    path.write_bytes(data)
    if not fails:
        assert 60000 < len(read_audio(path)) <= 64000
    else:
        with pytest.raises(CamelsError, match="damaged"):
            read_audio(path)

def test_odd_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path) # a relative name with a colon looks like a protocol to libav
    for name in ("a b é 100%.mp4", "x:y.mp4", "-dash.mp4", "q?x=1#.mp4", "img%03d.mp4", "it's.mp4"):
        write_video(name, [bits(0)]*5, 25)
        assert probe(name).width == probe(tmp_path/name).width == 128

# ---- memory, and the same bytes each time

def test_long_recordings_are_streamed(tmp_path):
    soundfile.write(tmp_path/"a.wav", np.zeros((20*60*8000, 1), np.int16), 8000)
    write_video(tmp_path/"a.mp4", (bits(i % 1000) for i in range(2000)), 30)
    def peak(it):
        tracemalloc.start()
        n = sum(1 for _ in it)
        p = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return n, p
    n, p = peak(iter_audio(tmp_path/"a.wav", chunk_s=10., overlap_s=1.))
    assert n == 134 and p < 4e6 # 77 MB in one piece
    n, p = peak(iter_frames(tmp_path/"a.mp4"))
    assert n == 2000 and p < 1e6   # 25 MB in one piece
    next(iter_audio(tmp_path/"a.wav"))

@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9000), st.floats(0.05, 0.6), st.floats(0, 0.9))
@example(2000, 0.1, 0.25) # what is left at the end came in the chunk before
def test_chunks_make_the_whole(tmp_path_factory, n, chunk_s, part):
    path = tmp_path_factory.mktemp("chunks")/"a.wav"
    x = np.random.default_rng(n).integers(-9999, 9999, n).astype(np.int16)
    soundfile.write(path, x, 8000)
    whole = read_audio(path, 8000)
    covered = 0
    hop = round((chunk_s - chunk_s*part)*8000)
    if not 0 < hop <= round(chunk_s*8000):
        return
    for i, (t, y) in enumerate(iter_audio(path, 8000, chunk_s, chunk_s*part)):
        at = round(t*8000)
        assert at == i*hop and np.array_equal(y, whole[at:at+len(y)]) and at + len(y) > covered
        covered = at + len(y)
    assert covered == n

def test_equal_input_gives_equal_bytes_in_another_process(tmp_path):
    code = (
        "import sys, numpy as np; from camels.media.write import write_video, write_audio; r = "
        "np.random.default_rng(0)\n"
        "v = r.integers(0, 255, (20, 64, 64, 3), np.uint8); a = r.normal(0, .1, 12800).astype('f4')\n"
        "write_video(sys.argv[1] + '.mp4', v, 29.97, a, 22000); write_audio(sys.argv[1] + '.flac', a); "
        "write_audio(sys.argv[1] + '.wav', a)"
    )
    for n in "ab":
        subprocess.run([sys.executable, "-c", code, tmp_path/n], check=True)
    for ext in (".mp4", ".flac", ".wav"):
        assert (tmp_path/f"a{ext}").read_bytes() == (tmp_path/f"b{ext}").read_bytes()
    info = probe(tmp_path/"a.mp4")
    assert abs(info.fps - 30000/1001) < 1e-6 and info.sr == 48000

def test_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource, sys, numpy as np; from camels.core import CamelsError; from camels.media.write import "
        "write_video, write_audio\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); x = np.random.default_rng(0).integers(0, 255, "
        "(30, 128, 128, 3), np.uint8)\n"
        "for f in (lambda: write_video(sys.argv[1] + '/a.mp4', x, 30), lambda: write_audio(sys.argv[1] + '/a.wav', "
        "np.zeros(99999))):\n"
        "    try: f(); print('written')\n    except CamelsError as e: print(e)"
    )
    r = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert [("cannot be written" in l, "a.mp4" in l or "a.wav" in l) for l in r.stdout.splitlines()] == [
        (True, True)
    ]*2, r.stdout + r.stderr
    assert not list(tmp_path.iterdir()) and not r.stderr

def test_frames_that_do_not_fit(tmp_path):
    for frames in ([], [np.zeros((4, 4))], [bits(0), bits(0)[:8]], [bits(0).astype(np.float32)]):
        with pytest.raises(CamelsError):
            write_video(tmp_path/"a.mp4", frames, 25)
    assert not list(tmp_path.iterdir())

# ---- windows and manifests

@given(st.floats(0.01, 1e4), st.floats(0.1, 5), st.floats(0.05, 5))
def test_windows_fit_and_none_is_missing(duration, window_s, hop_s):
    w = WindowConfig(window_s=window_s, hop_s=hop_s)
    s = window_starts(duration, w)
    assert s[0] == 0 and np.allclose(np.diff(s), hop_s)
    if len(s) > 1:
        assert s[-1] + window_s <= duration + 0.05 + 1e-6
    assert s[-1] + hop_s + window_s > duration + 0.05 - 1e-6

names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(lambda s: s.strip())
a_clip = st.builds(
    lambda p, s, l, **k: Clip(path=f"m/{p.replace('/', '_')}.mp4", start_s=s, end_s=None if l is None else s + l, **k),
    names,
    st.floats(0, 1e4),
    st.none() | st.floats(0.1, 99),
    id=names,
    speaker=st.text(max_size=5),
    turn=st.integers(-1, 99),
    split=st.sampled_from(["", "train", "valid", "test"]),
    transcript=st.text(max_size=20),
    vad=st.none() | st.tuples(*[st.floats(-1, 1)]*3),
)

@settings(max_examples=60, deadline=None)
@given(st.lists(a_clip, max_size=5, unique_by=lambda c: c.id))
def test_manifest_round_trip(tmp_path_factory, clips):
    folder = tmp_path_factory.mktemp("m")
    first = read_clips_or_empty(write_clips(folder/"a.jsonl", clips))
    assert [(c.id, c.start_s, c.end_s, c.speaker, c.turn, c.split, c.transcript, c.vad) for c in first] == \
           [(c.id, c.start_s, c.end_s, c.speaker, c.turn, c.split, c.transcript, c.vad) for c in clips]
    assert [c.path for c in first] == [str(folder.resolve()/c.path) for c in clips]
    assert write_clips(folder/"b.jsonl", first).read_bytes() == (folder/"a.jsonl").read_bytes()

def read_clips_or_empty(path):
    return read_clips(path) if path.stat().st_size else []

@pytest.mark.parametrize(
    "line,what",
    [
        ('{"id": 3, "path": "a"}', "id is 3"),
        ('{"id": "x", "path": "a", "start_s": NaN}', "start_s is nan"),
        ('{"id": "x", "path": "a", "turn": 1.5}', "turn is 1.5"),
        ('{"id": "x", "path": "a", "vad": [0, 1]}', "vad is"),
        ("[]", "not a JSON object"),
        ('{"id": "x", "path": "a", "start_s": -1}', "runs from -1"),
        ('{"id": "x", "path": "a", "split": "dev"}', "unknown split 'dev'"),
        ('{"id": "x", "path": "a", "end_s": 0}', "runs from"),
        ('{"id": "x", "path": "a", "speker": "s"}', "did you mean 'speaker'"),
        ("{", "not JSON"),
        ('{"id": "ok", "path": "a"}', "first on line 2"),
        ('{"id": "", "path": "a"}', "no 'id'"),
        ('{"id": "x", "path": "a", "start_s": true}', "start_s is True"),
    ],
)
def test_manifest_errors_name_the_line(tmp_path, line, what):
    (tmp_path/"m.jsonl").write_text('\n{"id": "ok", "path": "a.mp4"}\n\n' + line + "\n")
    with pytest.raises(CamelsError, match="m.jsonl, line 4: ") as e:
        read_clips(tmp_path/"m.jsonl")
    assert what in str(e.value)

def test_manifest_that_is_none(tmp_path):
    (tmp_path/"b.jsonl").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(CamelsError, match="not text"):
        read_clips(tmp_path/"b.jsonl")
    with pytest.raises(CamelsError, match="no such file"):
        read_clips(tmp_path/"c.jsonl")
    with pytest.raises(CamelsError, match="ids must be unique"):
        write_clips(tmp_path/"d.jsonl", [Clip("a", "a"), Clip("a", "b")])

# ---- real recordings

def test_real_recordings(shared):
    for p in sorted((shared/"talking_faces").glob("*.mp4")) + sorted((shared/"grid_s1").glob("*.mp4"))[:3]:
        info = probe(p)
        assert info.has_video and info.has_audio
        times = [t for t, _ in iter_frames(p, end_s=1., max_side=64)]
        assert 15 < len(times) <= 31 and len(read_audio(p, 16000, 0., 1.)) == 16000
        assert abs(len(read_audio(p))/16000 - info.duration_s) < 0.2
