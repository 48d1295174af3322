#!/usr/bin/env python
"""Computes camels/assets/face/canonical.json: FaceMesh over the recordings in ../shared/data, then
`camels.face.pose.canonical_face`.

    python tools/make_canonical_face.py [--data ../shared/data] [--out camels/assets/face/canonical.json]"""
import argparse, itertools, json
from pathlib import Path

import numpy as np

from camels.core import write_text
from camels.encoders.tracker import FaceTracker, landmark_points
from camels.face.pose import canonical_face
from camels.media.read import iter_frames

ABOUT = dict(
    what=(
        "Mean face, 478 points in MediaPipe's order; unit: distance of the outer eye corners, origin between them; x "
        "viewer's right, y up, z toward the viewer"
    ),
    made_by=(
        "tools/make_canonical_face.py (MediaPipe FaceMesh 0.10.21 with refined irises; camels.face.pose.canonical_face)"
    ),
    sources={
        "grid_s1": "GRID corpus, talker 1, 20 clips, CC BY 4.0",
        "talking_faces": "sample clips of Apache-2.0 repositories",
    },
    licence="Apache-2.0 (a mean over people: no single person's shape can be read from it)",
)

def points(path, limit=400):
    "FaceMesh points in pixels, x right, y up, z near, float [t 478 3]."
    tracker, out = FaceTracker(), []
    for t, image in itertools.islice(iter_frames(path, max_fps=30, max_side=960), limit):
        h, w = image.shape[:2]
        if face := tracker(t, image):
            out.append(landmark_points([face])[0]*(w, -h, -w))
    return np.array(out).reshape(-1, 478, 3)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parent.parent
    p.add_argument("--data", type=Path, default=root.parent/"shared/data")
    p.add_argument("--out", type=Path, default=root/"camels/assets/face/canonical.json")
    a = p.parse_args()
    people = {f.stem: points(f) for f in sorted((a.data/"talking_faces").glob("*.mp4"))}
    people["grid_s1"] = np.concatenate([points(f) for f in sorted((a.data/"grid_s1").glob("*.mp4"))[::20]])
    about = ABOUT | dict(frames={k: len(x) for k, x in people.items()})
    write_text(
        a.out, json.dumps(dict(about=about, points=canonical_face(people).tolist()), separators=(",", ":")) + "\n"
    )
    print(f"{a.out.name}: {about['frames']}")

if __name__ == "__main__":
    main()
