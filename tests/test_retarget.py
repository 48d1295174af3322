"""Retargeting beyond its lessons: exact answers, robustness to size, place, turn and holes, takes of Live Link Face,
files that are not one."""
import numpy as np
import pytest

from camels.face.arkit import (
    ANGLES, ARKIT, LIVELINK_COLUMNS, LiveLink, index, mirror, read_livelink, timecodes, write_livelink,
)
from camels.core import CamelsError
from camels.face.mesh import base_mesh
from camels.face.bounded import bounded
from camels.face.natural import natural_faces
from camels.face.response import Neutral, fit_response, response, save_response
from camels.face.retarget import SHOWN, Retarget, RetargetStream, Smooth, correlation, known, solver
from camels.face.people import Identity, random_identity
from camels.face.puppet import pose
from camels.face.shapes import basis

SHOWN_I = [index(n) for n in SHOWN]

def pixels(p, scale=180.):
    "Mesh points as FaceMesh would give them, camera far away."
    return np.asarray(p)*(scale, -scale, -scale) + (320, 240, 0)

def person(seed, w, **kw):
    return np.array([pixels(pose(x, random_identity(seed), **kw)) for x in w])


@pytest.mark.parametrize("seed", range(6))
def test_bounded_meets_the_optimality_conditions(seed):
    "Also where fields are nearly collinear and most weights rest on a bound."
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 60))
    a = rng.normal(size=(k + 5, k))
    a[:, k//2:] = a[:, :k - k//2] + 10.**-seed*a[:, k//2:]
    g = a.T @ a + 1e-3*np.eye(k)
    q = rng.normal(0, 10.**(seed - 2), (300, k))
    w = bounded(g, q)
    slope = w @ g - q
    tol = 1e-6*max(1, np.abs(q).max())
    assert w.min() >= 0 and w.max() <= 1
    assert (
        (slope[w <= 0] >= -tol).all()
        and (slope[w >= 1] <= tol).all()
        and (np.abs(slope[(w > 0) & (w < 1)]) <= tol).all()
    )

def test_bounded_equals_scipy_on_real_systems():
    optimize = pytest.importorskip("scipy.optimize")
    s, r = solver(), response()
    rng = np.random.default_rng(0)
    f = natural_faces(60) @ r.seen + rng.normal(0, .03, (60, r.seen.shape[1]))
    root = np.linalg.cholesky(s.gram).T
    q = f @ s.readout - 2.
    peer = [optimize.lsq_linear(root, np.linalg.solve(root.T, v), (0, 1), "bvls", tol=1e-13).x for v in q]
    assert np.abs(s(f, np.zeros((60, 3))) - peer).max() < 1e-7

def test_bad_systems_are_errors():
    with pytest.raises((CamelsError, np.linalg.LinAlgError)):
        bounded(np.eye(3), np.full((2, 3), np.nan))


def test_exact_landmarks_of_the_mesh():
    "Without a tracker in between, with the fields as they are, the shown channels come back."
    w = natural_faces(60, 5)
    x = person(2, w)
    got = Retarget(random_identity(2), seen="mesh")(x)
    assert got.shape == (60, 52) and got.dtype == np.float32 and got.min() >= 0 and got.max() <= 1
    assert correlation(w, got)[SHOWN_I].mean() > .85 and np.abs(got - w)[:, SHOWN_I].mean() < .06

def test_size_place_and_turn_do_not_matter():
    w = natural_faces(20, 3)
    rest = person(1, np.zeros((1, 52)))
    a = Retarget(rest, seen="mesh")(person(1, w))
    b = Retarget(rest, seen="mesh")(person(1, w)*2.5 + (90, -40, 7))
    assert np.abs(a - b).max() < 1e-4
    roll = Retarget(rest, seen="mesh").track(person(1, w, rotation=(0, 0, .4)))
    assert np.allclose(roll.head, (0, 0, .4), atol=.02)

def test_mirrored_face_mirrored_weights():
    def flip(x):
        return (x[:, base_mesh().mirror] - (320, 0, 0))*(-1, 1, 1) + (320, 0, 0)
    x, rest = person(4, natural_faces(20, 8)), person(4, np.zeros((1, 52)))
    assert np.abs(Retarget(flip(rest))(flip(x)) - mirror(Retarget(rest)(x))).max() < .02

def test_neutral_from_the_track():
    "A talking track needs no neutral frame: nearly the weights that the true neutral gives."
    w = np.concatenate([natural_faces(60, 9), np.zeros((30, 52), np.float32)])
    x = person(6, w)
    a, b = Retarget(seen="mesh")(x), Retarget(person(6, np.zeros((1, 52))), seen="mesh")(x)
    assert np.abs(a - b)[:, SHOWN_I].mean() < .04 and correlation(w, a)[SHOWN_I].mean() > .8


def test_holes_and_lag():
    x = person(0, natural_faces(40, 2))
    rest = person(0, np.zeros((1, 52)))
    x[5:9] = np.nan
    x[0, 3, 1] = np.inf
    whole = Retarget(rest).track(x)
    assert (~whole.mask).nonzero()[0].tolist() == [0, 5, 6, 7, 8]
    assert (
        whole.weights[0].max() == 0
        and (whole.weights[5:9] == whole.weights[4]).all()
        and (whole.head[5:9] == whole.head[4]).all()
    )
    for lag_ms in (0., 45.):
        s = RetargetStream(rest, lag_ms=lag_ms)
        one = np.array([s(None if np.isnan(p).any() else p) for p in x])
        assert np.allclose(one, Retarget(rest, lag_ms=lag_ms)(x), atol=1e-6)
    t = np.arange(300)/25
    s = Smooth(25., 120.)
    y = np.array([s(np.full(52, v))[0] for v in t])
    assert abs((t - y)[-1] - .120) < 1e-3

@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: Retarget()(np.zeros((2, 468, 3))), "478"),
        (lambda: Retarget()(np.zeros(3)), "478"),
        (lambda: Retarget(np.zeros((478, 3))), "no frame"),
        (lambda: Retarget(seen="real"), "drawn"),
        (lambda: Retarget(fps=0), "fps"),
        (lambda: Retarget(lag_ms=np.nan), "lag"),
        (lambda: RetargetStream(None), "neutral"),
        (
            lambda: fit_response([(natural_faces(3), person(0, natural_faces(3)), person(0, np.zeros((1, 52))))]),
            "too few",
        ),
    ],
)
def test_one_clear_error(make, says):
    with pytest.raises(CamelsError) as e:
        make()
    assert says in str(e.value) and "\n" not in str(e.value)

def test_empty_and_faceless_tracks():
    for x in (np.zeros((0, 478, 3)), np.full((3, 478, 3), np.nan), np.zeros((2, 478, 3))):
        got = Retarget().track(x)
        assert (
            got.weights.shape == (len(x), 52)
            and not got.weights.any()
            and not got.mask.any()
            and got.head.shape == (len(x), 3)
        )

def test_response_round_trip(tmp_path):
    "What is fitted on faces of a known tracker is that tracker: here one that halves every movement."
    people = []
    for s in range(4):
        w = natural_faces(60, 20 + s)
        d = .5*(w @ basis().reshape(52, -1)).reshape(-1, 478, 3)
        people.append((w, pixels(base_mesh().points + d), pixels(base_mesh().points)[None]))
    r = fit_response(people)
    truth = .5*response("mesh").seen
    w = natural_faces(100, 77)
    # of one eye and the other only the sum shows: they turn together
    assert np.abs(w @ (r.seen - truth)).max() < .05*np.abs(w @ truth).max()
    save_response(tmp_path/"r.npz", r)
    with np.load(tmp_path/"r.npz") as z:
        assert np.allclose(z["seen"], r.seen, atol=1e-6)
    assert known()[index("tongueOut")] == 0

def test_drawn_faces_come_back():
    "Weights → picture → FaceMesh → weights, on people the response has not seen; the control is an answer of zeros."
    pytest.importorskip("mediapipe", reason="mediapipe is not installed (extra: face)")
    pytest.importorskip("cv2")
    from camels.encoders.tracker import landmarks
    from camels.face.render import Renderer
    w, got = natural_faces(60, 500), []
    for i, s in enumerate((21, 22, 23)):
        r = Renderer(random_identity(s), 256 + 128*(i % 2))
        def see(v):
            return landmarks(r.render(v))
        got.append(Retarget(see({}))(np.array([see(v) for v in w[20*i:20*i + 20]])))
    error = np.abs(np.concatenate(got) - w)[:, SHOWN_I]
    print(f"mean error {error.mean():.3f}, of zeros {w[:, SHOWN_I].mean():.3f}")
    assert (
        error.mean() < .07
        and error.mean() < .85*w[:, SHOWN_I].mean()
        and correlation(np.concatenate(got), w)[SHOWN_I].mean() > .7
    )


@pytest.mark.parametrize("name", ["alex_rom_3.csv", "alex_rom_4.csv"])
def test_livelink_byte_for_byte(shared, tmp_path, name):
    take = read_livelink(shared/"livelink"/name)
    write_livelink(tmp_path/name, take)
    assert (tmp_path/name).read_bytes() == (shared/"livelink"/name).read_bytes()
    assert (
        take.weights.shape == (len(take.timecode), 52)
        and take.rotations.shape[1] == len(ANGLES) == 9
        and take.fps == 30
    )
    raw = [l.split(",") for l in (shared/"livelink"/name).read_text().splitlines()]
    assert np.allclose(
        take.weights[:, index("jawOpen")], [float(r[raw[0].index("JawOpen")]) for r in raw[1:]], atol=1e-7
    )
    assert np.allclose(
        take.weights[:, index("mouthLeft")], [float(r[raw[0].index("MouthLeft")]) for r in raw[1:]], atol=1e-7
    )

def test_livelink_windows_lines_and_byte_order_mark(tmp_path):
    w = natural_faces(5)
    write_livelink(tmp_path/"a.csv", w, 60.)
    (tmp_path/"b.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path/"a.csv").read_bytes().replace(b"\n", b"\r\n"))
    a, b = read_livelink(tmp_path/"a.csv"), read_livelink(tmp_path/"b.csv")
    assert (a.weights == w).all() and (b.weights == w).all() and a.timecode == b.timecode and a.fps == 60

HEAD, ROW = ",".join(LIVELINK_COLUMNS), "00:00:00:00.000,61" + ",0.5"*61
@pytest.mark.parametrize(
    "text, line, says",
    [
        ("", 0, "an empty file"),
        ("\n", 0, "an empty file"),
        (HEAD, 2, "no rows"),
        (HEAD.replace("JawOpen", "Yaw"), 1, "no column JawOpen"),
        (HEAD + "\n" + ROW + "\n" + ROW[:-4], 3, "62 cells"),
        (HEAD + "\n" + ROW.replace("0.5", "nan", 1), 2, "EyeBlinkLeft"),
        (HEAD + "\n" + ROW[:-3] + "inf", 2, "RightEyeRoll"),
        (HEAD + "\n" + ROW.replace("0.5", "", 1), 2, "''"),
        (HEAD + "\n25:61" + ROW[5:], 2, "timecode"),
        (HEAD + '\n"' + ROW, 2, "not a csv"),
        ("{}", 1, "not a Live Link Face csv"),
        ("\x89PNG\x00\xff", 0, "not text"),
    ],
)
def test_livelink_errors_name_the_line(tmp_path, text, line, says):
    p = tmp_path/"x.csv"
    p.write_bytes(text.encode("latin-1"))
    with pytest.raises(CamelsError) as e:
        read_livelink(p)
    assert (
        (f"line {line}:" in str(e.value) or not line)
        and "x.csv" in str(e.value)
        and says in str(e.value)
        and "\n" not in str(e.value)
    )

def test_livelink_absent_or_wrong_writes_nothing(tmp_path):
    for p in (tmp_path/"none.csv", tmp_path):
        with pytest.raises(CamelsError):
            read_livelink(p)
    old = tmp_path/"old.csv"
    write_livelink(old, natural_faces(2))
    before = old.read_bytes()
    bad = natural_faces(3)
    bad[1, 4] = np.inf
    for args in (
        (bad,),
        (natural_faces(3)[:, :51],),
        (np.zeros((0, 52)),),
        (natural_faces(3), 30., np.zeros((2, 9))),
        (natural_faces(3), 0.),
        (natural_faces(3), 30., None, timecodes(2)),
        (natural_faces(1), 30., None, ("now",)),
        (LiveLink(("x",), natural_faces(1), np.zeros((1, 9)), 30.),),
    ):
        with pytest.raises(CamelsError):
            write_livelink(old, *args)
    assert old.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["old.csv"]

def test_a_whole_neutral_can_be_handed_on():
    n = Neutral.of(person(1, np.zeros((2, 52))))
    assert Neutral.of(n) is n and isinstance(Neutral.of(Identity()), Neutral) and len(ARKIT) == known().shape[0]
