"The head as a glb file: read back by a small parser of our own, and by Khronos' validator where node can find it."
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from camels.face.arkit import ARKIT, index, mirror
from camels.core import CamelsError
from camels.face.head import avatar
from camels.face.glb import avatar_glb, save_glb
from camels.face.people import HAIR_STYLES, Identity, random_identity

DTYPE = {5126: np.float32, 5125: np.uint32, 5123: np.uint16, 5121: np.uint8}
WIDTH = dict(SCALAR=1, VEC2=2, VEC3=3, VEC4=4)
OTHER = {n: ARKIT[int(np.argmax(mirror(np.eye(52))[i]))] for i, n in enumerate(ARKIT)}


class File:
    "A glb file, chunk by chunk."
    def __init__(self, data):
        magic, version, size = struct.unpack("<4sII", data[:12])
        assert (magic, version, size) == (b"glTF", 2, len(data))
        n, kind = struct.unpack("<I4s", data[12:20])
        assert kind == b"JSON" and n % 4 == 0
        self.doc = json.loads(data[20:20 + n])
        m, kind = struct.unpack("<I4s", data[20 + n:28 + n])
        assert kind == b"BIN\0" and 28 + n + m == size
        self.bin = data[28 + n:]
        assert self.doc["buffers"] == [{"byteLength": m}]
    def view(self, i):
        v = self.doc["bufferViews"][i]
        return self.bin[v["byteOffset"]:v["byteOffset"] + v["byteLength"]]
    def __getitem__(self, i):
        a = self.doc["accessors"][i]
        w = WIDTH[a["type"]]
        kind = DTYPE[a["componentType"]]
        out = (
            np.frombuffer(self.view(a["bufferView"]), kind).reshape(-1, w).copy()
            if "bufferView" in a
            else np.zeros((a["count"], w), kind)
        )
        if (s := a.get("sparse")):
            at = np.frombuffer(self.view(s["indices"]["bufferView"]), DTYPE[s["indices"]["componentType"]])
            assert len(at) == s["count"] and (np.diff(at.astype(int)) > 0).all()
            out[at] = np.frombuffer(self.view(s["values"]["bufferView"]), kind).reshape(-1, w)
        assert len(out) == a["count"]
        return out


@pytest.fixture(scope="module")
def head():
    return File(avatar_glb())


@pytest.fixture(scope="module")
def weights():
    w = np.zeros((45, 52))
    w[:, index("jawOpen")] = .3 + .3*np.sin(np.arange(45)/4)
    w[:, index("mouthSmileLeft")] = np.linspace(0, 1, 45)
    return w


def test_the_52_targets_are_named_in_order(head):
    face = head.doc["meshes"][0]
    assert face["extras"]["targetNames"] == list(ARKIT) and face["weights"] == [0.]*52
    assert all(len(p["targets"]) == 52 for p in face["primitives"])
    for i, name in enumerate(ARKIT):
        assert max(np.abs(head[p["targets"][i]["POSITION"]]).max() for p in face["primitives"]) > .01, (
            f"{name} moves nothing"
        )


def test_bounds_and_indices_are_right(head):
    for i, a in enumerate(head.doc["accessors"]):
        if "min" not in a:
            continue
        x = head[i]
        np.testing.assert_array_equal(x.min(0), np.float32(a["min"]))
        np.testing.assert_array_equal(x.max(0), np.float32(a["max"]))
    for mesh in head.doc["meshes"]:
        for p in mesh["primitives"]:
            n = len(head[p["attributes"]["POSITION"]])
            assert "min" in head.doc["accessors"][p["attributes"]["POSITION"]]
            assert head[p["indices"]].max() < n and all(len(head[i]) == n for i in p["attributes"].values())
            np.testing.assert_allclose(np.linalg.norm(head[p["attributes"]["NORMAL"]], axis=1), 1, atol=1e-5)


def test_left_and_right_are_mirror_images(head):
    for p in head.doc["meshes"][0]["primitives"]:
        x = head[p["attributes"]["POSITION"]]
        d, at = cKDTree(x).query(x*[-1, 1, 1])
        assert d.max() < 1e-6
        if len(np.unique(at)) < len(at):
            continue   # poles of the eyeballs lie on one another
        for i, n in enumerate(ARKIT):
            mine, other = (head[p["targets"][j]["POSITION"]] for j in (i, index(OTHER[n])))
            assert np.abs(mine*[-1, 1, 1] - other[at]).max() < 9e-4, n   # displacements below 8e-4 are left out


def test_before_it_is_stored_the_mirror_is_exact():
    for part in avatar():
        if not part.moves:
            continue
        d, at = cKDTree(part.points).query(part.points*[-1, 1, 1])
        assert d.max() < 1e-6
        for n, m in part.moves.items():
            np.testing.assert_allclose(m*[-1, 1, 1], part.moves[OTHER[n]][at], atol=1e-6, err_msg=f"{part.name} {n}")


def test_the_animation_holds_every_frame(tmp_path, weights):
    turn = np.linspace([-.4, -.2, 0], [.4, .2, .1], 45)
    f = File(save_glb(tmp_path/"a.glb", weights, fps=25., head=turn).read_bytes())
    (a,) = f.doc["animations"]
    (s, r), (c, d) = a["samplers"], a["channels"]
    assert [x["interpolation"] for x in (s, r)] == ["LINEAR"]*2 and s["input"] == r["input"]
    np.testing.assert_allclose(f[s["input"]].ravel(), np.arange(45)/25, atol=1e-6)
    np.testing.assert_allclose(f[s["output"]].reshape(45, 52), weights, atol=1e-7)
    assert c["target"]["path"] == "weights" and f.doc["nodes"][c["target"]["node"]]["name"] == "face"
    assert d["target"]["path"] == "rotation" and f.doc["nodes"][d["target"]["node"]]["name"] == "head"
    q = f[r["output"]]
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1, atol=1e-6)
    assert ((q[1:]*q[:-1]).sum(1) > 0).all()
    assert q[0, 1] < 0 < q[-1, 1] and q[0, 0] > 0 > q[-1, 0]   # yaw to the viewer's right is +y; a pitch up is -x


def test_gaze_joins_the_weights(tmp_path, weights):
    f = File(save_glb(tmp_path/"a.glb", weights, gaze=np.tile([.3, 0], (45, 1))).read_bytes())
    (a,) = f.doc["animations"]
    assert len(a["channels"]) == 1
    w = f[a["samplers"][0]["output"]].reshape(45, 52)
    assert (w[:, index("eyeLookOutLeft")] > .3).all() and (w[:, index("eyeLookInLeft")] == 0).all()


@pytest.mark.parametrize(
    "bad, kw, says",
    [
        (np.zeros((4, 51)), {}, "shape"),
        (np.zeros(52), {}, "shape"),
        (np.zeros((0, 52)), {}, "no frame"),
        (np.full((3, 52), np.nan), {}, "NaN"),
        (np.full((3, 52), 1.2), {}, r"\[0, 1\]"),
        (np.full((3, 52), -.1), {}, r"\[0, 1\]"),
        ("words", {}, "numbers"),
        (np.zeros((3, 52)), dict(fps=0), "fps"),
        (np.zeros((3, 52)), dict(fps=np.nan), "fps"),
        (np.zeros((3, 52)), dict(head=np.zeros((2, 3))), "head"),
        (np.zeros((3, 52)), dict(gaze=np.full((3, 2), np.inf)), "gaze"),
    ],
)
def test_bad_input_is_one_error_and_no_file(tmp_path, bad, kw, says):
    with pytest.raises(CamelsError, match=says) as e:
        save_glb(tmp_path/"x.glb", bad, **kw)
    assert "\n" not in str(e.value) and not list(tmp_path.iterdir())


def _validator():
    "Folder from which node finds gltf-validator, and why not where it does not."
    if not shutil.which("node"):
        return None, "node is not installed"
    globally = (
        subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip()
        if shutil.which("npm")
        else ""
    )
    for folder in (
        os.environ.get("GLTF_VALIDATOR"),
        Path(__file__).parent.parent/"tools/avatar/node_modules",
        globally,
    ):
        if folder and (Path(folder)/"gltf-validator").is_dir():
            return str(Path(folder).resolve()), ""
    return None, "gltf-validator is not installed: cd tools/avatar && npm install"


CHECK = """const v = require(process.argv[1] + "/gltf-validator"), fs = require("fs")
v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2]))).then(r => console.log(JSON.stringify(r.issues)))"""


@pytest.mark.parametrize(
    "who",
    [Identity(), *(Identity(hair_style=s) for s in HAIR_STYLES if s in ("bald", "bun", "long")), random_identity(5)],
    ids=lambda w: w.hair_style,
)
def test_khronos_validator_finds_no_error(tmp_path, weights, who):
    folder, why = _validator()
    if folder is None:
        pytest.skip(why)
    path = save_glb(tmp_path/"a.glb", weights, identity=who, head=np.zeros((45, 3)))
    r = subprocess.run(["node", "-e", CHECK, folder, str(path)], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    issues = json.loads(r.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"][:5]


def test_the_file_is_small():
    assert len(avatar_glb()) < 4.5e6
