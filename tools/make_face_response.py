#!/usr/bin/env python
"""Computes camels/assets/face/response.npz: drawn people with known weights, FaceMesh over them, then
`camels.face.response.fit_response`.

    python tools/make_face_response.py [--people 96] [--faces 40] [--out camels/assets/face/response.npz]

About a minute on one core. The people's seeds start at 1000, so that tests on lower seeds see others."""
import argparse
from pathlib import Path

import numpy as np

from camels.encoders.tracker import landmarks
from camels.face.render import Renderer
from camels.face.natural import natural_faces
from camels.face.response import fit_response, save_response
from camels.face.people import random_identity

def person(seed, faces):
    """Weights, landmarks, and landmarks at rest, of one drawn person at 256 or 384 pixels, head turned by up to 11, 7
    and 6 degrees."""
    rng, r = np.random.default_rng([seed, 7]), Renderer(random_identity(seed), 384 if seed % 2 else 256)
    turns = rng.uniform(-1, 1, (faces + 4, 3))*(.2, .12, .1)
    turns[:4] *= .5
    w = np.concatenate([np.zeros((4, 52), np.float32), natural_faces(faces, seed)])
    seen = [landmarks(r.render(a, t)) for a, t in zip(w, turns)]
    x = np.array([np.full((478, 3), np.nan) if p is None else p for p in seen])
    return w[4:], x[4:], x[:4]

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parent.parent
    p.add_argument("--people", type=int, default=96)
    p.add_argument("--faces", type=int, default=40)
    p.add_argument("--out", type=Path, default=root/"camels/assets/face/response.npz")
    a = p.parse_args()
    r = fit_response(person(s, a.faces) for s in range(1000, 1000 + a.people))
    save_response(a.out, r)
    print(
        f"{a.out.name}: {a.people*a.faces} faces of {a.people} people, {r.seen.shape[1]} features, noise "
        f"{np.sqrt(np.diag(r.noise).mean()):.4f} units a feature"
    )

if __name__ == "__main__":
    main()
