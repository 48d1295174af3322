"The synthetic face: a face tracker takes it for a face, and finds its features where they truly are."
import os

import numpy as np
import pytest

from camels.face.arkit import ARKIT
from camels.face.mesh import base_mesh
from camels.face.people import HAIR_STYLES, Identity, random_identity
from camels.face.puppet import pose, puppet
from camels.face.shapes import basis

pytest.importorskip("cv2", reason="OpenCV is not installed (pip install camels[face])")
from camels.face.render import Renderer

PEOPLE = range(14)
EXPRESSIONS = dict(
    jaw={"jawOpen": .6},
    smile={"mouthSmileLeft": .8, "mouthSmileRight": .8},
    pucker={"mouthPucker": .8},
    frown={"mouthFrownLeft": .8, "mouthFrownRight": .8},
    surprise={
        "browInnerUp": .8,
        "browOuterUpLeft": .8,
        "browOuterUpRight": .8,
        "eyeWideLeft": .6,
        "eyeWideRight": .6,
        "jawOpen": .4,
    },
    anger={"browDownLeft": .9, "browDownRight": .9, "mouthPressLeft": .6, "mouthPressRight": .6},
    blink={"eyeBlinkLeft": 1, "eyeBlinkRight": 1},
)

@pytest.fixture
def tracker():
    "Makes FaceMesh trackers: frame → points in pixels, or None."
    os.environ.setdefault("GLOG_minloglevel", "3")
    mp = pytest.importorskip("mediapipe", reason="MediaPipe is not installed (pip install camels[face])")
    def make():
        fm = mp.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
        def track(img):
            faces = fm.process(img).multi_face_landmarks
            return faces and np.array([(p.x, p.y) for p in faces[0].landmark])*img.shape[1::-1]
        return track
    return make

def error(track, r, weights, rotation=(0, 0, 0)):
    "Mean distance between read and true points, as a fraction of the eye distance."
    img, true = r.render(weights, rotation), r.landmarks(weights, rotation)
    seen = [track(img) for _ in range(5)][-1]
    assert seen is not None, "no face found"
    return np.linalg.norm(seen - true, axis=1).mean() / (r.camera.scale*r.camera.size)

def test_facemesh_finds_everyone(tracker):
    "At rest and turned: about 2 % of the eye distance."
    rest, turned = [], []
    for s in PEOPLE:
        track, r = tracker(), Renderer(random_identity(s))
        rest.append(error(track, r, {}))
        turned += [error(track, r, {}, a) for a in ((.25, 0, 0), (0, .15, 0), (0, 0, .15))]
    print(
        f"rest: mean {np.mean(rest):.2%}, worst {np.max(rest):.2%}; turned: mean {np.mean(turned):.2%}, worst "
        f"{np.max(turned):.2%}"
    )
    assert np.mean(rest) < .026 and np.max(rest) < .036
    assert np.mean(turned) < .030 and np.max(turned) < .045

def test_facemesh_finds_expressions(tracker):
    worst = {}
    for s in list(PEOPLE)[:6]:
        track, r = tracker(), Renderer(random_identity(s))
        for n, w in EXPRESSIONS.items():
            worst.setdefault(n, []).append(error(track, r, w))
    print({n: f"{np.mean(e):.2%}" for n, e in worst.items()})
    assert max(np.mean(e) for e in worst.values()) < .033

@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_is_a_face(tracker, style):
    from dataclasses import replace
    assert error(tracker(), Renderer(replace(random_identity(1), hair_style=style)), {}) < .04

def unit(p):
    return np.linalg.norm(p[33] - p[263])
MEASURES = dict(
    jawOpen=lambda p: np.linalg.norm(p[13] - p[14])/unit(p),
    mouthSmile=lambda p: ((p[13] + p[14])/2 - (p[61] + p[291])/2)[1]/unit(p),
    mouthPucker=lambda p: np.linalg.norm(p[61] - p[291])/unit(p),
    eyeBlink=lambda p: (np.linalg.norm(p[159] - p[145]) + np.linalg.norm(p[386] - p[374]))/unit(p),
    browInnerUp=lambda p: ((p[33] + p[263])/2 - (p[107] + p[336])/2)[1]/unit(p))

@pytest.mark.parametrize("name", MEASURES)
def test_facemesh_follows_the_motion(tracker, name):
    "What FaceMesh measures over a sweep correlates with what was drawn."
    names = [n for n in ARKIT if n in (name, name + "Left", name + "Right")]
    for s in range(3):
        track, r = tracker(), Renderer(random_identity(s))
        for _ in range(5):
            track(r.render({}))
        sweep = [{n: float(v) for n in names} for v in .9*np.sin(np.linspace(0, np.pi, 24))]
        true, seen = np.array([(MEASURES[name](r.landmarks(w)), MEASURES[name](track(r.render(w)))) for w in sweep]).T
        assert np.corrcoef(true, seen)[0, 1] > .9, (name, s)

def test_rendering_is_deterministic():
    w, turn = {"jawOpen": .4, "eyeLookInLeft": .5}, (.2, -.1, .05)
    a, b = (Renderer(random_identity(5)).render(w, turn) for _ in range(2))
    assert np.array_equal(a, b) and a.shape == (256, 256, 3) and a.dtype == np.uint8
    assert not np.array_equal(a, Renderer(random_identity(6)).render(w, turn))

def test_any_size_place_and_weight():
    "Nothing crashes at the edge, far outside, at the smallest size or at weights that nobody has."
    rng = np.random.default_rng(0)
    for size in (16, 64, 250, 512):
        r = Renderer(random_identity(int(rng.integers(99))), size)
        for _ in range(4):
            assert r.render(
                rng.random(52)*1.5, rng.uniform(-.9, .9, 3), rng.uniform(-3, 3, 3), rng.uniform(-.5, .5, 2)
            ).shape == (size, size, 3)

def test_lids_and_lips_never_cross():
    rng, m = np.random.default_rng(1), base_mesh().regions
    for s in range(6):
        for _ in range(20):
            p = puppet(random_identity(s)).move((rng.random(52) < .3)*rng.random(52))
            for n in ("eye_left", "eye_right", "lips_inner"):
                assert (p[m[n + "_top"][1:-1], 1] - p[m[n + "_bottom"][1:-1], 1]).min() > -1e-5

def test_blink_closes_and_mouth_close_meets_on_everyone():
    m = base_mesh().regions
    for s in range(20):
        who = random_identity(s)
        shut = pose({"eyeBlinkLeft": 1, "eyeBlinkRight": 1, "jawOpen": 1, "mouthClose": 1}, who)
        for n, limit in (("eye_left", 1e-3), ("eye_right", 1e-3), ("lips_inner", .03)):
            assert np.abs(shut[m[n + "_top"]] - shut[m[n + "_bottom"]]).max() < limit, (s, n)

def test_left_and_right_are_mirror_images():
    b, m = dict(zip(ARKIT, basis())), base_mesh().mirror
    for n in ARKIT:
        if n.endswith("Left"):
            assert np.array_equal(b[n], b[n.replace("Left", "Right")][m]*np.float32([-1, 1, 1])), n
    # the person's left is the viewer's right
    assert pose({"eyeBlinkLeft": 1})[386, 1] < pose({})[386, 1] and base_mesh().points[386, 0] > 0

def test_identities_differ():
    looks = [puppet(random_identity(s)).neutral[:468] for s in range(12)]
    gaps = [np.abs(a - b).max() for i, a in enumerate(looks) for b in looks[:i]]
    assert min(gaps) > .05 and len({random_identity(s).hair_style for s in range(12)}) >= 4
    assert pose({}, Identity()).shape == (478, 3)
