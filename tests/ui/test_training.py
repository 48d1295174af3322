import json
import os
import signal

import conftest
import numpy as np
import pytest
from conftest import contrast, opened, serving, state  # this folder's
from playwright.sync_api import expect

from camels.train.watch import is_alive, owner

expect.set_options(timeout=60000)   # a loaded machine is slow, not wrong

CODE = """
import json, sys
import panel as pn
from camels.apps.training import TrainingApp
def page():
    app = TrainingApp(features=sys.argv[2], run=sys.argv[1], period_s=.5); s = app.state
    def tell(*_):
        now = dict(frame=s.frame, ticked=len(s.ticked), show=s.show, failed=s.failed,
                   charts=sum(c.box.visible for c in app.charts.charts), chosen=s.chosen.split('/')[-1])
        return '<pre id="state">' + json.dumps(now) + '</pre>'
    p = s.param
    return pn.Column(app, pn.pane.HTML(pn.bind(tell, p.frame, p.ticked, p.show, p.status, p.chosen)))
pn.serve({'training': page}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from camels.data.features import toy_features
    from camels.latent.curriculum import train
    home = tmp_path_factory.mktemp("runs")
    fs = toy_features(120, d=8)
    train(fs, home/"old", dict(d_latent=16, batch=16, epochs_a=4, epochs_b=2, epochs_c=2, threads=1), progress=False)
    np.savez(
        home/"toy.npz",
        ids=fs.ids["clip"].astype(str),
        split=fs.ids["split"].astype(str),
        start_s=fs.ids["start_s"],
        video=fs.x["video"],
        prosody=fs.x["prosody"],
    )
    yield home
    for r in home.glob("*/.lock"):                      # a test that failed may leave a training behind
        if is_alive(who := owner(r.parent)):
            os.kill(who["pid"], signal.SIGKILL)


@pytest.fixture(scope="module")
def url(home):
    os.environ["CAMELS_CACHE"] = str(home.parent/"cache")
    with serving("-u", "-c", CODE, str(home/"old"), str(home/"toy.npz")) as u:
        yield u + "/training"
    del os.environ["CAMELS_CACHE"]


@pytest.fixture
def app(page, url):
    return opened(page, url, "#state", ".runs b")


def runs(page):
    return page.locator(".runs").inner_text()
def until(page, what, timeout_s=90):
    return conftest.until(
        page, what, timeout_s, lambda page: (runs(page), page.locator("div[role=status]").inner_text())
    )


def test_a_training_is_started_held_changed_stopped_and_resumed(app, home):
    out = home/"mine"
    app.get_by_label("Run folder").fill(str(out))
    box = app.get_by_label("Settings: key=value")
    box.fill("epochs_a=200 epochs_b=1 epochs_c=1 patience=0 d_latent=16 batch=16 threads=1 live_every=5")
    box.press("Tab")
    app.get_by_role("button", name="Start", exact=True).click()
    until(app, lambda s: "mine\ntraining" in runs(app))
    assert state(app)["chosen"] == "mine" and state(app)["ticked"] == 2
    until(app, lambda s: "of 200" in runs(app))
    app.get_by_role("button", name="Pause").click()
    until(app, lambda s: "paused" in runs(app))
    n = len((out/"metrics.jsonl").read_text().splitlines())
    expect(app.get_by_role("button", name="Pause")).to_be_disabled()
    app.get_by_label("Loss weight").select_option("nce")
    expect(app.get_by_label("value", exact=True)).to_have_value("1")
    app.get_by_label("value", exact=True).fill("0.5")
    app.get_by_label("value", exact=True).press("Enter")
    app.get_by_role("button", name="Set", exact=True).click()
    expect(app.locator("div[role=status]")).to_contain_text("w_nce = 0.5 asked for")
    app.reload()
    app.locator("#state").wait_for()
    until(app, lambda s: "mine\npaused" in runs(app))
    assert len((out/"metrics.jsonl").read_text().splitlines()) == n   # a new page finds the run where it is
    app.get_by_role("button", name="choose mine").click()
    app.get_by_role("button", name="Go on").click()
    app.get_by_text("nce = 0.5").wait_for()
    app.get_by_role("button", name="Stop").click()
    until(app, lambda s: "stopped in" in runs(app))
    app.get_by_role("button", name="Resume").click()
    until(app, lambda s: "mine\nfinished" in runs(app), 400)
    assert json.loads((out/"run.json").read_text())["changes"][0]["set"] == {"w_nce": .5}


def test_charts_and_reel(app):
    assert state(app)["charts"] == 13
    app.get_by_text("Retrieval", exact=True).click()
    until(app, lambda s: s["show"] == "retrieval")
    expect(app.get_by_text("Losses", exact=True)).to_be_visible()
    reel = app.get_by_label("snapshot")
    expect(app.locator(".reel output")).to_have_text("8 of 8")
    reel.focus()
    app.keyboard.press("ArrowLeft")
    until(app, lambda s: s["frame"] == 6)
    expect(app.locator(".reel output")).to_have_text("7 of 8")
    app.get_by_role("button", name="newest").click()
    until(app, lambda s: s["frame"] == -1)
    reel.focus()
    app.keyboard.press(" ")
    until(app, lambda s: 0 <= s["frame"] < 6)
    until(app, lambda s: s["frame"] == -1)
    app.get_by_label("draw old").uncheck()
    until(app, lambda s: s["ticked"] == 0)
    app.get_by_text("Tick a run to draw it.").wait_for()


def test_what_is_missing_or_broken_is_said(app, home):
    box = app.get_by_placeholder("follow a run folder")
    box.click()
    box.press_sequentially(str(home/"nowhere"))
    box.press("Enter")
    expect(app.locator("div[role=status]")).to_contain_text("no such folder")
    assert state(app)["failed"]
    w = home/"written"
    (w/"checkpoints").mkdir(parents=True)
    (w/"run.json").write_text('{"config": {')
    box.fill(str(w))
    box.press("Enter")
    until(app, lambda s: "half written" in runs(app))
    (w/"run.json").write_text('{"kind": "another trainer"}')
    (w/"metrics.jsonl").write_text(
        '{"stage": "V3", "epoch": 0, "step": 60, "loss": 2.0, "jitter": 0.1}\n{"stage": "V3", "ep'
    )
    until(app, lambda s: "stage V3, epoch 1" in runs(app))
    app.get_by_label("Settings: key=value").fill("lr")
    app.get_by_label("Settings: key=value").press("Tab")
    app.get_by_role("button", name="Start", exact=True).click()
    expect(app.locator("div[role=status]")).to_contain_text("key=value")


@pytest.mark.parametrize("theme", ["", "?theme=dark"])
def test_words_are_readable_in_both_themes(page, url, theme):
    opened(page, url + theme, "#state", ".runs b")
    box = page.get_by_placeholder("follow a run folder")
    box.click()
    box.press_sequentially("/nowhere")
    box.press("Enter")
    expect(page.locator("div[role=status]")).to_contain_text("no such folder")
    for words in ("each run is a process", "finished in", "no such folder", "gradient norm"):
        assert contrast(page.get_by_text(words)) > 4.5, words


def test_a_v3_run_is_started_paused_and_stopped_from_the_page(app, home):
    from camels.recipes.v3.scenarios import scenario_turns
    from camels.recipes.v3.targets import write_targets
    targets, out = write_targets(scenario_turns(16, seed=3), home/"targets", voices=1, shard=8, jobs=1), home/"v3"
    app.get_by_label("Features").fill(str(targets))
    app.get_by_label("Run folder").fill(str(out))
    box = app.get_by_label("Settings: key=value")
    box.fill("v2_epochs=400 updates=2 batch=2 frames=24 bf16=false size.width=16 size.embed=8")
    box.press("Tab")
    app.get_by_role("button", name="Start", exact=True).click()
    until(app, lambda s: "stage V2, epoch" in runs(app))
    app.get_by_role("button", name="Pause").click()
    until(app, lambda s: "v3\npaused" in runs(app))
    expect(app.get_by_label("Loss weight")).to_have_value("velocity")
    app.get_by_label("draw old").uncheck()
    expect(app.get_by_label("snapshot")).not_to_be_visible()
    app.get_by_label("Loss weight").select_option("gap")
    expect(app.get_by_label("value", exact=True)).to_have_value("10")
    app.get_by_role("button", name="Stop").click()
    until(app, lambda s: "stopped in stage V2" in runs(app))
    expect(app.get_by_role("button", name="Resume")).to_be_enabled()
