"""The shipped latent: loaded offline at once, strict about its encoders, small, and right about people it never met."""
import os
import socket
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from camels.core import CamelsError, asset  # noqa: E402
from camels.data.features import toy_features  # noqa: E402
from camels.data.studio.film import film  # noqa: E402
from camels.data.studio.script import plan_studio, speaker  # noqa: E402
from camels.files import read_json  # noqa: E402
from camels.latent.metrics import retrieval  # noqa: E402
from camels.latent.shipped import embed_features, embed_recordings  # noqa: E402
from camels.latent.space import LatentSpace  # noqa: E402
from camels.media.clips import Clip  # noqa: E402
from camels.recipes.latent.corpus import LatentRecipe  # noqa: E402


@pytest.fixture(scope="module")
def latent():
    return LatentSpace.shipped()


def test_it_loads_offline_within_a_second(latent, monkeypatch):
    def no_network(*a, **kw):
        raise AssertionError("a connection was asked for")
    monkeypatch.setattr(socket.socket, "connect", no_network)
    began = time.process_time()
    again = LatentSpace.shipped()
    assert time.process_time() - began < 1
    assert all(torch.equal(v, latent.state_dict()[k]) for k, v in again.state_dict().items())


def test_it_is_small_and_whole():
    folder = asset("latent")
    files = {f.name: f.stat().st_size for f in folder.iterdir()}
    assert {"model.safetensors", "config.json", "card.md", "figures.json"} <= set(files)
    assert sum(files.values()) <= 12e6


def test_the_card_was_written_for_these_weights(latent):
    card, kept = (asset("latent")/"card.md").read_text(), read_json(asset("latent", "figures.json"))
    for c in latent.config.encoders.values():
        assert c["fingerprint"] in card
    assert {"studio", "grid", "faces", "speechocean762"} == set(kept["figures"])
    assert kept["about"]["recipe"]["speakers"] >= 100 and kept["figures"]["studio"]["speakers"] >= 25


def test_features_of_other_encoders_are_refused(latent):
    with pytest.raises(CamelsError, match="but the latent was trained on"):
        embed_features(latent, toy_features(8))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    "Latents of six turns by people of the large studio's test split."
    at, r = tmp_path_factory.mktemp("strangers"), LatentRecipe()
    turns = plan_studio(r.minutes, r.speakers, r.cast, r.length)
    held = [t for t in turns if speaker(t.speaker, r.speakers, r.cast).split == "test"]
    held = list({t.speaker: t for t in held}.values())[:6]
    clips = [
        Clip(t.id, str(film(t, speaker(t.speaker, r.speakers, r.cast), at/f"{t.id}.mp4")), speaker=str(t.speaker))
        for t in held
    ]
    return embed_recordings(clips, jobs=min(2, os.cpu_count()))[0]


def test_people_never_met_are_matched_far_above_chance(strangers):
    z = strangers
    both = z["video_mask"] & z["phoneme_mask"]
    found = retrieval(z["video"][both], z["phoneme"][both])
    mixed = retrieval(z["video"][both], np.roll(z["phoneme"][both], 7, 0))
    assert both.sum() > 20 and found["r1"] > 5*found["chance"] > mixed["r1"], (found, mixed)
