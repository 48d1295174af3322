"Registries fill themselves: what is known does not depend on imports, and no held-out clip was in a training set."
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import camels
from camels.core import CamelsError, Registry

ROOT = Path(__file__).resolve().parent.parent


def fresh(code):
    "What a fresh process prints."
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def registries():
    "Every registry of the package: {module.name: Registry}."
    found = {}
    for info in pkgutil.walk_packages(camels.__path__, "camels."):
        if info.name == "camels.cli":
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, Registry):
                found.setdefault(id(value), (f"{info.name}.{name}", value))
    return dict(found.values())


def test_every_place_leads_to_what_is_registered_there():
    listed = [(table, name) for table, registry in registries().items() for name in registry.places]
    assert len(listed) >= 10
    for table, name in listed:
        registry = registries()[table]
        module, _, path = registry.places[name].partition(":")
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        assert registry[name] == found, f"{table}[{name!r}]"


@pytest.mark.parametrize("module, call, names", [
    ("camels.data.clips", "list_corpora()", ["folder", "grid", "mead", "studio"]),
    ("camels.encoders.core", "list_encoders('prosody*')", ["prosody22", "prosody_contour"]),
    ("camels.face.lipsync", "list_lipsyncs()", ["contact", "dominance", "lam"]),
    ("camels.voice.core", "list_voices()", ["edge", "espeak"]),
    ("camels.text.albert", "text_models.list()", ["microalbert"]),
    ("camels.bench.core", "benches.list()", ["encode", "explore", "v3"]),
])
def test_a_fresh_process_knows_all(module, call, names):
    said = json.loads(fresh(f"import json\nfrom {module} import *\nprint(json.dumps({call}))"))
    assert {*names} <= {*said}


def test_listing_imports_nothing():
    code = "import sys\nfrom camels.data.clips import list_corpora\nlist_corpora()\n"
    code += "print('camels.data.studio.film' in sys.modules)"
    assert fresh(code) == "False"


def test_an_object_is_imported_by_asking():
    code = "import sys\nfrom camels.encoders.core import create_encoder\nprint(create_encoder('prosody22').name)"
    assert fresh(code) == "prosody22"


def test_a_broken_place_is_not_an_unknown_name():
    with pytest.raises(ModuleNotFoundError):
        Registry("pet", {"cat": "camels.nowhere:Cat"})["cat"]
    with pytest.raises(CamelsError, match="did you mean 'cat'"):
        Registry("pet", {"cat": "camels.nowhere:Cat"})["cta"]


def test_what_is_registered_comes_before_its_place():
    pets = Registry("pet", {"cat": "camels.nowhere:Cat"})
    pets.register("cat")(len)
    assert pets["cat"] is len and pets.list() == ["cat"]


# GRID: the split of the reader is the split of what is shipped

def grid_folder(folder, n=12):
    "A talker in GRID's layout with a second of sound in each clip."
    from camels.media.write import write_audio
    folder.mkdir(parents=True)
    for i in range(n):
        write_audio(folder/f"bbaf{i:02d}.wav", np.sin(np.arange(16000)*.05).astype(np.float32)*.2, 16000)
        (folder/f"bbaf{i:02d}.align").write_text("0 5000 sil\n5000 12000 bin\n12000 25000 blue\n")
    return folder


def test_a_fresh_encode_reads_grid_as_grid(tmp_path):
    grid_folder(tmp_path/"s1", 8)
    for name, more in (("named", ["--corpus", "grid"]), ("found", [])):
        table = tmp_path/f"{name}.lance"
        command = [sys.executable, "-m", "camels.cli", "encode", tmp_path/"s1", "--out", table, *more]
        light = ["--video", "none", "--phoneme", "none", "--jobs", "1"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*command, *light], env=env, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        from camels.data.table import FeatureTable
        about = FeatureTable.open(tmp_path/f"{name}.lance").about()
        assert {Path(r["source"]).stem: (r["split"], r["transcript"], r["speaker"]) for r in about.values()} == {
            f"bbaf{i:02d}": ("test" if i in (3, 7) else "train", "bin blue", "s1") for i in range(8)}


def test_an_unknown_corpus_is_named(tmp_path):
    from camels.data.clips import clips_from
    with pytest.raises(CamelsError, match="did you mean 'grid'"):
        clips_from([grid_folder(tmp_path/"s1", 1)], "gird")


def heard_by_phones(folder, monkeypatch):
    "Stems of the clips that the phone recogniser's recipe trains on, and of those it tests on."
    import camels.media.read
    from camels.recipes.phones.corpus import grid_utterances
    read = []

    def listen(path, **kw):
        read.append(Path(path).stem)
        return np.zeros(160, np.float32)

    monkeypatch.setattr(camels.media.sound, "read_audio", listen)
    voice = SimpleNamespace(speak=lambda *a, **kw: SimpleNamespace(phones=[]))
    out = []
    for test in (False, True):
        grid_utterances(folder, voice, test)
        out.append({*read})
        read.clear()
    return out


def watched_by_v3(folder, monkeypatch):
    "Stems of the clips that V3's exam takes as held out."
    import camels.recipes.v3.watched as module
    read = []
    monkeypatch.setattr(module, "measured_opening", lambda p: read.append(Path(p).stem))
    monkeypatch.setattr(module, "read_audio", lambda p, sr: np.zeros(160, np.float32))
    module.watched(folder)
    return {*read}


def test_no_held_out_clip_was_heard_in_training(tmp_path, monkeypatch):
    from camels.data.clips import clips_from
    folder = grid_folder(tmp_path/"s1")
    for f in folder.glob("*.wav"):
        shutil.move(f, f.with_suffix(".mp4"))
    held_out = {Path(c.path).stem for c in clips_from([folder]) if c.split == "test"}
    trained, tested = heard_by_phones(folder, monkeypatch)
    assert len(held_out) == 3 and len(trained) == 9
    assert not held_out & trained, "the latent is tested on what espeak_mini was trained on"
    assert tested == held_out
    assert watched_by_v3(folder, monkeypatch) == held_out


def test_no_held_out_clip_of_the_real_talker_was_heard(shared, monkeypatch):
    if not (shared/"grid_s1").exists():
        pytest.skip("no GRID in the development data")
    monkeypatch.setenv("CAMELS_DATA", str(shared))
    from camels.bench.perceive import grid_clips
    held_out = {Path(c.path).stem for c in grid_clips() if c.split == "test"}
    trained, tested = heard_by_phones(shared/"grid_s1", monkeypatch)
    assert (len(held_out), len(trained)) == (100, 300) and not held_out & trained and tested == held_out
