#!/usr/bin/env python
"""Make the pictures of the landing page and the gallery: `python tools/gallery.py` writes `nbs/gallery/*-light.png`
and `*-dark.png`, 60 KB each at most.

Apps are served and photographed in a browser (playwright, chromium), faces are drawn by the renderer, the plots come
from the report of a finished run. `python tools/gallery.py apps explorer` makes only these."""
import argparse, io, json, os, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

root = Path(__file__).resolve().parent.parent
out, LIMIT, SIZE = root/"nbs"/"gallery", 60_000, (800, 450)
THEMES = dict(
    light=((250, 248, 245), (35, 33, 31), (125, 120, 114)), dark=((24, 27, 31), (236, 236, 236), (163, 168, 174))
)
COLOURS = {"video": "#0072b2", "phoneme": "#d55e00", "prosody": "#009e73"}

def keep(im:Image.Image, name:str)->None:
    "A palette PNG that is small enough: fewer colours first, as long as the rare ones last, then fewer pixels."
    im = im.convert("RGB")
    for width, colours in (
        (1., 256), (1., 160), (.9, 160), (.9, 112), (.8, 128), (.8, 96), (.7, 96), (.6, 96), (.5, 64),
    ):
        width = round(im.width*width)
        small = im.resize((width, round(im.height*width/im.width)), Image.LANCZOS)
        b = io.BytesIO()
        small.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(
            b, "png", optimize=True
        )
        if b.tell() <= LIMIT:
            break
    else:
        sys.exit(f"{name}: {b.tell()} bytes, {LIMIT} at most")
    out.mkdir(exist_ok=True)
    (out/f"{name}.png").write_bytes(b.getvalue())
    print(f"{name}.png {b.tell()//1000} KB, {width} px, {colours} colours")

# Apps: seconds to wait, then keys to press (the explorer then shows a moment, with its face).
APPS = dict(
    explorer=(12, ["ArrowRight"]*3),
    training=(8, []),
    expression=(8, []),
    avatar=(14, []),
    crossfade=(25, []),
    emotion=(12, []),
    v3=(14, []),
    editor=(8, []),
)

def apps(names, run:Path, url:str="")->None:
    from playwright.sync_api import sync_playwright
    server, place = None, "-"
    if not url:
        place = Path(tempfile.mkdtemp())
        (place/"runs").mkdir()
        (place/"runs"/run.name).symlink_to(run.resolve())   # a tidy folder of runs
        server = subprocess.Popen(
            [sys.executable, "-m", "camels.cli", "serve", "--run", f"runs/{run.name}", "--no-show"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        )
        url = server.stdout.readline().split()[1]
    url, _, query = url.partition("?")   # the token, which lets in
    url = url.rstrip("/")
    try:
        with sync_playwright() as p:
            import shutil
            exe = next(e for n in ("chromium", "chromium-browser", "google-chrome") if (e := shutil.which(n)))
            b = p.chromium.launch(
                executable_path=exe, args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
            )
            for name in names:
                for theme in THEMES:
                    pg = b.new_page(viewport=dict(width=1280, height=720), color_scheme=theme)
                    wait, keys = APPS[name]
                    pg.set_default_timeout(180_000)
                    pg.goto(f"{url}/{name}?theme={theme}&{query}")
                    pg.wait_for_selector(".bk-Row, .bk-Column, canvas, .explorer")
                    pg.wait_for_timeout(wait*1000)
                    for key in keys:
                        pg.keyboard.press(key)
                        pg.wait_for_timeout(3000)
                    # where this machine keeps its runs is nobody's business
                    for box in pg.locator("input").all():
                        if str(place) in (v := box.input_value()):
                            box.evaluate("(e, v) => { e.value = v }", v.replace(f"{place}/", ""))
                    raw = pg.screenshot()
                    (root/".cache"/"gallery").mkdir(parents=True, exist_ok=True)
                    (root/".cache"/"gallery"/f"{name}-{theme}.png").write_bytes(raw)
                    keep(Image.open(io.BytesIO(raw)).resize(SIZE, Image.LANCZOS), f"{name}-{theme}")
                    pg.close()
            b.close()
    finally:
        if server:
            server.terminate()
            server.wait(20)

def font(size:int):
    import matplotlib
    return ImageFont.truetype(str(Path(matplotlib.get_data_path())/"fonts"/"ttf"/"DejaVuSans.ttf"), size)

def labelled(faces:dict, across:int, size:int, theme:str)->Image.Image:
    "Faces in rows, their names below."
    paper, ink, _ = THEMES[theme]
    rows = -(-len(faces)//across)
    im = Image.new("RGB", (across*(size + 8) + 8, rows*(size + 26) + 8), paper)
    d = ImageDraw.Draw(im)
    for i, (name, face) in enumerate(faces.items()):
        x, y = 8 + (i % across)*(size + 8), 8 + (i//across)*(size + 26)
        im.paste(Image.fromarray(face), (x, y))
        d.text((x + size/2, y + size + 11), name, ink, font(11), anchor="mm")
    return im

def faces()->None:
    "Sixteen emotions at full strength, and two that grow."
    from camels.core import EMOTIONS
    from camels.face.condition import condition
    from camels.face.anchors import vad_at
    from camels.face.compiler import frozen_compiler
    from camels.face.render import Renderer
    r, c = Renderer(None, 120), frozen_compiler()
    def draw(e, u):
        return r.render(c(condition(e, vad_at(e, u))[None])[0])
    sixteen = {e: draw(e, 1.) for e in EMOTIONS}
    growing = {f"{e} {u:.0%}": draw(e, u) for e in ("joy", "anger") for u in (0, .2, .4, .6, .8, 1)}
    for theme in THEMES:
        keep(labelled(sixteen, 8, 120, theme), f"faces-{theme}")
        keep(labelled(growing, 6, 120, theme), f"growing-{theme}")

def speech()->None:
    "Frames of what `camels animate` writes."
    from camels.express.perform import animate_text
    from camels.face.render import Renderer
    p = animate_text("[joy:80] We won the match! [sadness:60] But my friend Bob was not there.")
    pick = np.linspace(.04, .96, 12)*len(p.weights)
    drawn = Renderer(None, 120).render_sequence(p.weights, p.head)
    frames = {f"{i/p.fps:.1f} s": f for i, f in enumerate(drawn) if i in set(pick.astype(int))}
    for theme in THEMES:
        keep(labelled(frames, 6, 120, theme), f"speech-{theme}")

def plots(run:Path)->None:
    "Retrieval stage by stage beside chance, and the losses of the run."
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    stages = json.loads((run/"report.json").read_text())["stages"]
    log = [json.loads(l) for l in (run/"metrics.jsonl").read_text().splitlines()]
    for theme, (paper, ink, soft) in THEMES.items():
        def hexed(c):
            return "#%02x%02x%02x" % c
        with plt.rc_context({
            **{
                k: hexed(ink) for k in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
            },
            "figure.facecolor": hexed(paper),
            "axes.facecolor": hexed(paper),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
        }):
            fig, ax = plt.subplots(figsize=(7, 3.4), dpi=110)
            ways = list(stages["C"]["retrieval"])
            for way in ways:
                a = way.split("->")
                r = [stages[s]["retrieval"][way] for s in stages]
                ax.plot(
                    list(stages),
                    [x["r1"] for x in r],
                    marker="os^"[list(COLOURS).index(a[0])],
                    color=COLOURS[a[0]],
                    ls={"video": "-", "phoneme": "--", "prosody": ":"}[a[1]],
                    label=way.replace("->", " → "),
                )
            one = stages["C"]["retrieval"][ways[0]]
            ax.axhline(1/one["pool"], color=hexed(soft), lw=1)
            ax.text(2.5, 1/one["pool"] + .02, "chance", color=hexed(soft))
            ax.set(ylabel=f"R@1 among {one['pool']}", xlabel="stage", ylim=(0, 1.02))
            ax.legend(frameon=False, fontsize=8, ncols=2)
            fig.tight_layout()
            b = io.BytesIO()
            fig.savefig(b, format="png")
            plt.close(fig)
            keep(Image.open(b), f"retrieval-{theme}")
            rows = [r for r in log if "nce" in r]
            fig, ax = plt.subplots(figsize=(7, 3), dpi=110)
            for k, c, ls in (("nce", "#0072b2", "-"), ("recon", "#d55e00", "--"), ("flow", "#009e73", ":")):
                xy = [(i + 1, r[k]) for i, r in enumerate(rows) if k in r]
                ax.plot(*zip(*xy), ls=ls, color=c, label=k)
            ax.set(xlabel="epoch", ylabel="loss")
            ax.legend(frameon=False)
            fig.tight_layout()
            b = io.BytesIO()
            fig.savefig(b, format="png")
            plt.close(fig)
            keep(Image.open(b), f"losses-{theme}")

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="*", help="apps, faces, speech, plots; behind apps: their names")
    p.add_argument("--run", type=Path, default=root/"runs"/"demo")
    p.add_argument("--url", default="", help="the printed address of a server that runs already, token included")
    a = p.parse_args()
    what = a.what or ["apps", "faces", "speech", "plots"]
    t0 = time.time()
    if "apps" in what:
        apps([n for n in what if n in APPS] or list(APPS), a.run, a.url)
    if "faces" in what:
        faces()
    if "speech" in what:
        speech()
    if "plots" in what:
        plots(a.run)
    print(f"{time.time() - t0:.0f} s")

if __name__ == "__main__":
    main()
