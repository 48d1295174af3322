"Stages of the curriculum: where they start, and what each of them leaves alone."
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import camels.latent.curriculum as curriculum
from camels.core import CamelsError
from camels.data.features import toy_features
from camels.latent.config import TrainConfig
from camels.latent.curriculum import make_latent, train
from camels.latent.snapshots import embed_rows
from camels.latent.space import LatentSpace
from camels.latent.start import mean_r1, start

torch.set_num_threads(1)
TINY = dict(d_latent=64, hidden=16, batch=32, epochs_a=2, epochs_b=2, epochs_c=2, threads=1, live_every=0)
COURSES = ((0, 8, 0), (8, 8, 0)) # two of eight cosines each; what columns prosody has besides stand still

def with_courses(fs):
    "The features with the first columns of video and prosody made of two courses that both see."
    rng = np.random.default_rng(0)
    seen, x = rng.normal(size=(len(fs), 2, 8)), dict(fs.x)
    for m in ("video", "prosody"):
        mixed = np.einsum("nck,cd->ndk", seen, rng.normal(size=(2, 2))).reshape(len(fs), 16)
        x[m] = np.hstack([mixed + .2*rng.normal(size=mixed.shape), fs.x[m][:, 16:]]).astype(np.float32)
    return replace(fs, x=x)


@pytest.fixture(params=["dense", "moments"])
def fs(request, monkeypatch):
    "Toy features: of columns that stand for themselves, and of columns that tell courses."
    fs = toy_features(160, d=16)
    if request.param == "dense":
        return fs
    monkeypatch.setattr(curriculum, "known_courses", lambda fs: dict(video=COURSES, prosody=COURSES))
    return with_courses(fs)


def test_what_follows_a_moves_no_latent(fs, tmp_path):
    run = train(fs, tmp_path/"run", TINY, progress=False).path
    rows, clips = fs.where("test"), fs.ids["clip"][fs.where("test")].astype(str)
    spaces = {s: LatentSpace.from_pretrained(run/"checkpoints"/s) for s in "ABC"}
    held = {s: load_file(run/"latents"/f"{s}.safetensors") for s in "ABC"}
    found = {s: mean_r1(*embed_rows(space, fs, rows), clips) for s, space in spaces.items()}
    assert found["A"] == found["B"] == found["C"] > .05
    for s in "BC":
        assert all(np.array_equal(held["A"][k], v) for k, v in held[s].items())
    def moved(a, b):
        one, two = (spaces[s].state_dict() for s in (a, b))
        return {k for k, v in one.items() if not torch.equal(v, two[k])}
    assert {k.split(".")[2] for k in moved("A", "B")} == {"decoder", "logvar"}
    assert {k.split(".")[0] for k in moved("B", "C")} == {"partners"}


def test_a_start_is_decided_by_data_and_seed(fs):
    one, two = (make_latent(curriculum.checked(TrainConfig(d_latent=64, hidden=16)), fs) for _ in range(2))
    before = {k: v.clone() for k, v in one.state_dict().items()}
    torch.manual_seed(1)
    chosen = start(one, fs)
    torch.manual_seed(2)
    again = start(two, fs)
    assert (chosen.ridge, chosen.weight) == (again.ridge, again.weight)
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    assert all((one.state_dict()[k] != before[k]).any() for k in before if ".path.linear.weight" in k)


def test_a_start_knows_more_than_chance(fs):
    latent, rows = make_latent(TrainConfig(d_latent=64, hidden=16), fs), fs.where("test")
    def found():
        z, mask = embed_rows(latent, fs, rows)
        z.pop("phoneme")       # of phones, courses tell nothing
        return mean_r1(z, mask, fs.ids["clip"][rows].astype(str))
    before = found()
    start(latent, fs)
    assert found() > before + .1


def test_a_latent_of_an_older_format_is_refused_in_one_line(fs, tmp_path):
    f = make_latent(TrainConfig(d_latent=64, hidden=16), fs).save_pretrained(tmp_path/"old")/"config.json"
    config = json.loads(f.read_text())
    for old in ({**config, "format": 1}, {k: v for k, v in config.items() if k not in ("format", "moments")}):
        f.write_text(json.dumps(old))
        with pytest.raises(CamelsError, match="format 1, this release reads 2") as e:
            LatentSpace.from_pretrained(tmp_path/"old")
        assert "\n" not in str(e.value) and "train again" in str(e.value)
