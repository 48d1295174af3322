#!/usr/bin/env python
"""Computes camels/assets/face/base_mesh.json: FaceMesh over the recordings in ../shared/data, then
`camels.face.mesh.make_base_mesh`.

    python tools/make_base_mesh.py [--data ../shared/data] [--out camels/assets/face/base_mesh.json]"""
import argparse, json, os
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "3")
import cv2
import mediapipe as mp
import numpy as np

from camels.core import write_text
from camels.face.mesh import make_base_mesh

ABOUT = dict(
    what=(
        "Mean face at rest, 478 points in MediaPipe's order; unit: distance of the outer eye corners; x viewer's "
        "right, y up, z toward the viewer"
    ),
    made_by="tools/make_base_mesh.py (MediaPipe FaceMesh 0.10.21 with refined irises; camels.face.mesh.make_base_mesh)",
    sources={
        "grid_s1": "GRID corpus, talker 1, 20 clips, CC BY 4.0",
        "talking_faces": "sample clips of Apache-2.0 repositories",
    },
    licence="Apache-2.0 (a mean over people: no single person's shape can be read from it)",
)

def landmarks(path, limit=400):
    "FaceMesh points in pixels, float32 [t 478 3]."
    cap, out = cv2.VideoCapture(str(path)), []
    with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as fm:
        while len(out) < limit and (read := cap.read())[0]:
            h, w = read[1].shape[:2]
            if faces := fm.process(read[1][..., ::-1].copy()).multi_face_landmarks:
                out.append([(p.x*w, p.y*h, p.z*w) for p in faces[0].landmark])
    return np.array(out, np.float32).reshape(-1, 478, 3)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parent.parent
    p.add_argument("--data", type=Path, default=root.parent/"shared/data")
    p.add_argument("--out", type=Path, default=root/"camels/assets/face/base_mesh.json")
    a = p.parse_args()
    people = {f.stem: landmarks(f) for f in sorted((a.data/"talking_faces").glob("*.mp4"))}
    people["grid_s1"] = np.concatenate([landmarks(f) for f in sorted((a.data/"grid_s1").glob("*.mp4"))[::20]])
    edges = np.array(sorted(mp.solutions.face_mesh.FACEMESH_TESSELATION))
    mesh = make_base_mesh(people, edges, ABOUT)
    write_text(a.out, json.dumps(mesh, separators=(",", ":")) + "\n")
    print(
        f"{a.out.name}: {len(mesh['points'])} points, {len(mesh['triangles'])} triangles, neutral frames "
        f"{mesh['about']['neutral_frames']}"
    )

if __name__ == "__main__":
    main()
