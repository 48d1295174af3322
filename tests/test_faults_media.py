"""Other people's recordings and attacks: nothing is lost in silence, no header is believed past what can be, one
stream never fails a file."""
import json, os, struct, threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from test_media import FPS, SR, chirp, film, mux, number

from camels.core import CamelsError, WindowConfig
from camels.media.open import MOST_S, NoPicture, NoSound
from camels.media.sound import OffsetFilter, iter_audio, read_audio
from camels.media.read import iter_frames, probe
from camels.media.clips import read_clips, window_starts
from camels.media.write import write_video

CASES = Path(__file__).resolve().parent.parent.parent/"shared"/"cases"

def case(name):
    path = CASES/name
    if not path.exists():
        pytest.skip(f"{name} is not here: shared/cases is absent")
    return path

def fails(what, f, *args, error=CamelsError):
    "`f` raises one line that holds `what`."
    with pytest.raises(error) as e:
        f(*args)
    assert what in str(e.value) and "\n" not in str(e.value), str(e.value)

def level(x):
    return float(np.sqrt((np.asarray(x, float)**2).mean()))

def voice(seconds=2., sr=16000, f0=140., seed=0):
    "A sound with pulses and a slow loudness, somewhat like a voice."
    t = np.arange(round(seconds*sr))/sr
    x = sum(np.sin(2*np.pi*f0*k*t + k)/k for k in range(1, 20))
    return (
        .08*x*(1.2 + np.sin(2*np.pi*3*t)) + 1e-3*np.random.default_rng(seed).standard_normal(len(t))
    ).astype(np.float32)

@pytest.fixture(scope="module")
def speech():
    pytest.importorskip("espeakng_loader")
    from camels.voice.core import create_voice
    return (
        create_voice("espeak").speak("The quick brown fox jumps over the lazy dog, and then it sleeps.").at(16000).audio
    )

# ---- files that are shorter than their own sizes say

SIZED = [
    ("WAV", "PCM_16", "wav"),
    ("WAV", "FLOAT", "wav"),
    ("WAVEX", "PCM_24", "wav"),
    ("RF64", "PCM_16", "wav"),
    ("AIFF", "PCM_16", "aiff"),
    ("AU", "PCM_16", "au"),
    ("CAF", "PCM_16", "caf"),
    ("W64", "PCM_16", "w64"),
]

@pytest.mark.parametrize("kind,subtype,ext", SIZED)
def test_a_cut_file_is_not_whole(tmp_path, kind, subtype, ext):
    path = tmp_path/f"a.{ext}"
    soundfile.write(path, chirp(16000, 3), 16000, format=kind, subtype=subtype)
    assert abs(probe(path).duration_s - 3) < 1e-3 and len(read_audio(path)) == 48000
    data = path.read_bytes()
    for part in (.1, .5, .9, .97):
        path.write_bytes(data[:int(len(data)*part)])
        fails("truncated: the header says 3.0 s", read_audio, path)
        assert abs(probe(path).duration_s - 3) < .02          # as an mp4's: whoever reads to the end is told
    assert len(read_audio(path, 16000, 0., 1.)) == 16000      # what lies before the cut can be asked for

@pytest.mark.parametrize("part", [.3, .6, .95])
def test_a_cut_avi_is_not_whole(tmp_path, part):
    path = mux(tmp_path/"a.avi", "mjpeg", "pcm_s16le", film(3), chirp(SR, 3), pix="yuvj420p")
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size*part)])
    fails("truncated", read_audio, path)
    fails("truncated", lambda: list(iter_frames(path, max_side=32)))

def wav(path, data, declared, sr=16000, channels=1, riff=None, bits_=16):
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff if riff is not None else min(declared + 36, 2**32 - 1),
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        sr,
        min(sr*channels*bits_//8, 2**32 - 1),
        channels*bits_//8,
        bits_,
        b"data",
        declared,
    )
    path.write_bytes(head + data)
    return path

@pytest.mark.parametrize(
    "declared,riff",
    [(0, 0), (2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (0x7ffff000, 0x7ffff024), (0x7fffffff, 0x7fffffff)],
)
def test_a_wav_from_a_pipe_is_whole(tmp_path, declared, riff):
    data = (chirp(16000, 2)*9999).astype("<i2").tobytes()
    path = wav(tmp_path/"a.wav", data, declared, riff=riff)
    assert len(read_audio(path)) == 32000 and abs(probe(path).duration_s - 2) < .01

def test_a_wav_that_declares_three_gigabytes(tmp_path):
    path = wav(tmp_path/"a.wav", (chirp(16000, 2)*9999).astype("<i2").tobytes(), 3_000_000_000)
    fails("truncated", read_audio, path)
    fails("truncated", probe, path)   # nobody lays out windows for 26 hours that are not there

# ---- recordings joined with cat

PLAYED = [
    ("a.ogg", None, "libopus"),
    ("f.ogg", None, "flac"),
    ("a.ts", "libx264", "aac"),
    ("a.mkv", "libx264", "aac"),
    ("a.webm", "libvpx", "libopus"),
    ("a.mka", None, "flac"),
    ("a.mpg", "mpeg1video", "mp2"),
    ("a.aac", None, "aac"),
    ("a.mp3", None, "libmp3lame"),
    ("a.ac3", None, "ac3"),
]

@pytest.mark.parametrize("name,video,audio", PLAYED, ids=[o[0] for o in PLAYED])
def test_joined_recordings_are_read_to_the_end(tmp_path, name, video, audio):
    path = mux(tmp_path/name, video, audio, film(2), chirp(SR, 2))
    one = read_audio(path)
    path.write_bytes(path.read_bytes()*2)
    info, both = probe(path), read_audio(path)
    assert abs(info.duration_s - 4) < .12 and abs(len(both) - 2*len(one)) < 2400
    second = both[-len(one):]
    assert np.abs(second[8000:24000]).max() > .3 and level(both[len(one)+2000:]) > .2
    for a in (2.5, 3.2):
        assert level(read_audio(path, 16000, a, a + .3)) > .2
    assert np.array_equal(np.concatenate([x for _, x in iter_audio(path, chunk_s=.7)]), both)
    if video:
        t, n = zip(*[(t, number(x)) for t, x in iter_frames(path)])
        assert n == tuple(range(50))*2 and (np.diff(t) > .03).all()
    if name not in ("a.aac", "a.mp3", "a.ac3"):
        assert "2 recordings joined" in info.warnings[0]

def test_sound_and_picture_stay_together_in_the_second_part(tmp_path):
    sound = np.zeros(2*SR, np.float32)
    sound[SR:SR+48] = .9
    # the picture lasts longer than the sound
    frames = [(i/FPS, np.full((32, 32, 3), 255 if i == 25 else 0, np.uint8)) for i in range(58)]
    path = mux(tmp_path/"a.ts", "libx264", "aac", frames, sound)
    path.write_bytes(path.read_bytes()*3)
    flash = [t for t, x in iter_frames(path) if x.mean() > 128]
    x = np.abs(read_audio(path, SR))
    at = np.flatnonzero(x > .3)
    click = [at[0], *at[1:][np.diff(at) > SR//2]]
    assert len(flash) == len(click) == 3 and np.abs(np.array(click)/SR - flash).max() < .004

LOST = [
    ("a.wav", None, "pcm_s16le"),
    ("a.mp4", "libx264", "aac"),
    ("a.m4a", None, "aac"),
    ("a.mov", "libx264", "pcm_s16le"),
    ("a.avi", "mjpeg", "pcm_s16le"),
    ("a.flac", None, "flac"),
    ("a.flv", "libx264", "aac"),
    ("a.aiff", None, "pcm_s16be"),
    ("a.caf", None, "pcm_s16le"),
    ("a.au", None, "pcm_s16be"),
    ("a.w64", None, "pcm_s16le"),
]

@pytest.mark.parametrize("name,video,audio", LOST, ids=[o[0] for o in LOST])
def test_a_second_recording_that_cannot_be_reached_is_said(tmp_path, name, video, audio):
    path = mux(
        tmp_path/name,
        video,
        audio,
        film(1),
        chirp(44100, 1),
        44100,
        pix="yuvj420p" if video == "mjpeg" else "yuv420p",
    )
    assert abs(probe(path).duration_s - 1) < .15 and len(read_audio(path)) > 15000
    path.write_bytes(path.read_bytes()*2)
    for f in (probe, read_audio):
        fails("several recordings in one file", f, path)

def test_one_damaged_time_is_no_new_part():
    from camels.media.decode import _Parts
    parts = _Parts()
    for i, t in enumerate([0., 1., 2., .3, 3., 4., 9., 4.9, 5.]):  # one back alone; one ahead alone
        parts.packets[0] = i + 1
        parts.add(0, t, t, t + 1)
    shifts, end = parts.shifts_s(0.)
    assert not parts.starts and len(parts.spans) == 1 and end == 6.

@pytest.mark.parametrize(
    "name,seconds",
    [("07_joined_ogg/joined.ogg", 4.), ("31_joined_opus/joined.opus", 4.), ("08_joined_ts/joined.ts", 5.3)],
)
def test_joined_cases(name, seconds):
    path = case(name)
    assert abs(probe(path).duration_s - seconds) < .25 and abs(len(read_audio(path))/16000 - seconds) < .1

# ---- clocks

@pytest.mark.parametrize(
    "name,video,audio",
    [
        ("a.mkv", "libx264", "aac"),
        ("a.webm", "libvpx", "libopus"),
        ("a.ts", "libx264", "aac"),
        ("a.mka", None, "flac"),
        ("a.flv", "libx264", "aac"),
    ],
)
@pytest.mark.parametrize("late_s", [.4, 3., 50.])
def test_a_recording_that_starts_late_is_whole(tmp_path, name, video, audio, late_s):
    path = mux(
        tmp_path/name,
        video,
        audio,
        [(t + late_s, x) for t, x in film(2)],
        chirp(44100, 2) if name == "a.flv" else chirp(SR, 2),
        44100 if name == "a.flv" else SR,
        delay_s=late_s,
    )
    assert abs(probe(path).duration_s - 2) < .1 and abs(len(read_audio(path))/16000 - 2) < .1
    if video:
        assert len(list(iter_frames(path))) == 50

@pytest.mark.parametrize(
    "name,seconds", [("06_mkv_starts_at_3s/starts_at_3s.mkv", 4.02), ("30_mkv_starts_at_04s/starts_at_04s.mkv", 4.02)]
)
def test_late_cases(name, seconds):
    path = case(name)
    assert abs(probe(path).duration_s - seconds) < .05 and abs(len(read_audio(path))/16000 - seconds) < .05

def packets(path, times, rate=16000):
    "A Matroska file of one-second FLAC stretches at `times` seconds."
    with av.open(str(path), "w") as c:
        a = c.add_stream("flac", rate=rate, layout="mono")
        for t in times:
            f = av.AudioFrame.from_ndarray(
                (9999*np.sin(np.arange(rate)*.1)).astype(np.int16)[None], format="s16", layout="mono"
            )
            f.sample_rate, f.pts, f.time_base = rate, t*rate, Fraction(1, rate)
            c.mux(a.encode(f))
        c.mux(a.encode(None))
    return path

def test_a_gap_of_hours_costs_nothing(tmp_path):
    path = packets(tmp_path/"gap.mkv", (0, 20_000))
    assert abs(probe(path).duration_s - 20_001) < .5
    fails("a hole of over 3600 s", read_audio, path)
    x = read_audio(path, 16000, 12_000., 12_120.)
    assert len(x) == 120*16000 and not x.any()
    assert level(read_audio(path, 16000, 20_000.2, 20_000.8)) > .1
    from camels.encoders.core import create_encoder
    import camels.encoders.espeak_mini, camels.encoders.prosody  # noqa: F401
    starts = np.arange(118.)
    assert (
        not create_encoder("espeak_mini").encode(x, starts).mask.any()
        and not create_encoder("prosody22").encode(x, starts).mask.any()
    )

def test_lengths_past_a_day_are_refused(tmp_path):
    fails("hours, at most 24", probe, packets(tmp_path/"gap.mkv", (0, 90_000)))
    frames = b"".join(b"FRAME\n" + bytes([i])*(16*16*3//2) for i in range(3))
    (tmp_path/"slow.y4m").write_bytes(b"YUV4MPEG2 W16 H16 F1:100000 Ip A1:1 C420jpeg\n" + frames)
    with av.open(str(tmp_path/"slow.y4m")) as src, av.open(str(tmp_path/"slow.mp4"), "w") as c:
        v = c.add_stream("libx264", rate=Fraction(1, 100000), options={"crf": "0"})
        v.width, v.height, v.pix_fmt = 16, 16, "yuv420p"
        for f in src.decode(video=0):
            c.mux(v.encode(f))
        c.mux(v.encode(None))
    for name in ("slow.y4m", "slow.mp4"):
        fails("hours, at most 24", probe, tmp_path/name)
    for s in (MOST_S + 1, 2.**31):
        fails("hours, at most 24", window_starts, s, WindowConfig())

@pytest.mark.parametrize("ext,audio", [("mkv", "flac"), ("mp4", "aac")])
def test_a_length_without_bytes_is_not_believed(tmp_path, ext, audio):
    path = mux(tmp_path/f"a.{ext}", None, audio, (), chirp(16000, 2), 16000)
    data = bytearray(path.read_bytes())
    if ext == "mkv":
        at = data.index(b"\x44\x89\x88") + 3                   # Duration, a float of eight bytes, in ms
        data[at:at+8] = struct.pack(">d", 40_000_000.)
    else:
        # lengths in ms, in ms, in samples, in ms
        for name, at in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20), (b"elst", 12)):
            at += data.index(name)
            data[at:at+4] = struct.pack(">I", 40_000_000*(16 if name == b"mdhd" else 1))
    path.write_bytes(data)
    if ext == "mkv":
        fails("truncated", probe, path)
    else:
        assert probe(path).duration_s < 3   # its table of samples says what there is

# ---- which stream

def tracks(path, sounds, default, codec="aac"):
    "Several streams of sound; `default` says which are marked."
    with av.open(str(path), "w") as c:
        streams = [c.add_stream(codec, rate=16000, layout="mono") for _ in sounds]
        for i, s in enumerate(streams):
            s.disposition = av.stream.Disposition.default if i in default else av.stream.Disposition(0)
        for i in range(0, 32000, 1024):
            for s, x in zip(streams, sounds):
                if x is None:
                    continue
                y = np.ascontiguousarray(x[None, i:i+1024])
                f = av.AudioFrame.from_ndarray(
                    y if codec == "aac" else (y*32767).astype(np.int16),
                    format="fltp" if codec == "aac" else "s16",
                    layout="mono",
                )
                f.sample_rate, f.pts, f.time_base = 16000, i, Fraction(1, 16000)
                c.mux(s.encode(f))
        for s, x in zip(streams, sounds):
            if x is not None:
                c.mux(s.encode(None))
    return path

@pytest.mark.parametrize(
    "order,default",
    [
        ("silent voice", (1,)),
        ("hiss voice", (1,)),
        ("silent voice", ()),
        ("silent voice", (0, 1)),
        ("none voice", (0,)),
        ("voice hiss", ()),
        ("voice hiss", (0, 1)),
        ("none none voice", ()),
    ],
)
def test_the_stream_that_players_choose(tmp_path, order, default):
    kinds = dict(
        silent=np.zeros(32000, np.float32),
        voice=voice(),
        hiss=.01*np.random.default_rng(0).standard_normal(32000).astype(np.float32),
        none=None,
    )
    path = tracks(tmp_path/"a.mkv", [kinds[k] for k in order.split()], default)
    assert level(read_audio(path)) > .05, order
    assert any("streams of sound" in w for w in probe(path).warnings)

def test_default_case():
    assert level(read_audio(case("09_default_audio_track_is_second/two_tracks.mkv"))) > .03

# ---- headers that claim what cannot be

@pytest.mark.parametrize(
    "sr,channels,what",
    [
        (1, 1, "sample rate of 1 Hz"),
        (7, 1, "sample rate of 7 Hz"),
        (999, 1, "sample rate of 999 Hz"),
        (400_000_000, 1, "sample rate of 400000000 Hz"),
        (16000, 255, "255 channels"),
        (16000, 65, "65 channels"),
    ],
)
def test_rates_and_channels_have_bounds(tmp_path, sr, channels, what):
    data = bytes(channels*2*3000)
    path = wav(tmp_path/"a.wav", data, len(data), sr, channels)
    for f in (probe, read_audio):
        fails(what, f, path)

@pytest.mark.parametrize("sr", [1000, 8000, 384_000, 768_000])
def test_rates_within_the_bounds_are_heard(tmp_path, sr):
    path = wav(tmp_path/"a.wav", (voice(.5, sr)*9999).astype("<i2").tobytes(), sr//2*2, sr)
    assert probe(path).sr == sr and abs(len(read_audio(path)) - 8000) <= 1

@pytest.mark.parametrize("w,h", [(20_000, 16), (16, 20_000), (16_000, 16_000)])
def test_pictures_have_bounds(tmp_path, w, h):
    path = tmp_path/"a.y4m"
    path.write_bytes(
        f"YUV4MPEG2 W{w} H{h} F25:1 Ip A1:1 C420jpeg\n".encode() + b"FRAME\n" + bytes(min(w*h*3//2, 600_000))
    )
    fails(f"pictures of {w} x {h} pixels", probe, path, error=NoPicture)
    fails(f"pictures of {w} x {h} pixels", lambda: list(iter_frames(path)))

def test_pixels_that_are_no_shape_are_square(tmp_path):
    def wide(s):
        s.codec_context.sample_aspect_ratio = Fraction(255, 1)
    path = mux(tmp_path/"a.mkv", "libx264", None, film(.2), setup=wide)
    assert probe(path).width == 128 and next(iter_frames(path))[1].shape == (32, 128, 3)

def test_rate_case():
    fails("sample rate of 1 Hz", probe, case("37_one_sample_a_second/rate1.wav"))

# ---- what is no recording is not opened

LISTS = {
    "cc.mp4": b"ffconcat version 1.0\nfile pipe.wav\n",
    "l.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npipe.wav\n#EXT-X-ENDLIST\n",
    "l.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npipe.wav\n#EXT-X-ENDLIST\n",
    "d.mpd": (
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        b'type="static"><Period><BaseURL>pipe.wav</BaseURL></Period></MPD>'
    ),
    "s.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "img%03d.jpg": b"\xff\xd8\xff\xe0" + bytes(99),
    "p.png": b"\x89PNG\r\n\x1a\n" + bytes(99),
}

@pytest.mark.parametrize("name", LISTS)
def test_lists_and_series_are_refused_unopened(tmp_path, name):
    os.mkfifo(tmp_path/"pipe.wav")
    (tmp_path/name).write_bytes(LISTS[name])
    soundfile.write(tmp_path/"img001.jpg", np.zeros(9), 8000, format="WAV")
    out = []
    def run():
        try:
            probe(tmp_path/name)
        except CamelsError as e:
            out.append(str(e))
    t = threading.Thread(target=run, daemon=True)
    t.start()
    t.join(10)
    assert not t.is_alive() and out and name in out[0]

@pytest.mark.parametrize(
    "path,what",
    [
        ("/dev/zero", "not a plain file"),
        ("/dev/null", "not a plain file"),
        ("/proc/kmsg", "0 bytes"),
        ("/proc/self/status", "0 bytes"),
        ("a\0b.wav", "no such file"),
        ("x"*300 + ".wav", "cannot be opened"),
    ],
)
def test_what_is_no_plain_file_is_not_opened(path, what):
    fails(what, probe, path)

def test_a_link_to_itself_is_one_line(tmp_path):
    (tmp_path/"l.wav").symlink_to(tmp_path/"l.wav")
    fails("cannot be opened", probe, tmp_path/"l.wav")

@pytest.mark.parametrize(
    "name",
    [
        "a|b.wav",
        "concat:x|y.wav",
        "pipe:0",
        "http:x.wav",
        "img%03d.wav",
        "subfile,,start,1,,:x.wav",
        "%d.wav",
        "*.wav",
        "a\nb.wav",
        os.fsdecode(b"bad\xff.wav"),
        "-i.wav",
        "file:x.wav",
    ],
)
def test_names_mean_nothing_but_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    data = (voice()*9999).astype("<i2").tobytes()
    wav(Path(name), data, len(data))
    assert abs(probe(name).duration_s - 2) < 1e-3 and len(read_audio(tmp_path/name)) == 32000

# ---- one stream never fails the other

def no_pictures(path):
    "A film whose video stream is announced and empty."
    with av.open(str(path), "w") as c:
        v, a = c.add_stream("libvpx", rate=25), c.add_stream("libopus", rate=SR, layout="mono")
        v.width, v.height, v.pix_fmt = 32, 32, "yuv420p"
        for i in range(0, 2*SR, 960):
            f = av.AudioFrame.from_ndarray(chirp(SR, 2)[None, i:i+960], format="flt", layout="mono")
            f.sample_rate, f.pts, f.time_base = SR, i, Fraction(1, SR)
            c.mux(a.encode(f))
        c.mux(a.encode(None))
    return path

def test_an_empty_video_stream_leaves_the_sound(tmp_path):
    info = probe(path := no_pictures(tmp_path/"a.webm"))
    assert (
        info.has_audio
        and not info.has_video
        and info.warnings == ["its video stream holds no picture"]
        and abs(info.duration_s - 2) < .1
    )
    assert len(read_audio(path)) > 31000
    fails("no picture", lambda: list(iter_frames(path)), error=NoPicture)

def test_sound_that_ends_early_is_tellable(tmp_path):
    path = mux(tmp_path/"a.mp4", "libx264", "aac", film(4), chirp(SR, 1))
    assert len(read_audio(path, 16000, .5)) > 7000
    fails("no sound after 2.00 s", read_audio, path, 16000, 2., error=NoSound)
    fails("no sound after 2.00 s", read_audio, path, 16000, 2., 3., error=NoSound)
    fails("no audio stream", read_audio, mux(tmp_path/"b.mp4", "libx264", None, film(1)), error=NoSound)
    fails("no video stream", lambda: next(iter_frames(wav(tmp_path/"c.wav", bytes(3200), 3200))), error=NoPicture)

@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_damaged_stream_is_told_from_a_damaged_file(tmp_path, kind):
    path = mux(tmp_path/"a.mp4", "libx264", "flac", film(2), chirp(SR, 2))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as c:
        places = [(p.pos, p.size) for p in c.demux(**{kind: 0}) if p.size]
    for at, n in places:
        data[at:at+n] = bytes(n)
    path.write_bytes(data)
    info = probe(path)
    if kind == "video":
        assert info.has_audio and not info.has_video and info.warnings and len(read_audio(path)) == 32000
    else:
        fails("damaged", read_audio, path, error=NoSound)
        assert len(list(iter_frames(path))) == 50

def test_a_damaged_codec_name_is_said(tmp_path):
    path = mux(tmp_path/"a.mp4", "libx264", "aac", film(2), chirp(SR, 2))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"avc1\0\0\0\0\0\0\0\1", b"?vq!\0\0\0\0\0\0\0\1"))
    info = probe(path)
    assert info.has_audio and not info.has_video and "codec" in info.warnings[0]

@pytest.mark.parametrize(
    "name,what",
    [
        ("empty.wav", "no sound in it"),
        ("unknown_codec.wav", "codec that cannot be decoded"),
        ("loud.wav", "full scale is 1"),
    ],
)
def test_hints_that_apply(name, what):
    fails(what, lambda p: (probe(p), read_audio(p)), case("26_wrong_hints/" + name))

def test_stream_cases():
    info = probe(case("04_camera_off/camera_off.webm"))
    assert info.has_audio and not info.has_video and info.duration_s > 3.9
    fails(
        "no sound after",
        read_audio,
        case("05_sound_stops_in_long_video/sound_stops.mp4"),
        16000,
        117.,
        240.,
        error=NoSound,
    )
    fails("no sound after", read_audio, case("29_clip_after_the_sound/v.mp4"), 16000, 2., 3.9, error=NoSound)

def test_an_ogg_that_breaks_off_is_said(tmp_path):
    path = mux(tmp_path/"a.ogg", None, "libopus", (), chirp(SR, 3))
    assert not probe(path).warnings
    for part in (.5, .9, .99):
        (tmp_path/"b.ogg").write_bytes(path.read_bytes()[:int(path.stat().st_size*part)])
        assert "no end-of-stream page" in probe(tmp_path/"b.ogg").warnings[0]

# ---- sound as it is

@pytest.mark.parametrize("unit", [32768, 8388608, 2**31, 127, 100])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_in_other_units_are_refused_by_name(tmp_path, unit, subtype):
    soundfile.write(tmp_path/"a.wav", voice()*unit, 16000, subtype=subtype)
    fails("full scale is 1", read_audio, tmp_path/"a.wav")
    soundfile.write(tmp_path/"b.wav", voice()*1.5, 16000, subtype=subtype)   # a hot mix is no other unit
    assert np.abs(read_audio(tmp_path/"b.wav") - 1.5*voice()).max() < 1e-6

def test_units_case():
    fails("f32.wav: samples up to", read_audio, case("11_float_wav_in_int16_units/f32.wav"))

def test_huge_doubles_and_one_shout(tmp_path):
    soundfile.write(tmp_path/"a.wav", np.r_[np.zeros(9000), 1e300], 16000, subtype="DOUBLE")
    fails("full scale is 1", read_audio, tmp_path/"a.wav")

def alike(a, b):
    return np.abs(np.asarray(a, float)/np.asarray(b, float) - 1).max()

@pytest.mark.parametrize("offset", [.02, -.05, .2])
def test_an_offset_changes_nothing_that_is_measured(speech, offset):
    from camels.encoders.core import create_encoder
    import camels.encoders.espeak_mini, camels.encoders.prosody  # noqa: F401
    from camels.encoders.prosody import PROSODY_NAMES
    from camels.express.features import audio_features
    x, y = speech, speech + np.float32(offset)
    for name in ("prosody22", "prosody_contour"):
        enc = create_encoder(name)
        a, b = enc.encode(x, [0., 1.]), enc.encode(y, [0., 1.])
        assert a.mask.all() and b.mask.all()
        for n in ("zcr", "shimmer", "jitter", "rms", "f0_mean", "hnr", "voiced"):
            assert alike(b.x[:, PROSODY_NAMES.index(n)], a.x[:, PROSODY_NAMES.index(n)]) < .02, n
    enc = create_encoder("espeak_mini")
    a, b = enc.phones(x), enc.phones(y)
    assert a.labels == b.labels and len(a) > 30 and np.abs(a.end_s - b.end_s).max() < 1e-3
    np.testing.assert_allclose(audio_features(y), audio_features(x), atol=.02)

def test_offset_case():
    from camels.encoders.prosody import PROSODY_NAMES, Prosody22
    plain, dc = case("12_dc_offset/plain.wav"), case("12_dc_offset/dc.wav")
    a, b = (Prosody22().encode(read_audio(f), [0.]).x[0] for f in (plain, dc))
    for n in ("zcr", "shimmer", "jitter", "rms"):
        assert alike(b[PROSODY_NAMES.index(n)], a[PROSODY_NAMES.index(n)]) < .02, n

def test_phones_and_v3_of_a_stream_with_an_offset_are_those_of_the_whole(speech):
    from camels.encoders.core import create_encoder
    from camels.encoders.espeak_mini import PhoneStream
    from camels.express.features import FeatureStream, audio_features
    y, enc = speech + np.float32(.05), create_encoder("espeak_mini")
    s, v = PhoneStream(enc), FeatureStream()
    parts = np.array_split(y, 37)
    got = [s.push(p, last=i == 36) for i, p in enumerate(parts)]
    assert [l for o in got for l in o.labels] == enc.phones(y).labels
    np.testing.assert_allclose(np.concatenate([v.push(p) for p in parts] + [v.flush()]), audio_features(y), atol=1e-4)

def test_the_filter_forgets_and_keeps_a_voice():
    x = voice(3.)
    step = x + np.float32(.1)*(np.arange(len(x)) > 24000)               # the card's offset jumps
    assert np.abs(OffsetFilter()(step)[32000:] - OffsetFilter()(x)[32000:]).max() < 1e-4
    assert .99 < level(OffsetFilter()(x))/level(x) < 1.01 and not OffsetFilter()(np.full(99, .3)).any()

@pytest.mark.parametrize(
    "layout,where",
    [
        ("5.1", "FC"),
        ("5.1(side)", "FC"),
        ("7.1", "FC"),
        ("5.0", "FC"),
        ("3.0", "FC"),
        ("5.1", "FL FR"),
        ("7.1", "FL FR"),
        ("quad", "FL FR"),
        ("2.1", "FL FR"),
        ("4.0", "FC"),
    ],
)
def test_surround_keeps_the_level_of_a_voice(tmp_path, layout, where):
    x, names = voice(), [o.name for o in av.AudioLayout(layout).channels]
    many = np.stack([x*(n in where.split()) + .5*np.sin(np.arange(len(x))*.01)*n.startswith("LFE") for n in names])
    with av.open(str(tmp_path/"a.mkv"), "w") as c:
        a = c.add_stream("flac", rate=16000, layout=layout)
        f = av.AudioFrame.from_ndarray((many.T.reshape(1, -1)*32767).astype(np.int16), format="s16", layout=layout)
        f.sample_rate, f.pts, f.time_base = 16000, 0, Fraction(1, 16000)
        for g in av.AudioFifo and [f]:
            c.mux(a.encode(g))
        c.mux(a.encode(None))
    assert abs(20*np.log10(level(read_audio(tmp_path/"a.mkv"))/level(x))) < 3

def test_surround_case():
    a, b = (read_audio(case("13_surround_voice_in_centre/" + n)) for n in ("mono.wav", "surround.ogg"))
    assert abs(20*np.log10(level(b)/level(a))) < 3

@pytest.mark.parametrize("gain", [-1., -.9, -1.2])
@pytest.mark.parametrize("ext", ["flac", "wav", "ogg"])
def test_channels_that_cancel(tmp_path, gain, ext):
    x = np.r_[np.zeros(24000), voice(3.)]                     # silence first: it decides nothing
    soundfile.write(tmp_path/f"a.{ext}", np.stack([.7*x, .7*gain*x], 1), 16000)
    y = read_audio(tmp_path/f"a.{ext}")
    assert level(y) > .65*level(x) and any("cancel" in w for w in probe(tmp_path/f"a.{ext}").warnings)
    assert np.abs(read_audio(tmp_path/f"a.{ext}", 16000, 2., 3.) - y[32000:48000]).max() < 1e-3

def test_ordinary_stereo_is_the_mean(tmp_path):
    rng = np.random.default_rng(0)
    a, b = voice(), voice(f0=200.)
    for pair in ((a, b), (a, a), (a, 0*a), (a, -.3*a), (rng.standard_normal(32000)*.1, rng.standard_normal(32000)*.1)):
        soundfile.write(tmp_path/"a.wav", np.stack(pair, 1), 16000, subtype="FLOAT")
        assert (
            np.abs(read_audio(tmp_path/"a.wav") - np.mean(pair, 0)).max() < 1e-6
            and not probe(tmp_path/"a.wav").warnings
        )

def test_antiphase_case():
    assert level(read_audio(case("32_antiphase_stereo/antiphase.flac"))) > .03

def adts(path, x, sr, layout):
    return mux(path, None, "aac", (), x, sr, layout)

@pytest.mark.parametrize(
    "first,second",
    [((44100, "mono"), (48000, "stereo")), ((48000, "stereo"), (16000, "mono")), ((16000, "mono"), (44100, "stereo"))],
)
def test_rate_and_layout_may_change_within_a_stream(tmp_path, first, second):
    data = b"".join(
        adts(
            tmp_path/f"{sr}.aac",
            .5*np.sin(2*np.pi*440*np.arange(2*sr)/sr).astype(np.float32),
            sr,
            layout,
        ).read_bytes()
        for sr, layout in (first, second)
    )
    (tmp_path/"a.aac").write_bytes(data)
    x = read_audio(tmp_path/"a.aac")
    assert abs(len(x)/16000 - 4.1) < .15 and any("change" in w for w in probe(tmp_path/"a.aac").warnings)
    assert not probe(tmp_path/f"{first[0]}.aac").warnings
    for a in (8000, 40000):   # both halves are the tone, without holes
        part = x[a:a+16000]
        assert np.abs(np.fft.rfft(part*np.hanning(16000))).argmax() == 440 and level(part[:1600]) > .3
        assert min(level(o) for o in np.array_split(part, 50)) > .3
    assert np.array_equal(np.concatenate([x for _, x in iter_audio(tmp_path/"a.aac", chunk_s=.9)]), x)

def test_rate_case_keeps_its_phones():
    from camels.encoders.core import create_encoder
    import camels.encoders.espeak_mini  # noqa: F401
    x = read_audio(case("25_aac_rate_changes/rate_changes.aac"))
    out = create_encoder("espeak_mini").phones(x)
    a, b = (
        [l for l, s in zip(out.labels, out.start_s) if s < 4.05],
        [l for l, s in zip(out.labels, out.start_s) if s >= 4.05],
    )
    from difflib import SequenceMatcher
    assert SequenceMatcher(None, a, b).ratio() > .8           # both halves say the same

@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("lost", [[30], [30, 31], [20, 40, 60]])
def test_a_damaged_packet_leaves_what_follows_in_its_place(tmp_path, name, lost):
    sound = np.zeros(3*SR, np.float32)
    sound[2*SR:2*SR+48] = .9
    sound += .02*np.random.default_rng(0).standard_normal(len(sound)).astype(np.float32)
    path = mux(tmp_path/name, None, "aac", (), sound)
    want, data = np.abs(read_audio(path, SR)).argmax(), bytearray(path.read_bytes())
    with av.open(str(path)) as c:
        places = [p.pos for p in c.demux(audio=0) if p.size]
    with av.open(str(path)) as c:
        raw = [bytes(p) for p in c.demux(audio=0) if p.size]
    for i in lost:
        at = bytes(data).index(raw[i])
        data[at:at+len(raw[i])] = b"\xff"*len(raw[i])
    assert places
    path.write_bytes(data)
    got = np.abs(read_audio(path, SR))
    assert abs(got.argmax() - want) <= SR*.002 and got.max() > .5

def test_priming_is_left_out_where_the_file_states_it(tmp_path):
    sound = np.zeros(SR, np.float32)
    sound[SR//2:SR//2+48] = .9
    late = {
        n: np.abs(read_audio(mux(tmp_path/n, None, a, (), sound), SR)).argmax()/SR - .5
        for n, a in (("a.m4a", "aac"), ("a.mp3", "libmp3lame"), ("a.aac", "aac"))
    }
    # a raw stream cannot state it
    assert abs(late["a.m4a"]) < .003 and abs(late["a.mp3"]) < .003 and .015 < late["a.aac"] < .05

@pytest.mark.parametrize("n", [0, 1, 2, 100, 399])
def test_nothing_is_heard_in_nothing(n):
    from camels.encoders.core import create_encoder
    from camels.encoders.espeak_mini import PhoneStream
    import camels.encoders.prosody  # noqa: F401
    enc, x = create_encoder("espeak_mini"), .5*np.sin(np.arange(n)*.3).astype(np.float32)
    for audio in (
        x,
        np.r_[np.zeros(16000, np.float32), x, np.zeros(16000, np.float32)],
        np.r_[x, np.full(32000, .02, np.float32)],
    ):
        assert not enc.encode(audio, [0., 1.]).mask.any() and not len(enc.phones(audio))
    assert not len(PhoneStream(enc).push(x, last=True))
    assert not create_encoder("prosody22").encode(x, [0.]).mask.any()

def test_one_sample_in_a_file(tmp_path):
    from camels.encoders.core import create_encoder
    import camels.encoders.espeak_mini  # noqa: F401
    for sr in (8000, 44100, 192_000):
        path = wav(tmp_path/"a.wav", struct.pack("<h", 20_000), 2, sr)
        try:
            assert not create_encoder("espeak_mini").encode(read_audio(path), [0.]).mask.any()
        except NoSound:
            assert sr > 16000   # less than a sample is left of it

# ---- pictures as they are

@pytest.mark.parametrize(
    "m,shape",
    [
        ((.5, 0, 0, .5), (32, 64)),
        ((2, 0, 0, 2), (32, 64)),
        ((0, 0, 0, 0), (32, 64)),
        ((1, .5, 0, 1), (32, 57)),
        ((.7, .7, -.7, .7), (32, 64)),
        ((1, 0, 0, 0), (32, 64)),
        ((0, .5, -.5, 0), (64, 32)),
        ((0, 1, -1, 0), (64, 32)),
    ],
)
def test_a_matrix_that_is_no_turn_is_ignored(tmp_path, m, shape):
    data = write_video(tmp_path/"a.mp4", [np.zeros((32, 64, 3), np.uint8)]*5, 25).read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(o*65536) for o in m)
    (tmp_path/"a.mp4").write_bytes(
        data[:at] + np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes() + data[at+36:]
    )
    info = probe(tmp_path/"a.mp4")
    assert next(iter_frames(tmp_path/"a.mp4"))[1].shape[:2] == shape == (info.height, info.width)
    assert info.rotation == (0 if shape[0] == 32 else -90)

def test_matrix_case():
    path = case("24_matrix_scales_by_half/half.mp4")
    assert next(iter_frames(path))[1].shape == (96, 160, 3) and probe(path).rotation == 0

def mouth(x):
    from camels.encoders.face import channel
    return x[:, channel("mouth_open")]

@pytest.mark.parametrize(
    "name", ["grid_s1/bbaf3s.mp4", "talking_faces/retalking_2.mp4", "talking_faces/infinitetalk_ref.mp4"]
)
def test_an_upside_down_face_is_righted(shared, name):
    pytest.importorskip("mediapipe")
    from camels.encoders.face import FaceMeshEncoder, channel
    from camels.encoders.tracker import landmarks
    enc, frames = FaceMeshEncoder(), list(iter_frames(shared/name, end_s=1.5, max_side=480))
    over = [(t, np.ascontiguousarray(x[::-1, ::-1])) for t, x in frames]
    a, b = enc.track(frames), enc.track(over)
    assert a.seen.all() and b.seen.all()
    assert (
        mouth(b.channels).std() > .8*mouth(a.channels).std()
        and np.corrcoef(mouth(a.channels), mouth(b.channels))[0, 1] > .95
    )
    assert abs(np.median(b.channels[:, channel("roll")] - a.channels[:, channel("roll")]) - 180) < 3
    h, w = frames[0][1].shape[:2]
    there = landmarks(over[0][1])[:, :2]
    assert np.abs((w, h) - there - landmarks(frames[0][1])[:, :2]).max() < .02*w
    # turned over in the middle, and back
    mixed = frames[:12] + [(t, np.ascontiguousarray(x[::-1, ::-1])) for t, x in frames[12:24]] + frames[24:]
    roll = enc.track(mixed).channels[:, channel("roll")]
    assert (np.abs(roll[:12]) < 60).all() and (roll[13:23] > 120).all() and (np.abs(roll[26:]) < 60).all()

def test_upside_down_case():
    pytest.importorskip("mediapipe")
    from camels.encoders.face import FaceMeshEncoder
    enc = FaceMeshEncoder()
    a, b = (enc.encode(iter_frames(case(f"23_face_upside_down/{n}.mp4")), 2) for n in ("upright", "upside_down"))
    assert b.mask.all() and np.corrcoef(a.x.ravel(), b.x.ravel())[0, 1] > .9

# ---- manifests

@pytest.mark.parametrize(
    "line,what",
    [
        ("["*100_000, "nested too deeply"),
        ('{"id": "x", "path": "a", "start_s": ' + "9"*6000 + "}", "thousands of digits"),
        ('{"id": "x", "path": "a", "start_s": ' + "9"*400 + "}", "not a number"),
        ('{"id": "x", "path": "a", "turn": ' + "9"*400 + "}", "not a whole number"),
        ('{"id": "\\ud800", "path": "a"}', "which no file can hold"),
        ('{"id": "x", "path": "a\\u0000b"}', "which no file can hold"),
        ('{"id": "x", "path": "\\ud800"}', "no file can hold"),
    ],
)
def test_hostile_manifests_are_one_line(tmp_path, line, what):
    (tmp_path/"m.jsonl").write_text(line + "\n")
    fails(what, read_clips, tmp_path/"m.jsonl")
    with pytest.raises(CamelsError) as e:
        read_clips(tmp_path/"m.jsonl")
    assert len(str(e.value)) < 400 and "line 1" in str(e.value)

def test_a_name_of_odd_bytes_comes_back(tmp_path):
    from camels.media.clips import Clip, write_clips
    name = os.fsdecode(b"bad\xff.wav")
    data = (voice()*9999).astype("<i2").tobytes()
    wav(tmp_path/name, data, len(data))
    write_clips(tmp_path/"m.jsonl", [Clip("a", str(tmp_path/name))])
    json.loads((tmp_path/"m.jsonl").read_text(encoding="utf-8"))
    assert probe(read_clips(tmp_path/"m.jsonl")[0].path).duration_s == 2


def test_a_64_bit_wav_is_read_as_any_other(tmp_path):
    x = .25*np.sin(np.arange(32000)/16000*2*np.pi*200)
    with av.open(str(tmp_path/"wide.wav"), "w", format="wav") as c:
        s = c.add_stream("pcm_s64le", rate=16000, layout="mono")
        f = av.AudioFrame.from_ndarray(x[None], format="dblp", layout="mono")
        f.sample_rate, f.pts = 16000, 0
        for g in av.AudioResampler("s64", "mono", 16000).resample(f):
            c.mux(s.encode(g))
        c.mux(s.encode(None))
    assert np.abs(read_audio(tmp_path/"wide.wav") - x).max() < 1e-3


def test_a_stream_whose_header_is_damaged_is_told(tmp_path):
    with av.open(str(tmp_path/"a.avi"), "w", format="avi") as c:
        v, a = c.add_stream("mpeg4", rate=25), c.add_stream("pcm_s16le", rate=16000, layout="mono")
        v.width, v.height, v.pix_fmt = 64, 64, "yuv420p"
        for i in range(50):
            f = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i, np.uint8))
            f.pts, f.time_base = i, Fraction(1, 25)
            c.mux(v.encode(f))
            g = av.AudioFrame.from_ndarray(np.full((1, 640), 100*i, np.int16), format="s16", layout="mono")
            g.sample_rate, g.pts, g.time_base = 16000, 640*i, Fraction(1, 16000)
            c.mux(a.encode(g))
        c.mux(v.encode(None))
        c.mux(a.encode(None))
    data = bytearray((tmp_path/"a.avi").read_bytes())
    assert probe(tmp_path/"a.avi").has_audio and not probe(tmp_path/"a.avi").warnings
    data[data.index(b"auds")] ^= 1
    (tmp_path/"b.avi").write_bytes(data)
    info = probe(tmp_path/"b.avi")
    assert info.has_video and not info.has_audio and "is left out" in " ".join(info.warnings)
