#!/usr/bin/env python
"""Turns the official checkpoint of LAM Audio2Expression into model.safetensors, which `camels.express.lam.Lam.load`
reads.

    hf download 3DAIGC/LAM_audio2exp LAM_audio2exp_streaming.tar --local-dir .    0.4 GB, Apache-2.0
    python tools/lam_to_safetensors.py LAM_audio2exp_streaming.tar [FOLDER]

FILE is that archive, or the checkpoint in it (pretrained_models/lam_audio2exp_streaming.tar, a torch file in spite
of its name). It is opened with torch.load(weights_only=True), which makes tensors and plain containers and runs no
code of the file's. The tensors are checked against the published names and shapes; what only training needs is left
out. FOLDER is $CAMELS_CACHE/lam where none is named, and then `Lam.load()` finds it. Without this script:
torch.load(FILE, map_location="cpu", weights_only=True)["state_dict"] → safetensors.torch.save_file."""
import argparse, shutil, sys, tarfile, tempfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import save

from camels.core import CamelsError, atomic_path, cache_dir
from camels.express.lam_net import GET, UNUSED, misfits, plain_name, published_shapes

def inner(path, folder):
    "The checkpoint itself: `path`, or the one file of its kind in an archive, unpacked into `folder`."
    if not path.is_file():
        raise CamelsError("no such file", path, GET)
    with path.open("rb") as f:
        head = f.read(2)
    if head == b"PK" or not tarfile.is_tarfile(path):
        return path
    with tarfile.open(path) as t:
        found = [m for m in t if m.isfile() and Path(m.name).suffix in (".tar", ".pth", ".pt")]
        if len(found) != 1:
            raise CamelsError(f"{len(found)} checkpoints in this archive", path, "unpack it and name the checkpoint")
        with t.extractfile(found[0]) as src, open(out := Path(folder)/"checkpoint", "wb") as dst:
            shutil.copyfileobj(src, dst)
    return out

def tensors(path):
    "{published name: float32 tensor} of a checkpoint."
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as e:
        raise CamelsError(
            f"torch cannot read it as weights only ({str(e).splitlines()[0][:80]})", path, "fetch it again"
        ) from None
    held = held.get("state_dict", held) if isinstance(held, dict) else {}
    return {
        plain_name(n): v.float().contiguous().clone()
        for n, v in held.items()
        if isinstance(v, torch.Tensor) and not plain_name(n).startswith(UNUSED)
    }

def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", type=Path)
    p.add_argument("folder", type=Path, nargs="?")
    a = p.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as d:
            state = tensors(inner(a.file, d))
        if bad := misfits({n: tuple(v.shape) for n, v in state.items()}, published_shapes()):
            raise CamelsError(bad, a.file, "not the published checkpoint")
        out = (a.folder or cache_dir()/"lam")/"model.safetensors"
        with atomic_path(out) as tmp:
            tmp.write_bytes(save(state, {"format": "pt"}))
    except CamelsError as e:
        print(e, file=sys.stderr)
        return e.exit_code
    print(f"{out}: {len(state)} tensors, {sum(v.numel() for v in state.values()):,} numbers")
    return 0

if __name__ == "__main__":
    sys.exit(main())
