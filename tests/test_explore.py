import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camels.apps.explorer import Explorer
from camels.apps.links import from_query, to_query
from camels.apps.state import LINKED, ExplorerState
from camels.core import CamelsError
from camels.look.decode import FACE, Decoder, channel_weights, heard, slots_of
from camels.look.jobs import Film
from camels.look.neighbours import Nearest, neighbours, partner_ranks
from camels.look.project import Map, align_frames, cached_map, fit_map
from camels.look.raster import Raster, inside, lassoed, nearest_row, sample_rows
from camels.look.views import media_of, open_view
from camels.look.report import toy_run


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    old = os.environ.get("CAMELS_CACHE")
    os.environ["CAMELS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("CAMELS_CACHE") if old is None else os.environ.__setitem__("CAMELS_CACHE", old)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("runs")/"toy")


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path/"copy")


# what cannot be shown is said

def _empty(p):
    np.save(p/"x.npy", np.zeros((0, 4)))
    return p/"x.npy"
def _one(p):
    np.save(p/"x.npy", np.ones((1, 4)))
    return p/"x.npy"
def _nan(p):
    x = np.ones((9, 4))
    x[5, 1] = np.nan
    np.save(p/"x.npy", x)
    return p/"x.npy"
def _twice(p):
    np.savez(p/"x.npz", ids=np.array(["a", "b", "a"]), face=np.eye(3))
    return p/"x.npz"
def _objects(p):
    np.savez(p/"x.npz", ids=np.array(["a", None], object), face=np.eye(2))
    return p/"x.npz"
def _lengths(p):
    np.savez(p/"x.npz", ids=np.array(["a", "b"]), face=np.eye(3))
    return p/"x.npz"
def _nothing(p):
    return p/"none"
def _folder(p):
    (p/"f").mkdir()
    return p/"f"
def _waiting(p):
    (p/"r"/"latents").mkdir(parents=True)
    (p/"r"/"run.json").write_text("{}")
    (p/"r"/".lock").touch()
    return p/"r"
def _half(p):
    r = _waiting(p)
    (r/"latents"/"points.json").write_text('{"clip": ["a"')
    return r


@pytest.mark.parametrize(
    "make,word",
    [
        (_empty, "empty"),
        (_one, "one point"),
        (_nan, "row 5"),
        (_twice, "'a'"),
        (_objects, "cannot be read"),
        (_lengths, "different lengths"),
        (_nothing, "no such run"),
        (_folder, "Lance table"),
        (_waiting, "wait for its first stage"),
        (_half, "being written"),
    ],
)
def test_bad_input_is_one_clear_line_and_a_state_of_the_page(tmp_path, make, word):
    path = make(tmp_path)
    with pytest.raises(CamelsError) as e:
        open_view(path)
    assert word in str(e.value) and "\n" not in str(e.value)
    shown = Explorer(path).page.error
    assert shown["what"] and word in " ".join(shown.values())


def test_a_deleted_checkpoint_is_said_in_its_pane_and_the_others_go_on(copy):
    app = Explorer(copy, right="B")
    (copy/"latents"/"A.safetensors").unlink()
    fresh = Explorer(copy)
    assert "A" not in fresh.state.param.left.objects and fresh.page.xy_left
    app.panes.films.clear()
    app.state.view()._kept.clear()
    app.heard(dict(set=dict(left="A")))
    assert "is gone" in app.page.say_left and not app.page.xy_left
    app.heard(dict(set=dict(left="B")))
    assert app.page.xy_left and not app.page.say_left


def test_a_stage_that_does_not_fit_its_moments_is_refused(copy):
    shutil.copy(
        copy/"latents"/"live"/sorted(p.name for p in (copy/"latents"/"live").glob("*.safetensors"))[0],
        copy/"latents"/"B.safetensors",
    )
    with pytest.raises(CamelsError, match="being written|has .* rows"):
        open_view(copy).latents("B")


def test_a_missing_recording_is_said_where_it_would_play(run):
    app = Explorer(run)
    app.state.view().columns["source"][2] = "gone/clip.mp4"
    with pytest.raises(CamelsError, match="not here: clip.mp4"):
        media_of(app.state.view(), 2)
    app.heard(dict(play=2))
    end = time.time() + 60
    while app.page.film_info["row"] != 2 and time.time() < end:
        time.sleep(.02)
    assert "not here" in app.page.film_info["error"] and app.page.film == b""


def test_try_again_finds_the_run_that_was_being_written(copy):
    hidden = copy.parent/"hidden"
    (copy/"latents").rename(hidden)
    app = Explorer(copy)
    assert app.page.error
    hidden.rename(copy/"latents")
    app.heard(dict(again=True))
    assert not app.page.error and app.page.xy_left


def test_a_broken_run_beside_it_changes_nothing(copy):
    other = shutil.copytree(copy, copy.parent/"other")
    app = Explorer(copy)
    (other/"latents"/"points.json").write_text("{")
    app.heard(dict(set=dict(right_run="other")))
    assert "being written" in app.page.message[0] and app.state.right_run == "copy"
    app.heard(dict(set=dict(left="A")))
    assert app.page.title_left == "after stage A"
    shutil.rmtree(other)
    shutil.copytree(copy, other)
    [p.unlink() for p in (other/"latents"/"live").glob("*")]
    app.heard(dict(set=dict(right="A epoch 2")))
    app.heard(dict(set=dict(right_run="other")))
    assert app.state.right == "C" and app.page.title_right == "other · after stage C"


# views as links

@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_view_survives_its_address(run, data):
    s = _state(run)
    n = len(s.view())
    rows = st.lists(st.integers(0, n - 1), max_size=8, unique=True)
    s.take(
        {
            k: data.draw(st.sampled_from(s.param[k].objects))
            for k in ("left", "right", "projection", "modality", "colour_by", "facet_by", "lines")
        }
        | dict(
            selection=data.draw(rows),
            axis_a=data.draw(rows),
            axis_b=data.draw(rows),
            current=data.draw(st.integers(-1, n - 1)),
            query=data.draw(st.text(max_size=8).map(str.strip)),
        )
    )
    again = _state(run, 1)
    again.reset()
    again.take(dict(lines="current", projection="pca"))
    assert from_query(again, to_query(s)) == []
    assert {k: getattr(again, k) for k in LINKED} == {k: getattr(s, k) for k in LINKED}


STATES = {}
def _state(run, i=0):
    return STATES.setdefault(i, ExplorerState(run))


@given(st.text(max_size=40))
def test_no_address_breaks_the_page(text):
    if 0 in STATES:
        from_query(STATES[0], text)


# figures

@given(st.integers(2, 40), st.integers(1, 6), st.integers(1, 12), st.integers(1, 50), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_neighbours_equal_a_full_sort(n, d, k, block, seed):
    g = np.random.default_rng(seed)
    x = g.normal(size=(n, d)).astype(np.float32)
    q = x[:3]
    rows, cos = neighbours(x, q, k, without=np.arange(len(q)), block=block)
    c = (q/np.linalg.norm(q, axis=1, keepdims=True)) @ (x/np.linalg.norm(x, axis=1, keepdims=True)).T
    c[np.arange(len(q)), np.arange(len(q))] = -np.inf
    want = -np.sort(-c, axis=1)[:, :min(k, n - 1)]
    np.testing.assert_allclose(cos[:, :want.shape[1]], want, atol=1e-5)
    assert (rows[:, n - 1:] == -1).all() and (rows[np.isfinite(cos)] >= 0).all()


def test_partner_ranks_are_places_in_the_sorted_list():
    g = np.random.default_rng(0)
    a, b = g.normal(size=(2, 60, 8)).astype(np.float32)
    b[7] = np.nan
    c = (a/np.linalg.norm(a, axis=1, keepdims=True)) @ (b/np.linalg.norm(b, axis=1, keepdims=True)).T
    c[:, 7] = -9
    want = [0 if i == 7 else list(np.argsort(-c[i])).index(i) + 1 for i in range(60)]
    assert partner_ranks(a, b).tolist() == want and partner_ranks(a, b, [7, 3], block=1).tolist() == [0, want[3]]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.integers(1, 400))
def test_a_sample_has_the_same_share_of_each_group(sizes, most):
    group = np.repeat(np.arange(len(sizes)), sizes)
    s = sample_rows(len(group), most, group)
    assert len(set(s.rows.tolist())) == len(s.rows) and len(s.rows) <= max(most, len(sizes))
    if len(group) > most:
        got, ideal = np.bincount(group[s.rows], minlength=len(sizes)), np.array(sizes)*most/len(group)
        assert (got >= 1).all() and (np.abs(got - ideal) <= 1 + (ideal < 1).sum()).all()


@given(st.integers(0, 200), st.floats(.05, 1.), st.floats(-.5, 1.))
@settings(max_examples=40, deadline=None)
def test_a_frame_shows_exactly_the_points_in_its_box(seed, width, left):
    g = np.random.default_rng(seed)
    xy = g.random((3000, 2)).astype(np.float32)
    r = Raster(xy)
    box = (left, left + width, left, left + width)
    at, _ = r._pixels(box, 50, 50)
    f = np.float32
    want = (xy > f(left)).all(1) & (xy < f(left + width)).all(1)
    edge = (np.abs(xy - f(left)) < 1e-5).any(1) | (np.abs(xy - f(left + width)) < 1e-5).any(1)
    assert abs(len(at) - want.sum()) <= edge.sum()
    i = int(g.integers(3000))
    assert nearest_row(r, *map(float, xy[i]), .01) == i or np.allclose(
        xy[nearest_row(r, *map(float, xy[i]), .01)], xy[i], atol=1e-6
    )
    tri = g.random((3, 2))
    assert lassoed(r, tri).tolist() == np.flatnonzero(inside(xy[:, 0], xy[:, 1], tri)).tolist()


def test_epochs_are_aligned_and_of_one_width(run):
    v = open_view(run)
    film = Film(v)
    f = film.pca()
    names = list(f)
    assert names == v.names
    step = [np.nanmean(np.linalg.norm(f[a] - f[b], axis=1)) for a, b in zip(names, names[1:])]
    far = [np.nanmean(np.linalg.norm(f[a]*[-1, 1] - f[b], axis=1)) for a, b in zip(names, names[1:])]
    assert np.mean(step) < np.mean(far)
    w = {n: np.nanstd(f[n]) for n in names}
    assert .6 < w["A epoch 6"]/w["A"] < 1.7
    assert np.allclose(
        align_frames([f["A"], f["A"] @ np.array([[0, 1], [-1, 0]], np.float32)])[0],
        f["A"] @ np.array([[0, 1], [-1, 0]]),
        atol=1e-4,
        equal_nan=True,
    )


# maps that are kept

def test_a_kept_map_is_no_pickle_and_places_new_points_alike(tmp_path):
    g = np.random.default_rng(0)
    x = g.normal(size=(80, 9)).astype(np.float32)
    for how in ("pca", "tsne"):
        m = cached_map(x, how)
        m.save(tmp_path/"m.safetensors")
        b = (tmp_path/"m.safetensors").read_bytes()
        assert json.loads(b[8:8 + int.from_bytes(b[:8], "little")])["__metadata__"]["method"] == how
        again = Map.load(tmp_path/"m.safetensors")
        assert (again.apply(x[:9] + .1) == m.apply(x[:9] + .1)).all() and again.params == m.params


def test_umap_keeps_a_reducer_that_places_points_among_their_own():
    g = np.random.default_rng(0)
    k = g.integers(0, 3, 300)
    x = ((g.normal(size=(3, 40))*3)[k] + g.normal(size=(300, 40))).astype(np.float32)
    m = fit_map(x[:240], "umap")
    heart = np.stack([m.xy[k[:240] == i].mean(0) for i in range(3)])
    assert (((m.apply(x[240:])[:, None] - heart)**2).sum(-1).argmin(1) == k[240:]).mean() > .95


def test_the_worker_goes_when_its_page_is_killed(tmp_path):
    code = (
        "import numpy as np, time\nfrom camels.look.jobs import MapWorker\nw = MapWorker(); "
        "w.submit(np.random.default_rng(0).normal(size=(2000, 20)), 'tsne')\nwhile w._process is None: "
        "time.sleep(.05)\nprint(w._process.pid, flush=True); time.sleep(300)"
    )
    p = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CAMELS_CACHE": str(tmp_path)},
    )
    child = int(p.stdout.readline())
    time.sleep(3)
    p.send_signal(signal.SIGKILL)
    p.wait()
    end = time.time() + 90
    def alive():
        try:
            return "Z" not in open(f"/proc/{child}/stat").read().split(")")[1].split()[0]
        except FileNotFoundError:
            return False
    while alive() and time.time() < end:
        time.sleep(.2)
    assert not alive()


# a latent, decoded
def test_what_has_no_decoder_says_why_and_only_a_direction_is_decoded(copy):
    z = open_view(copy).latents("C")
    d = Decoder(copy, "C")
    both = d.features(np.stack([z["video"][0], 3*z["video"][0]]), "video", "video")
    assert np.allclose(both[0], both[1], atol=1e-4)
    for stage, word in (("A", "from stage B on"), ("untrained", "from stage B on"), ("A epoch 2", "not weights")):
        with pytest.raises(CamelsError, match=word):
            Decoder(copy, stage)
    with pytest.raises(CamelsError, match="toy_video"):
        d.face(z["video"][:1], "video")
    with pytest.raises(CamelsError, match="stage C"):
        Decoder(copy, "B").features(z["video"][:1], "video", "prosody")
    info = json.loads((copy/"run.json").read_text())
    (copy/"run.json").write_text(json.dumps(info | dict(config=info["config"] | dict(w_recon=0))))
    with pytest.raises(CamelsError, match="no decoder"):
        Decoder(copy, "C")   # its weights are as random as before training
    (copy/"run.json").write_text(json.dumps(info))
    shutil.rmtree(copy/"checkpoints"/"C")
    with pytest.raises(CamelsError, match="config.json"):
        Decoder(copy, "C")
    app = Explorer(copy)
    app.state.current = 3
    app.heard({"face": {"of": "moment", "from": "video"}})
    for _ in range(300):
        if app.page.face:
            break
        time.sleep(.05)
    assert "config.json" in app.page.face["trouble"]


def test_a_face_at_rest_has_no_weights_and_left_stays_left():
    from camels.encoders.face import channel
    x = np.zeros((3, 39))
    x[1, channel("mouth_open")] = x[2, channel("mouth_open")] = 12
    x[1, channel("mouth_x")], x[2, channel("mouth_x")] = 5, -5
    w, head = channel_weights(x)
    from camels.face.arkit import index, mirror
    assert w[0].max() < .02 and w[1, index("jawOpen")] > .2 and FACE == 33 and not head.any()
    assert np.allclose(mirror(w[1]), w[2], atol=.06)
    # the person's left
    assert w[1, index("mouthLeft")] + w[1, index("jawLeft")] > w[1, index("mouthRight")] + w[1, index("jawRight")] + .1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_slots_and_phones_say_the_same(slots):
    p = np.full((len(slots), 4), .1)
    p[np.arange(len(slots)), slots] = .7
    said = heard(p, list("abc"))
    back = slots_of([(h["label"], h["start_s"], h["end_s"]) for h in said], list("abc"), len(slots))
    assert back.tolist() == slots and all(h["p"] == pytest.approx(.7) for h in said)


def test_a_large_view_is_searched_exactly_until_its_index_is_there(tmp_path, monkeypatch):
    g = np.random.default_rng(0)
    k = g.integers(0, 40, 3000)
    x = (g.normal(size=(40, 16))[k]*3 + g.normal(size=(3000, 16))).astype(np.float32)
    np.savez(tmp_path/"v.npz", ids=np.arange(3000).astype(str), face=x)
    v = open_view(tmp_path/"v.npz")
    near = Nearest(v, "vectors", "face")
    rows, cos, how = near(5, 4)
    assert how.startswith("exact") and rows.tolist() == neighbours(x, x[5:6], 4, without=[5])[0][0].tolist()
    near.make()
    _, again, how = near(5, 4)
    assert "index" in how and near.recall > .8 and again[0] <= cos[0] + 2e-3
    again = Nearest(v, "vectors", "face")
    monkeypatch.setattr("camels.look.neighbours.VectorIndex.build", None)   # what is there is found, not made again
    again.make()
    assert again.recall == pytest.approx(near.recall, abs=.05)
