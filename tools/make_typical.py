#!/usr/bin/env python
"""Count what is typical of people in the features of the shipped encoders, into camels/assets/speaker/typical.json.

    tools/make_typical.py [DATA]     DATA is the folder of development data, ../shared/data where not given

Sound: every second speaker of speechocean762's training half (OpenSLR 101, free for any use), the others stay free for
measurements. Faces: some of those of GRID's clips (CC BY 4.0) that the phone recogniser was trained on, and people
drawn by the studio."""
import csv, sys, tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from camels.core import WindowConfig, write_json
from camels.data.studio.film import write_studio
from camels.encoders.core import create_encoder
from camels.encoders.speaker import typical_of
from camels.media.clips import read_clips, window_starts
from camels.media.read import iter_frames, probe
from camels.media.sound import read_audio

OUT = Path(__file__).resolve().parent.parent/"camels/assets/speaker/typical.json"

def heard(enc, data):
    "Prosody of each utterance, and who speaks."
    with open(data/"speechocean762/train.tsv", encoding="utf-8") as f:
        rows = list(csv.reader(f, delimiter="\t"))[1:]
    taken = sorted({r[1] for r in rows})[::2]
    for utterance, who in [r[:2] for r in rows if r[1] in taken][::2]:
        x = read_audio(data/f"speechocean762/audio/{utterance}.opus", enc.window.sr)
        yield enc.encode(x, window_starts(len(x)/enc.window.sr, enc.window)), who

def seen(enc, data, folder):
    "Faces of each clip, and whose."
    grid = [f for i, f in enumerate(sorted((data/"grid_s1").glob("*.mp4"))) if i % 4 != 3][::5]
    drawn = [(c.path, c.speaker) for c in read_clips(write_studio(folder, 2., 12, seed=1, size=128))]
    for path, who in [(f, "s1 of GRID") for f in grid] + drawn:
        starts = window_starts(probe(path).duration_s, enc.window)
        yield enc.encode(((t, x) for t, x in iter_frames(path, max_fps=enc.window.fps, max_side=960)), len(starts)), who

def count(rows):
    "Means and spreads as JSON holds them."
    feats, who = zip(*rows)
    names = np.concatenate([[w]*len(f) for f, w in zip(feats, who)])
    x, mask = np.concatenate([f.x for f in feats]), np.concatenate([f.mask for f in feats])
    mean, spread = (np.array([float(f"{v:.5g}") for v in o]).tolist() for o in typical_of(x, mask, names))
    return dict(people=len(set(who)), windows=int(mask.sum()), mean=mean, spread=spread)

def main():
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]/"shared/data"
    window, out = WindowConfig(), {}
    for name in ("prosody22", "prosody_contour"):
        enc = create_encoder(name, window=window)
        out[name] = dict(version=enc.version) | count(heard(enc, data))
    with tempfile.TemporaryDirectory() as folder:
        enc = create_encoder("facemesh_landmarks", window=window)
        out[enc.name] = dict(version=enc.version) | count(seen(enc, data, folder))
    write_json(OUT, dict(encoders=out))

if __name__ == "__main__":
    main()
