"The voices from outside: fresh processes, threads, bad installations, and the online voice played from a file."
import concurrent.futures, hashlib, subprocess, sys

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
from camels.voice import espeak
import camels.core as voice_core
from camels.core import CamelsError
from camels.voice.core import create_voice, phone_table

LINE = "Papa bought a cup of tea, but Bob kept his coffee."


def digest(s):
    return hashlib.sha256(s.audio.tobytes() + repr((s.phones, s.words)).encode()).hexdigest()


@pytest.mark.parametrize("variant", ["en-us", "en-gb+f2", "en-gb-scotland+m3", "en-029+f5"])
def test_same_samples_in_another_process(variant):
    code = (
        "from tests.test_voice import *; v = create_voice(); v.speak('Warm up.', 'en-us+croak'); "
        f"print(digest(v.speak(LINE, {variant!r})))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=voice_core.asset().parents[1]
    )
    assert out.stdout.strip() == digest(create_voice().speak(LINE, variant))


def test_threads_do_not_mix():
    v, variants = create_voice(), ["en-us", "en-gb+f2", "en-us+m3"]*4
    alone = [digest(v.speak(LINE, o)) for o in variants[:3]]*4
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda o: digest(v.speak(LINE, o)), variants)) == alone


@pytest.mark.parametrize("accent", espeak.ACCENTS)
def test_phones_are_known_ordered_and_in_the_audio(accent):
    s = create_voice().speak(
        "Which houses here are cold, pure and loud? About thirty people own fire insurance; nurses thought otherwise.",
        accent,
    )
    assert {p.label for p in s.phones} <= set(phone_table()["symbols"])
    assert all(p.end_s > p.start_s for p in s.phones) and s.phones[-1].end_s <= s.duration_s + 1e-6
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in zip(s.phones, s.phones[1:]))
    assert len(s.words) == 17


def test_accents_differ():
    said = {
        a: tuple(
            p.label for p in create_voice().speak("The bath near the house is not very cold, said Mary.", a).phones
        )
        for a in espeak.ACCENTS
    }
    assert len(set(said.values())) == len(espeak.ACCENTS)


def test_deep_installation_path(tmp_path, monkeypatch):
    import espeakng_loader, os
    deep = tmp_path/("d"*120)/("e"*120)
    deep.mkdir(parents=True)
    os.symlink(espeakng_loader.get_data_path(), deep/"espeak-ng-data")
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: deep/"espeak-ng-data")
    espeak._espeak_data.cache_clear()
    try:
        assert digest(create_voice().speak(LINE, "en-us")) and create_voice().speak(LINE).words
    finally:
        monkeypatch.undo()
        espeak._espeak_data.cache_clear()


def test_broken_installation_is_one_line(tmp_path, monkeypatch):
    import espeakng_loader
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: tmp_path)
    espeak._espeak_data.cache_clear()
    try:
        with pytest.raises(CamelsError):
            create_voice().speak(LINE)
    finally:
        monkeypatch.undo()
        espeak._espeak_data.cache_clear()


def test_edge_voice_offline_is_one_line(monkeypatch):
    edge_tts = pytest.importorskip("edge_tts")
    def fail(self):
        raise OSError("no network")
    monkeypatch.setattr(edge_tts.Communicate, "stream_sync", fail)
    with pytest.raises(CamelsError, match="needs the internet"):
        create_voice("edge").speak("Hello there.")


def test_edge_voice_from_a_recorded_stream(tmp_path, monkeypatch):
    edge_tts = pytest.importorskip("edge_tts")
    av = pytest.importorskip("av")
    f, t = tmp_path/"a.mp3", np.arange(24000)/24000
    with av.open(str(f), "w") as c:
        st = c.add_stream("mp3", rate=24000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (8000*np.sin(2*np.pi*200*t)).astype(np.int16)[None], format="s16p", layout="mono"
        )
        frame.sample_rate = 24000
        for p in [*st.encode(frame), *st.encode(None)]:
            c.mux(p)
    chunks = [
        {"type": "audio", "data": f.read_bytes()},
        {"type": "WordBoundary", "offset": 1e6, "duration": 3e6, "text": "Hello"},
        {"type": "WordBoundary", "offset": 5e6, "duration": 3e6, "text": "there"},
    ]
    monkeypatch.setattr(edge_tts.Communicate, "stream_sync", lambda self: iter(chunks))
    s = create_voice("edge").speak("Hello there.", rate=210, pitch=60)
    assert not s.exact and s.sr == 24000 and abs(s.duration_s - 1) < .1
    assert (
        [w.text for w in s.words] == ["Hello", "there"]
        and abs(s.phones[0].start_s - .1) < 1e-6
        and abs(s.phones[-1].end_s - .8) < 1e-6
    )
