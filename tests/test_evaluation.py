"""Evaluation on data of known truth and on broken inputs: what is told must be right, or refused in one line."""
from dataclasses import replace

import numpy as np
import pytest

from camels.core import CamelsError
from camels.data.features import toy_features
from camels.latent.config import TrainConfig
from camels.latent.curriculum import make_latent
from camels.latent.evaluate import evaluate
from camels.latent.intervals import by_clip, difference, found, interval, recall
from camels.latent.linear import energy_distance, fit_ridge, measured_rows
from camels.latent.metrics import draw_pools, fit_cca, retrieval, ridge_probe
from camels.latent.provenance import provenance
from camels.latent.rival import linear_peer, rival_recalls

def pair_of_known_correlation(n, rng):
    "Two views whose three canonical correlations are .9, .6 and .3."
    r = np.array([.9, .6, .3])
    a = rng.normal(size=(n, 3))
    b = r*a + np.sqrt(1 - r**2)*rng.normal(size=(n, 3))
    return a @ rng.normal(size=(3, 3)), b @ rng.normal(size=(3, 3)), r

def test_cca_finds_known_correlations():
    x, y, r = pair_of_known_correlation(20_000, np.random.default_rng(0))
    assert np.allclose(fit_cca(x, y, 3, reg=0.).corr, r, atol=.02)

def test_choices_never_see_the_test_rows():
    toy = toy_features(300)
    peer = linear_peer(toy, repeats=2)["chosen"]
    test = (toy.ids["split"] == "test")[:, None]
    spoilt = replace(toy, x={m: np.where(test, 0, v) for m, v in toy.x.items()})
    assert linear_peer(spoilt, repeats=2)["chosen"] == peer
    train = (toy.ids["split"] == "train")[:, None]
    other = replace(toy, x={m: np.where(train, np.roll(v, 7, 0), v) for m, v in toy.x.items()})
    assert linear_peer(other, repeats=2)["chosen"] != peer

def test_an_interval_over_clips_is_wider_than_one_over_rows_that_agree():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(80), 5)
    right = np.repeat(rng.random(80) < .5, 5)*1.
    by_row, by_group = interval(by_clip(right)), interval(by_clip(right, groups=clip))
    assert by_group[1] - by_group[0] > 1.8*(by_row[1] - by_row[0])

def test_a_paired_difference_finds_what_two_intervals_do_not():
    rng = np.random.default_rng(0)
    z, clip = rng.normal(size=(300, 12)), np.repeat(np.arange(100), 3)
    pools = draw_pools(300, 100, 20, 0, clip)
    near = rng.normal(size=z.shape)
    a, b = (found(z, z + s*near, pools, clip) for s in (.75, .8))
    assert interval(b)[1] > interval(a)[0] and difference(a, b)["ci"][0] > 0

@pytest.mark.parametrize("broken", ["nan", "inf"])
def test_latents_that_are_not_finite_are_refused(broken):
    z = np.ones((10, 4))
    z[3] = float(broken)
    with pytest.raises(CamelsError, match="not finite"):
        retrieval(z, z)
    with pytest.raises(CamelsError, match="not finite"):
        recall(z, z, np.arange(10))

def test_a_constant_latent_is_at_chance_everywhere():
    one, y = np.ones((60, 8)), np.arange(60) % 3
    with np.errstate(all="raise"):
        probe = ridge_probe(one[:40], y[:40], one[40:], y[40:], groups=np.arange(40)//2)
    assert probe["accuracy"] == probe["majority"]
    told = recall(one, one, np.arange(60))[0]
    assert abs(told["r1"] - told["chance"]) < 1e-9
    assert abs(fit_ridge(one[:40], one[:40])(one[40:]) - 1).max() < 1e-9

def test_one_row_and_no_row():
    with pytest.raises(CamelsError, match="1 rows"):
        recall(np.ones((1, 3)), np.ones((1, 3)), ["a"])
    with pytest.raises(CamelsError, match="at least two"):
        energy_distance(np.ones((1, 3)), np.ones((5, 3)))
    with pytest.raises(CamelsError, match="0 rows to learn from"):
        ridge_probe(np.ones((0, 3)), np.array([]), np.ones((5, 3)), np.zeros(5))

def test_a_missing_modality_is_left_out_and_the_rest_is_measured():
    toy = toy_features(120, seed=2)
    latent = make_latent(TrainConfig(d_latent=16), toy)
    toy.mask["prosody"][:] = False
    report = evaluate(latent, toy, repeats=2)
    assert set(report["retrieval"]) == {"video->phoneme", "phoneme->video"} and report["fused"] == {}
    assert set(report["probes"]["centre_phone"]) == {"video", "phoneme"}
    assert "prosody" not in report["reconstruction"]

def test_arrays_without_times_are_measured_on_every_row():
    toy = toy_features(80)
    timeless = replace(toy, ids=toy.ids | {"start_s": np.zeros(80)})
    assert len(measured_rows(timeless, "test")) == len(toy.where("test"))

def test_the_difference_to_the_rival_is_of_the_same_questions():
    toy = toy_features(200, seed=3)
    _, counts = rival_recalls(toy, repeats=3)
    report = evaluate(make_latent(TrainConfig(d_latent=16), toy), toy, repeats=3, rival=counts)
    for way, r in (report["retrieval"] | report["fused"]).items():
        assert abs(r["over_rival"]["value"] - (r["r1"] - counts[way]["mixed"].share)) < 1e-9

def test_a_recording_on_both_sides_is_counted():
    toy = toy_features(100)
    i, j = toy.where("train")[0], toy.where("test")[0]
    toy.x["video"][j] = toy.x["video"][i]
    toy.mask["video"][[i, j]] = True
    p = provenance(toy)
    assert p["shared"]["rows"] == 1 and p["shared"]["clips"] == [toy.ids["clip"][j]]
