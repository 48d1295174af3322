"Recipes are learners: killed at any moment they end with the same weights, they obey their folder, they start by name."
import json, os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest

from camels.core import CamelsError
from camels.train.run import RunFolder

torch = pytest.importorskip("torch")

from camels.train.run import run_lock  # noqa: E402
from camels.encoders.mini_net import MiniConfig  # noqa: E402
from camels.train.learner import Callback, Learner, MetricsCB, SeedCB
from camels.train.callbacks import MomentumCB
from camels.train.control import ask, trainers  # noqa: E402
from camels.recipes.phones.corpus import PhonesConfig, Sources, Utterance, say
from camels.recipes.core import RateCB
from camels.recipes.phones.inventory import arpa_states
from camels.recipes.phones.train import train_phones  # noqa: E402
from camels.voice.core import create_voice

root = Path(__file__).resolve().parent.parent
SMALL = [
    "steps=12", "batch=2", "item_s=1.2", "hours=0.005", "updates=4", "checkpoint_s=0", "realign=.4", "net.d=16",
    "net.deep=16", "net.layers=1",
]


def line_learner(*cbs, seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(.5), torch.nn.Linear(3, 1))
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))

    def loss_fn(model, batch):
        loss = (model(batch[0]) - batch[0].sum(1, keepdim=True)).square().mean()
        return loss, {"square": loss}
    return Learner(model, loss_fn, torch.optim.AdamW(model.parameters(), .05), lambda epoch: [(x[:4],), (x[4:],)], cbs)


def test_a_seed_for_each_update_makes_dropout_a_function_of_its_place():
    a = line_learner(SeedCB(3), calm := MetricsCB()).fit(3)
    torch.rand(17)                                    # somebody else draws
    b = line_learner(SeedCB(3), MetricsCB(), _Noise()).fit(3)
    c = line_learner(SeedCB(4), MetricsCB()).fit(3)
    weights = [torch.cat([p.flatten() for p in o.model.parameters()]) for o in (a, b, c)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2]) and calm.n


class _Noise(Callback):
    def before_epoch(self, learn):
        torch.rand(5)


def test_the_seed_is_the_one_of_the_old_loops():
    drawn = []

    class Draw(Callback):
        def before_batch(self, learn):
            drawn.append(torch.initial_seed())
    learn = line_learner(SeedCB(7), Draw())
    learn.step = 40                                   # a later part of a run
    learn.fit(2)
    assert drawn == [7*1_000_003 + n for n in range(4)]


def test_a_warm_momentum_is_the_average_of_the_old_phone_loop():
    learn, slow = line_learner(m := MomentumCB(.995, warm=True)), None
    slow = {k: v.clone() for k, v in learn.model.state_dict().items()}

    class Watch(Callback):
        order = 30
        def after_step(self, learn):
            for k, v in learn.model.state_dict().items():
                slow[k].lerp_(v, 1 - min(.995, (1 + learn.step)/(10 + learn.step)))
    learn.cbs.append(Watch())
    learn.fit(4)
    assert all(torch.equal(slow[k], v) for k, v in learn.slow.state_dict().items())
    again = MomentumCB(.995, warm=True)
    again.load(m.state())
    assert again.n == m.n == 8
    again.load({"weights": {}})                       # a checkpoint of an earlier release


def test_a_rate_counts_the_updates_of_its_own_part():
    rates = []

    class Watch(Callback):
        order = 50
        def before_batch(self, learn):
            rates.append(learn.opt.param_groups[0]["lr"])
    learn = line_learner(RateCB(lambda n: n), Watch())
    learn.step = 100
    learn.fit(2)
    assert np.allclose(rates, [0, .05, .1, .15])


@pytest.fixture(scope="module")
def toy():
    voice = create_voice("espeak")
    x, _ = say(voice, np.random.default_rng(1), "please lay")
    one = Utterance((x/np.abs(x).max()*9000).astype(np.int16), arpa_states("P L IY1 Z | L EY1"))
    return Sources(voice, [], [one]*3, [])


CODE = """
import sys, numpy as np
from camels.config import configure, parse_overrides
from camels.recipes.phones.corpus import PhonesConfig, Sources, Utterance, say
from camels.recipes.phones.inventory import arpa_states
from camels.recipes.phones.train import train_phones
from camels.voice.core import create_voice
voice = create_voice("espeak"); x, _ = say(voice, np.random.default_rng(1), "please lay")
one = Utterance((x/np.abs(x).max()*9000).astype(np.int16), arpa_states("P L IY1 Z | L EY1"))
c = configure(PhonesConfig(), parse_overrides(sys.argv[3:])) if sys.argv[2] == "new" else None
train_phones(sys.argv[1], c, resume=c is None, sources=Sources(voice, [], [one]*3, []))
"""


def test_a_killed_training_of_phones_ends_with_the_same_weights(toy, tmp_path):
    small = [*SMALL, f"cache={tmp_path}/cache"]
    from camels.config import configure, parse_overrides
    whole = train_phones(
        tmp_path/"whole", configure(PhonesConfig(), parse_overrides(small)), sources=toy, tell=lambda line: None
    )
    out, kills = tmp_path/"killed", 0
    for k in range(30):
        p = subprocess.Popen(
            [sys.executable, "-c", CODE, str(out), "resume" if (out/"run.json").exists() else "new", *small],
            cwd=root,
            stdout=subprocess.DEVNULL,
        )
        seen = len(list((out/"checkpoints").glob("step-*")))
        while p.poll() is None and kills < 2:
            steps = sorted((out/"checkpoints").glob("step-*"))
            if len(steps) and int(steps[-1].name[5:]) >= 3 + 4*kills:
                p.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(.005)
        if p.wait() == 0:
            break
    assert kills and "finished" in RunFolder(out).info and seen >= 0
    assert (out/"model.safetensors").read_bytes() == (whole/"model.safetensors").read_bytes()
    steps = [r["step"] for r in RunFolder(out).metrics() if r["kind"] == "epoch"]
    assert steps == [4, 8, 12], "no row of the log is missing or doubled"


def test_a_run_of_phones_obeys_its_folder(toy, tmp_path):
    c = PhonesConfig(
        steps=12,
        batch=2,
        item_s=1.2,
        hours=.005,
        updates=4,
        checkpoint_s=0.,
        realign=".4",
        paths=0.,
        cache=str(tmp_path/"cache"),
        net=MiniConfig(d=16, deep=16, layers=1),
    )
    lines = []

    def stop(line):
        lines.append(line)
        if "1/3" in line:
            ask(tmp_path/"a", set={"frames": .9})
            ask(tmp_path/"a", set={"lr": 9.})
            ask(tmp_path/"a", do="stop")
    with pytest.raises(KeyboardInterrupt):
        train_phones(tmp_path/"a", c, sources=toy, tell=stop)
    info = RunFolder(tmp_path/"a").info
    assert info["kind"] == "phones" and "finished" not in info
    health = [json.loads(l) for l in (tmp_path/"a"/"health.jsonl").read_text().splitlines()]
    assert health[-1]["state"] == "stopped" and health[-1]["stage"] == "phones"
    train_phones(tmp_path/"a", resume=True, sources=toy, tell=lambda line: None)
    changes = RunFolder(tmp_path/"a").info["changes"]
    assert (
        changes[0]["set"] == {"frames": .9} and changes[0]["step"] == 4 and "does not change" in changes[1]["refused"]
    )
    train_phones(tmp_path/"b", c, sources=toy, tell=lambda line: None)
    weights = [(tmp_path/o/"model.safetensors").read_bytes() for o in "ab"]
    assert weights[0] != weights[1], "another weight, another model"


def test_refused_starts_leave_nothing_behind(tmp_path):
    from camels.recipes.text.corpus import TextConfig
    from camels.recipes.text.student import train_text
    for f in (
        lambda: train_phones(tmp_path/"x", changes={"stepz": 1}),
        lambda: train_text(tmp_path/"x", changes={"epochz": 1}),
        lambda: train_text(tmp_path/"x", TextConfig(data=str(tmp_path/"none"))),
    ):
        with pytest.raises(CamelsError):
            f()
        assert not (tmp_path/"x").exists()


def test_a_locked_run_is_refused(toy, tmp_path):
    c = PhonesConfig(
        steps=2,
        batch=2,
        item_s=1.2,
        hours=.005,
        updates=1,
        cache=str(tmp_path/"cache"),
        net=MiniConfig(d=16, deep=16, layers=1),
    )
    train_phones(tmp_path/"a", c, sources=toy, tell=lambda line: None)
    info = RunFolder(tmp_path/"a").info
    (tmp_path/"a"/"run.json").write_text(json.dumps({k: v for k, v in info.items() if k != "finished"}))
    with run_lock(tmp_path/"a"), pytest.raises(CamelsError, match="another process"):
        train_phones(tmp_path/"a", resume=True, sources=toy)
    (tmp_path/"a"/"run.json").write_text(json.dumps({**info, "kind": "v3"}))
    with pytest.raises(CamelsError, match="a run of v3, not of phones"):
        train_phones(tmp_path/"a", resume=True, sources=toy)
    (tmp_path/"a"/"run.json").write_text(json.dumps({k: v for k, v in info.items() if k != "kind"}))
    with pytest.raises(CamelsError, match="an earlier release"):
        train_phones(tmp_path/"a", resume=True, sources=toy)


def test_every_trainer_is_found_by_name_and_refuses_odd_weights():
    assert trainers.list() == ["curriculum", "latent", "moonshine", "phones", "text", "v3"]
    for name in trainers.list():
        t = trainers[name]
        assert t.name == name and t.weights and all(hasattr(t.config, k) for k in t.weights)
        key = t.weights[0]
        assert getattr(t.steer(t.config, {key: 2.}), key) == 2.
        for odd in ({}, {"lr": 1.}, {key: -1.}, {key: float("inf")}, []):
            with pytest.raises(CamelsError):
                t.steer(t.config, odd)


def test_names_of_trainings_are_known_without_importing_any():
    code = (
        "import sys; from camels.train.control import trainers; print(trainers.list()); print([m for m in sys.modules "
        "if m.startswith('camels.') and ('phones' in m or 'text' in m or 'v3' in m or 'curriculum' in m)])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ).stdout.splitlines()
    assert out == ["['curriculum', 'latent', 'moonshine', 'phones', 'text', 'v3']", "[]"]
