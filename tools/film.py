#!/usr/bin/env python
"""Make the half-minute film of the README: `python tools/film.py` writes `nbs/film.gif`, and `nbs/film.mp4` with its
sound.

Everything in it is computed here: sixteen faces from the anchors, a tagged text spoken by the shipped models, and,
where `runs/demo` holds a finished run, the latent space of that run moving through its stages."""
import argparse, math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from camels.express.perform import animate_text
from camels.core import EMOTIONS
from camels.face.anchors import vad_at
from camels.face.condition import condition
from camels.face.compiler import frozen_compiler
from camels.face.render import Renderer
from camels.media.write import write_video
from camels.look.viz import procrustes

root = Path(__file__).resolve().parent.parent
W, H, FPS = 640, 360, 30
PAPER, INK, SOFT, ACCENT = (250, 248, 245), (35, 33, 31), (125, 120, 114), (194, 106, 45)
COLOURS = {"video": (0, 114, 178), "phoneme": (213, 94, 0), "prosody": (0, 158, 115)}
TEXT = (
    "[joy:85] We won the match! [sadness:75] But Bob was not there to see it. [curiosity:70] Shall we call him now? "
    "[love:80] He will be so happy."
)

def font(size:int, bold:bool=False):
    import matplotlib
    return ImageFont.truetype(str(Path(matplotlib.get_data_path())/"fonts"/"ttf"/f"DejaVuSans{'-Bold'*bold}.ttf"), size)

def sheet(title:str, note:str="")->tuple:
    "An empty picture with its headline."
    im = Image.new("RGB", (W, H), PAPER)
    d = ImageDraw.Draw(im)
    d.text((24, 16), title, INK, font(20, True))
    d.text((24, 44), note, SOFT, font(12))
    return im, d

def ease(u):
    u = min(1., max(0., u))
    return u*u*(3 - 2*u)

def faces_scene(seconds:float):
    "Sixteen emotions, from neutral to their strongest and back."
    size = 68
    c, r = frozen_compiler(), Renderer(None, 68)
    for k in range(round(seconds*FPS)):
        u = ease(math.sin(math.pi*k/(seconds*FPS))*1.3)
        im, d = sheet(
            "Sixteen emotions, one continuous space",
            "47 anchors in valence, arousal and dominance; 52 ARKit blendshapes between them",
        )
        cond = np.stack([condition(e, vad_at(e, u)) for e in EMOTIONS])
        cond[:, :16] = (1 - min(1, u*2))*np.eye(16)[0] + min(1, u*2)*cond[:, :16]
        for i, w in enumerate(c(cond)):
            x, y = 24 + 75*(i % 8), 84 + 132*(i//8)
            im.paste(Image.fromarray(r.render(w)), (x, y))
            d.text((x + size/2, y + size + 12), EMOTIONS[i], INK, font(9), anchor="mm")
        yield np.asarray(im)

def speech_scene(p):
    "The avatar speaks; what is said, and in which mood."
    r = Renderer(None, 280)
    for i, face in enumerate(r.render_sequence(p.weights, p.head)):
        im, d = sheet(
            "Text and voice become a face",
            "emotion and VAD crossfade in mid-sentence; the lips follow the sound, the mood never reaches them",
        )
        im.paste(Image.fromarray(face), (24, 68))
        t, c = i/p.fps, p.cond[i]
        said = " ".join(w.text for w in p.words if w.start_s <= t)
        line, rows = "", []
        for w in said.split():
            line, rows = (
                (w, [*rows, line]) if d.textlength(line + " " + w, font(15)) > 290 else (f"{line} {w}".strip(), rows)
            )
        for k, row in enumerate([*rows, line][-4:]):
            d.text((328, 84 + 22*k), row, INK, font(15))
        for k, e in enumerate(np.argsort(-c[:16])[:2]):
            if c[e] > .02:
                d.text((328, 190 + 20*k), EMOTIONS[e], INK, font(12))
                d.rectangle((430, 192 + 20*k, 430 + 180*float(c[e]), 202 + 20*k), ACCENT)
        for k, (name, v) in enumerate(zip(("valence", "arousal", "dominance"), c[16:])):
            y = 250 + 26*k
            d.text((328, y - 6), name, SOFT, font(12))
            d.line((430, y, 610, y), SOFT, 1)
            x = 520 + 90*float(v)
            d.ellipse((x - 5, y - 5, x + 5, y + 5), ACCENT)
        yield np.asarray(im)

def latent_scene(run:Path, seconds:float, n:int=160):
    "Three modalities of the same moments, from before training to after it."
    from safetensors.numpy import load_file
    stages = [s for s in ("untrained", "A", "B", "C") if (run/"latents"/f"{s}.safetensors").exists()]
    z = [
        {m: o[m][:n].astype(np.float64) for m in COLOURS if m in o}
        for s in stages
        for o in (load_file(run/"latents"/f"{s}.safetensors"),)
    ]
    flat, before = [], None
    for o in z:
        x = np.concatenate(list(o.values()))
        x = x - x.mean(0)
        y = x @ np.linalg.svd(x, full_matrices=False)[2][:2].T
        y = y/np.abs(y).max()
        before = y if before is None else procrustes(y, before)
        flat.append(before)
    words = {
        "untrained": "before training",
        "A": "A: contrastive alignment",
        "B": "B: reconstruction",
        "C": "C: flow matching",
    }
    for k in range(round(seconds*FPS)):
        u = k/(seconds*FPS)*(len(stages) - 1) if len(stages) > 1 else 0
        a = min(int(u), len(stages) - 2)
        xy = flat[a] + (flat[a + 1] - flat[a])*ease((u - a)*1.6 - .3)
        im, d = sheet("Face, sounds and prosody meet in one space", words[stages[a if u - a < .5 else a + 1]])
        m = len(xy)//len(z[0])
        p = np.stack([320 + 250*xy[:, 0], 208 + 130*xy[:, 1]], 1)
        for i in range(m):
            d.polygon([tuple(p[j*m + i]) for j in range(len(z[0]))], outline=(226, 220, 212))
        for j, name in enumerate(z[0]):
            for x, y in p[j*m:(j + 1)*m]:
                box = (x - 3, y - 3, x + 3, y + 3)
                (d.ellipse, d.rectangle, lambda b, c: d.regular_polygon((x, y, 4.5), 3, fill=c))[j](box, COLOURS[name])
            d.text((560, 50 + 16*j), name, COLOURS[name], font(12))
        yield np.asarray(im)

def title_scene(seconds:float):
    face = Image.fromarray(Renderer(None, 220).render(frozen_compiler()(condition("joy", vad_at("joy", .6))[None])[0]))
    im = Image.new("RGB", (W, H), PAPER)
    d = ImageDraw.Draw(im)
    im.paste(face, (36, 70))
    d.text((290, 118), "CAMELS", INK, font(48, True))
    d.text((292, 184), "a workbench for multimodal", SOFT, font(16))
    d.text((292, 208), "human–AI interaction", SOFT, font(16))
    for _ in range(round(seconds*FPS)):
        yield np.asarray(im)

def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--run", type=Path, default=root/"runs"/"demo", help="finished run for the latent scene")
    a.add_argument("--out", type=Path, default=root/"nbs"/"film.gif")
    o = a.parse_args()
    p = animate_text(TEXT)
    frames = [*title_scene(2.5)]
    start = len(frames)
    frames += speech_scene(p)
    frames += faces_scene(6)
    if (o.run/"latents").exists():
        frames += latent_scene(o.run, 8)
    audio = np.zeros(round(len(frames)/FPS*p.sr), np.float32)
    at = round(start/FPS*p.sr)
    audio[at:at + len(p.audio)] = p.audio[:len(audio) - at]
    write_video(o.out.with_suffix(".mp4"), iter(frames), float(FPS), audio, p.sr, preset="slow")
    small = [
        Image.fromarray(f).resize((480, 270), Image.LANCZOS).quantize(64, dither=Image.Dither.NONE) for f in frames[::4]
    ]
    small[0].save(o.out, save_all=True, append_images=small[1:], duration=round(4000/FPS), loop=0, optimize=True)
    print(
        f"{len(frames)/FPS:.0f} s: {o.out} ({o.out.stat().st_size/1e6:.1f} MB), {o.out.with_suffix('.mp4')} "
        f"({o.out.with_suffix('.mp4').stat().st_size/1e6:.1f} MB)"
    )

if __name__ == "__main__":
    main()
