"Properties of adapters, losses, flow, metrics and the latent space, over shapes and masks that hypothesis thinks of."
import os, subprocess, sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

from camels.latent import metrics
from camels.core import CamelsError
from camels.latent.space import LatentConfig, LatentSpace, describe
from camels.nn.adapters import AVAEAdapter, PhonemeAdapter, PhonemeAttnPool, unit
from camels.nn.flow import PartnerFlow, flow_loss, integrate
from camels.nn.losses import (
    info_nce, kl_capacity, phone_probe_loss, phone_slot_loss, recon_loss, reencode_loss, vicreg,
)

torch.set_num_threads(1)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MODS = ("video", "phoneme", "prosody")

def make_batch(b=6, p=5, seed=0, labels=4):
    g = torch.Generator().manual_seed(seed)
    def r(*s):
        return torch.randn(*s, generator=g)
    on = torch.rand(b, p, generator=g) < .7
    return dict(
        video=r(b, 20),
        prosody=r(b, 22),
        phones=r(b, p, 8),
        phone_mask=on,
        phone_place=torch.rand(b, p, 2, generator=g).sort(-1).values,
        phone_label=torch.where(on, torch.randint(0, labels, (b, p), generator=g), -1),
        **{f"{m}_mask": torch.rand(b, generator=g) < .7 for m in MODS},
    )

COURSES = {"video": ((0, 20, 0),), "prosody": ((0, 16, 0),)} # the last six columns of prosody stand still

def make_space(seed=0, timed=True, **kw):
    "An untrained space: in moments, or with one."
    torch.manual_seed(seed)
    courses = COURSES if timed else {}
    kw = {"d_latent": 32, "flow_hidden": 16, **kw}
    return LatentSpace(describe(make_batch(), labels=list("amst"), courses=courses, **kw))

def spoiled(batch, bad):
    "The batch with `bad` wherever a mask is False."
    out = dict(batch)
    for m in ("video", "prosody"):
        out[m] = torch.where(batch[f"{m}_mask"][:, None], batch[m], bad)
    on = batch["phone_mask"] & batch["phoneme_mask"][:, None]
    for k in ("phones", "phone_place"):
        out[k] = torch.where(on[..., None], batch[k], bad)
    return out

def all_losses(space, batch):
    "Every loss of the three stages, by name."
    torch.manual_seed(3)
    o = space(batch, sample=True)
    out, grp = {}, torch.arange(len(batch["video"]))//2
    for a, b in space.pairs:
        both = o.mask[a] & o.mask[b]
        out[f"nce {a} {b}"] = info_nce(o.z[a], o.z[b], space.scale(a, b), both, grp).loss
    for i, m in enumerate(o.z):
        rest = [r for r in o.z if r != m]
        real = o.mask[m] & (o.mask[rest[0]] | o.mask[rest[1]])
        both = space.fuse({r: o.unit[r] for r in rest}, o.mask)
        out[f"fused {m}"] = info_nce(o.unit[m], both, space.fused_scale(i), real, grp).loss
        v = vicreg(o.z[m], o.mask[m])
        out |= {f"var {m}": v.variance, f"cov {m}": v.covariance}
        if m == "phoneme":
            continue
        out |= {
            f"kl {m}": kl_capacity(o.out[m].mu, o.out[m].logvar, 5., o.mask[m]).loss,
            f"re {m}": reencode_loss(o.z[m], o.out[m].z_re, o.mask[m]),
            f"rec {m}": recon_loss(o.out[m].recon, space.adapters[m].stats(batch[m]), o.mask[m]),
        }
    ph, on = o.out["phoneme"], batch["phone_mask"] & batch["phoneme_mask"][:, None]
    out["probe"] = phone_probe_loss(ph.logits, batch["phone_label"], on).loss
    out["slots"] = phone_slot_loss(ph.recon, batch["phone_label"], batch["phone_place"], on, o.mask["phoneme"]).loss
    return out | flow_loss(space.partners, o.unit, o.mask)._asdict()

@quick
@given(st.integers(0, 10**6), st.sampled_from([float("nan"), float("inf"), -1e30, 7.]))
def test_what_a_mask_hides_has_no_say(seed, bad):
    batch, space = make_batch(seed=seed), make_space().eval()
    b2 = spoiled(batch, bad)
    one, two = space(batch), space(b2)
    for m in MODS:
        assert torch.equal(one.z[m], two.z[m]) and (one.z[m][~one.mask[m]] == 0).all()
    for m in MODS:
        assert all(t.isfinite().all() for t in two.out[m] if t is not None)
    for (k, a), b in zip(all_losses(space, batch).items(), all_losses(space, b2).values()):
        assert torch.equal(a, b) and a.isfinite(), k

@quick
@given(st.integers(0, 10**6))
def test_gradients_ignore_masked_rows_and_are_finite(seed):
    batch, grads = make_batch(seed=seed), []
    for b in (batch, spoiled(batch, float("nan"))):
        space = make_space().train()
        torch.manual_seed(5)
        sum(all_losses(space, b).values()).backward()
        grads.append({n: p.grad for n, p in space.named_parameters()})
    for n, g in grads[0].items():
        assert (g is None) == (grads[1][n] is None), n
        if g is not None:
            assert g.isfinite().all() and torch.equal(g, grads[1][n]), n

def test_every_weight_learns():
    batch = make_batch(b=16)
    batch |= {f"{m}_mask": torch.ones(16, dtype=torch.bool) for m in MODS}
    space = make_space().train()
    for _ in range(3):   # zero-started layers pass gradients on after their first step
        space.zero_grad()
        sum(all_losses(space, batch).values()).backward()
        with torch.no_grad():
            [p.add_(torch.randn_like(p), alpha=.01) for p in space.parameters()]
    dead = [n for n, p in space.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead, dead

def test_a_batch_of_nothing():
    batch = make_batch() | {f"{m}_mask": torch.zeros(6, dtype=torch.bool) for m in MODS}
    space = make_space().train()
    losses = all_losses(space, batch)
    assert {k: v.item() for k, v in losses.items() if v.item() != 0} == {}
    sum(losses.values()).backward()
    assert all(p.grad is None or (p.grad == 0).all() for p in space.parameters())

@quick
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_phones_may_come_in_any_order(seed, order):
    b, space = make_batch(seed=seed), make_space().eval()
    turned = b | {k: b[k][:, order] for k in ("phones", "phone_mask", "phone_place")}
    torch.testing.assert_close(space(b).z["phoneme"], space(turned).z["phoneme"], atol=1e-5, rtol=1e-4)

def test_time_is_kept():
    torch.manual_seed(0)
    a = PhonemeAdapter(8, 64).eval()
    x, on, place = torch.randn(1, 2, 8), torch.ones(1, 2, dtype=torch.bool), torch.tensor([[[.1, .3], [.6, .9]]])
    swapped = a(x.flip(1), on, place).z      # the same two phones, said the other way round
    assert torch.cosine_similarity(a(x, on, place).z, swapped).item() < .9
    assert torch.cosine_similarity(a(x, on, place).z, a(x, on, place + .001).z).item() > .99

@quick
@given(st.integers(1, 6), st.integers(0, 50), st.integers(0, 10**6))
def test_any_number_of_phones(b, p, seed):
    pool = PhonemeAttnPool(3, 4)
    bad = torch.full((b, p, 3), torch.nan)
    assert (pool(bad, torch.zeros(b, p, dtype=torch.bool), bad[..., :2]) == 0).all()
    torch.manual_seed(seed)
    a = PhonemeAdapter(8, 16, 4, n_labels=3)
    on = torch.rand(b, p) < .5
    o = a(torch.randn(b, p, 8), on, torch.rand(b, p, 2).sort(-1).values)
    assert all(t.isfinite().all() for t in o) and (o.z[~on.any(1)] == 0).all()

def test_noise_lives_in_training_only():
    x = torch.randn(4, 20)
    a = AVAEAdapter(20, 16).eval()
    assert torch.equal(a(x).z, a(x).z)
    a.train()
    assert not torch.equal(a(x).z, a(x).z)

@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_half_features_are_welcome(kind):
    b = make_batch()
    b |= {k: b[k].to(getattr(torch, kind)) for k in ("video", "prosody", "phones")}
    assert all(z.dtype == torch.float32 for z in make_space().eval().embed(b).values())

def test_saved_and_loaded_is_the_same_bit_for_bit(tmp_path):
    space = (
        make_space(encoders={"video": dict(name="a", version="1", fingerprint="f")}).fit_stats(make_batch(b=40)).eval()
    )
    b = make_batch(seed=9)
    again = LatentSpace.from_pretrained(space.save_pretrained(tmp_path/"m"))
    assert again.config == space.config and not again.training
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in space.state_dict().items())
    for m, z in space.embed(b).items():
        assert torch.equal(z, again.embed(b)[m])
    with pytest.raises(CamelsError, match=r"g v1 \[h\].*a v1 \[f\]"):
        again.check_encoders({"video": dict(name="g", version="1", fingerprint="h")})
    assert sorted(p.name for p in (tmp_path/"m").iterdir()) == ["config.json", "model.safetensors"]

def test_loading_refuses(tmp_path):
    space = make_space()
    f = space.save_pretrained(tmp_path/"m")
    (f/"model.safetensors").write_bytes((f/"model.safetensors").read_bytes()[:500])
    with pytest.raises(CamelsError, match="safetensors file"):
        LatentSpace.from_pretrained(f)
    make_space(d_latent=16).save_pretrained(tmp_path/"n")
    (f/"model.safetensors").write_bytes((tmp_path/"n/model.safetensors").read_bytes())
    with pytest.raises(CamelsError, match=r"is \[.*\], not \["):
        LatentSpace.from_pretrained(f)
    (f/"model.safetensors").unlink()
    torch.save({}, f/"pytorch_model.bin")
    with pytest.raises(CamelsError, match="pickled weights"):
        LatentSpace.from_pretrained(f)
    (f/"config.json").write_text("{")
    with pytest.raises(CamelsError, match="not JSON"):
        LatentSpace.from_pretrained(f)

def test_own_modalities_by_any_name():
    space = LatentSpace(
        LatentConfig({"eeg": {"d_in": 5}, "gaze": {"d_in": 3}, "phoneme": {"d_in": 7}}, d_latent=16)
    ).eval()
    z = space.embed({"eeg": torch.randn(4, 5), "gaze": torch.randn(4, 3), "phoneme": torch.randn(4, 7)})
    assert list(z) == ["eeg", "gaze", "phoneme"] and space.flow(z["eeg"], "eeg", "gaze").shape == (4, 16)
    assert space.sample(z["eeg"], "eeg", "gaze", n=3, steps=1).shape == (3, 4, 16)

@quick
@given(st.integers(0, 10**6), st.integers(2, 20))
def test_nce_is_chance_for_strangers_and_at_least_zero(seed, b):
    torch.manual_seed(seed)
    z = torch.randn(b, 8)
    assert info_nce(z, torch.ones(b, 8), 9.).a_to_b.item() == pytest.approx(np.log(b), rel=1e-4)
    assert 0 <= info_nce(z, z, 50.).loss.item() <= np.log(b) + 1e-4
    torch.testing.assert_close(info_nce(z, z.flip(0), 9.).loss, info_nce(z.flip(0), z, 9.).loss)

def test_losses_are_single_precision_under_autocast():
    z, y = torch.randn(8, 64), torch.randn(8, 64)
    def losses():
        return [info_nce(z, y, 90.).loss, *vicreg(z), kl_capacity(z, y).loss]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = losses()
    assert all(torch.equal(a, b) for a, b in zip(half, losses()))

def test_kl_is_in_nats_whatever_the_width():
    for d in (1, 768):
        assert kl_capacity(torch.full((3, d), (2/d)**.5), torch.zeros(3, d)).kl.item() == pytest.approx(1., rel=1e-4)

def test_partners_are_learnt_from_rows_where_both_are_real():
    torch.manual_seed(0)
    flow, z = PartnerFlow(4, MODS, 8), {m: torch.randn(6, 4) for m in MODS}
    mask = {"video": torch.arange(6) < 3, "phoneme": torch.arange(6) > 3, "prosody": torch.arange(6) < 2}
    def errors(z):
        torch.manual_seed(0)
        return flow_loss(flow, z, mask)
    unheard = z | {"phoneme": z["phoneme"]*torch.nan}      # no window has phonemes and another modality
    assert errors(unheard) == errors(z) and errors(z).guess > 0
    only = flow_loss(flow, z, mask | {"prosody": torch.zeros(6, dtype=torch.bool)})
    assert only.guess == 0 and only.velocity == 0

@pytest.mark.parametrize("q", [1, 4])
def test_a_map_finds_a_linear_tie_and_its_way_back(q):
    torch.manual_seed(0)
    a = torch.randn(400, 8)
    turn = torch.block_diag(*[torch.tensor([[0., -1], [1, 0]])]*4)          # the same at each moment
    z, held = {"a": a, "b": a @ turn}, torch.arange(400) >= 300
    flow = PartnerFlow(8, z, 16, q=q).eval()
    for pair in ("ab", "ba"):
        flow.maps.fit(flow.pair(*pair), z[pair[0]], z[pair[1]], held)
    x = torch.randn(50, 8)
    there = flow.mean(x, "a", "b")
    back = flow.mean(there, "b", "a")
    assert torch.cosine_similarity(there, x @ turn).mean() > .99 and torch.cosine_similarity(back, x).mean() > .99

def test_a_network_adds_to_the_map_what_is_not_linear_and_draws_what_stays_open():
    torch.manual_seed(0)
    side, a = (torch.rand(600) < .5).float()*2 - 1, unit(torch.randn(600, 2))*2**.5
    z = {"a": a, "b": torch.stack([a[:, 0]*a[:, 1]*2, side], 1)}            # a product, and a side that nobody knows
    flow = PartnerFlow(2, z, 32)
    fit = torch.arange(600) < 500
    flow.maps.fit(flow.pair("a", "b"), z["a"], z["b"], ~fit)
    flow.maps.fit(flow.pair("b", "a"), z["b"], z["a"], ~fit)
    def error():
        return (flow.mean(z["a"], "a", "b") - unit(z["b"])*2**.5)[~fit].square().mean(0)
    linear, opt = error(), torch.optim.Adam(flow.parameters(), 4e-3)
    for _ in range(400):
        opt.zero_grad()
        sum(flow_loss(flow, {m: v[fit] for m, v in z.items()})).backward()
        opt.step()
    assert error()[0] < .3*linear[0] and error()[1] > .8*linear[1]
    drawn = flow.sample(z["a"][~fit], "a", "b", generator=torch.Generator().manual_seed(0))[:, 1]
    assert drawn.abs().mean() > .6 and flow.mean(z["a"][~fit], "a", "b")[:, 1].abs().mean() < .35

def test_an_equation_with_a_known_end():
    end = integrate(lambda x, t: x*t[:, None], torch.ones(3, 2), 8, "rk4")
    torch.testing.assert_close(end, torch.full((3, 2), np.exp(.5)), atol=1e-5, rtol=0)

def test_a_collapsed_latent_scores_chance_everywhere():
    one = np.ones((300, 8))
    r = metrics.retrieval(one, one)
    assert r["r1"] == pytest.approx(.01) and r["r10"] == pytest.approx(.1) and r["median_rank"] == 50.5
    assert (
        metrics.intra_inter(one, one)["auc"] == .5
        and metrics.active_dimensions(one) == 0
        and metrics.centred_cosine(one, one) == 0
    )

@quick
@given(st.integers(2, 60), st.integers(1, 80), st.integers(1, 30), st.integers(0, 10**6))
def test_pools_are_spread_and_have_no_row_twice(n, pool, clips, seed):
    g = np.random.default_rng(seed).integers(0, clips, n)
    for p in metrics.draw_pools(n, min(pool, n), 3, seed, g):
        assert len(set(p)) == len(p) == min(pool, n)
        had, can = np.bincount(g[p], minlength=clips), np.bincount(g, minlength=clips)
        assert ((had >= had.max() - 1) | (had == can)).all()

def test_a_probe_cannot_read_noise():
    r = np.random.default_rng(0)
    p = metrics.ridge_probe(
        r.normal(size=(200, 500)), r.integers(0, 4, 200), r.normal(size=(400, 500)), r.integers(0, 4, 400)
    )
    assert abs(p["accuracy"] - .25) < .1

@pytest.mark.parametrize("n", [64, 120])
def test_a_probe_chooses_its_penalty_well(n):
    r = np.random.default_rng(0)
    def data(n):
        y = r.integers(0, 3, n)
        return np.c_[np.eye(3)[y]*1.2, np.zeros((n, 60))] + .6*r.normal(size=(n, 63)), y
    # no penalty: 0.44 where there are as many features as rows
    assert metrics.ridge_probe(*data(n), *data(500))["accuracy"] > .6

def test_shapes_are_checked_when_asked():
    code = (
        "import torch, numpy as np\nfrom camels.nn.losses import info_nce\nfrom camels.latent.space import *\nfrom "
        "camels.latent.metrics import retrieval\n"
        "from tests.test_nn import make_batch, make_space, all_losses\n"
        "sum(all_losses(make_space(), make_batch()).values()); retrieval(np.ones((4, 2)), np.ones((4, 2)))\n"
        "try: info_nce(torch.ones(4, 3), torch.ones(4, 2)); print('slept')\nexcept Exception as e: "
        "print(type(e).__name__)"
    )
    root = Path(__file__).parent.parent
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "CAMELS_TYPECHECK": "1", "PYTHONPATH": str(root)},
    )
    assert "TypeCheckError" in out.stdout, out.stdout + out.stderr[-2000:]
