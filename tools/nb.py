#!/usr/bin/env python
"""Edit a notebook as a text file, safely.

    tools/nb.py open nbs/212_encoders.prosody.ipynb    writes .cache/nb/212_encoders.prosody.py (jupytext percent
                                                       format)
    tools/nb.py save nbs/212_encoders.prosody.ipynb    back into the notebook: export, run every cell, keep outputs,
                                                       clean
    tools/nb.py save --no-run …                       the same without running (outputs of unchanged cells stay)

`save` makes the notebook if it is new. Cell ids of unchanged cells stay."""
import argparse, base64, io, json, os, subprocess, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
os.environ.setdefault("OMP_NUM_THREADS", "1")

def sh(*a, **kw):
    return subprocess.run([str(x) for x in a], check=True, cwd=root, **kw)

def shrink(nb, width=900):
    """Stored PNG figures as palette images, at most `width` pixels wide, and no live apps: a page of figures stays
    small in the history."""
    from PIL import Image
    d = json.loads(nb.read_text(encoding="utf-8"))
    live = {
        "application/vnd.holoviews_exec.v0+json",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.holoviews_load.v0+json",
    }
    for c in d["cells"]:
        if "outputs" in c:
            c["outputs"] = [o for o in c["outputs"] if not live & set(o.get("data", {}))]
    for o in (o for c in d["cells"] for o in c.get("outputs", []) if "image/png" in o.get("data", {})):
        raw = base64.b64decode("".join(o["data"]["image/png"]))
        best = raw
        while len(best) > 30_000 or best is raw:   # 40 KB as text
            im = Image.open(io.BytesIO(raw)).convert("RGBA")
            w = min(im.width, width)
            b = io.BytesIO()
            im.resize((w, round(im.height*w/im.width)), Image.LANCZOS).quantize(
                64, method=Image.Quantize.FASTOCTREE
            ).save(b, "png", optimize=True)
            best, width = b.getvalue(), int(w*.85)
        o["data"]["image/png"] = base64.b64encode(min(best, raw, key=len)).decode()
        width = 900
    nb.write_text(json.dumps(d, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

def clear(nb):
    "Empty all outputs: exec_nb leaves the old output of a cell that now prints nothing, a mended error for example."
    o = json.loads(nb.read_text(encoding="utf-8"))
    for c in o["cells"]:
        if c["cell_type"] == "code":
            c["outputs"] = []
    nb.write_text(json.dumps(o, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("verb", choices=["open", "save"])
    p.add_argument("notebook")
    p.add_argument("--no-run", action="store_true")
    a = p.parse_args()
    nb = Path(a.notebook)
    nb = nb if nb.is_absolute() else root/nb
    txt = root/".cache/nb"/nb.relative_to(root/"nbs").with_suffix(".py")
    txt.parent.mkdir(parents=True, exist_ok=True)
    bin_ = Path(sys.executable).parent
    if a.verb == "open":
        return sh(bin_/"jupytext", "--to", "py:percent", "--output", txt, nb)
    update = ["--update"] if nb.exists() else []
    sh(
        bin_/"jupytext",
        "--to",
        "ipynb",
        *update,
        "--set-kernel",
        "python3",
        "--output",
        nb,
        txt,
        stdout=subprocess.DEVNULL,
    )
    sh(bin_/"nbdev_export", "--path", nb)
    if not a.no_run:
        clear(nb)
        r = subprocess.run(
            [str(bin_/"exec_nb"), str(nb), "--dest", str(nb)],
            cwd=nb.parent,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        if r.returncode:
            sys.exit(r.returncode)
        errors = [
            o
            for c in json.loads(nb.read_text(encoding="utf-8"))["cells"]
            for o in c.get("outputs", [])
            if o["output_type"] == "error"
        ]
        for o in errors:
            print(f"{nb.name}: {o['ename']}: {o['evalue']}", *o["traceback"][-1:], sep="\n", file=sys.stderr)
        if errors:
            sys.exit(1)
        shrink(nb)
    sh(bin_/"nbdev_clean", "--fname", nb)

if __name__ == "__main__":
    main()
