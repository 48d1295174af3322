"moonshine_phones: the same phones however the sound arrives, nothing from noise, one clear line where it is absent."
import subprocess, sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from camels.core import CamelsError, asset
from camels.encoders.best import BEST, best_phones, what_lacks
from camels.encoders.core import create_encoder
from camels.encoders.moon_net import PACES, find_moonshine, moon_windows
from camels.recipes.phones.measure import quiet_sounds

root = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def enc():
    if why := what_lacks("moonshine_phones"):
        pytest.skip(why)
    return create_encoder("moonshine_phones")


@pytest.fixture(scope="module")
def speech():
    from camels.voice.core import create_voice
    text = "She had your dark suit in greasy wash water all year."
    return create_voice("espeak").speak(text, variant="en-us+f5").at(16000)


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("piece", [160, 1600, 7001])
def test_a_stream_gives_the_phones_of_the_whole(enc, speech, pace, piece):
    from camels.encoders.espeak_mini import PhoneStream
    from camels.encoders.moonshine import MoonshinePhones
    one = MoonshinePhones(pace=pace, ear=enc.ear)
    x = np.concatenate([speech.audio, np.zeros(9000, np.float32), speech.audio])
    whole, stream = one.phones(x), PhoneStream(one)
    out = [stream.push(x[i:i+piece], i + piece >= len(x)) for i in range(0, len(x), piece)]
    assert [label for o in out for label in o.labels] == whole.labels and len(whole) > 40
    assert np.allclose(np.concatenate([o.start_s for o in out]), whole.start_s, atol=1e-3)
    assert np.allclose(np.concatenate([o.x for o in out]).astype(float), whole.x.astype(float), atol=2e-2)


@pytest.mark.parametrize("pace", PACES.values())
def test_windows_cover_each_frame_once_and_hear_no_more_than_is_there(pace):
    for n in (1, 30, 125, 126, 1000):
        windows = moon_windows(0, n, n, pace)
        kept = [frame for _, _, start, end in windows for frame in range(start, end)]
        assert kept == list(range(n))
        assert all(0 <= first <= start < end <= last <= n and last - first <= pace.size
                   for first, last, start, end in windows)


def test_noise_and_music_hold_no_phones(enc):
    invented = {name: len(enc.phones(x)) for name, x in quiet_sounds(6.).items()}
    assert sum(invented.values()) <= 1, invented


def test_speech_is_heard_at_its_time(enc, speech):
    heard, said = enc.phones(speech.audio), speech.phones
    first = heard.start_s[0] - said[0].start_s
    assert abs(first) < .06
    assert abs(len(heard) - len(said)) < .25*len(said)


def test_embeddings_are_of_the_stated_width(enc, speech):
    heard = enc.phones(speech.audio)
    assert heard.x.shape == (len(heard), 288) and heard.x.dtype == np.float16
    assert ((0 < heard.scores) & (heard.scores <= 1)).all()


def test_the_head_is_small_and_has_no_pickle():
    folder = asset("moonshine_phones")
    assert {f.name for f in folder.iterdir()} == {"model.safetensors", "config.json", "card.md"}
    assert (folder/"model.safetensors").stat().st_size < 6e6


def test_an_absent_package_is_one_clear_line(monkeypatch):
    import importlib.util
    found = importlib.util.find_spec

    def absent(name, *rest):
        return None if name == "moonshine_voice" else found(name, *rest)
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(CamelsError, match=r'pip install "camels\[speech\]"') as e:
        create_encoder("moonshine_phones")
    assert "\n" not in str(e.value)
    assert "not on this machine" in what_lacks("moonshine_phones")
    assert best_phones() != "moonshine_phones"


def test_the_best_is_the_first_that_lacks_nothing():
    assert best_phones() == next(name for name in BEST if not what_lacks(name))
    assert not what_lacks("espeak_mini")


def test_the_package_is_not_imported_to_be_found():
    try:
        find_moonshine()
    except CamelsError as e:
        pytest.skip(str(e))
    code = (
        "import sys; from camels.encoders.moon_net import find_moonshine; find_moonshine(); "
        "print('moonshine_voice' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    assert out.strip() == "False"
