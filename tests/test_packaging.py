"What pip and the lock say: metadata, extras, every requirement met by the lock, every import declared, core imports light."
import ast
import importlib.metadata
import re
import runpy
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name as canonical

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/"tools"))
from check import imports, sources  # noqa: E402

# packages whose import has another name, or that come with another one
DISTRIBUTION = {"av": "av", "cv2": "opencv-python-headless", "lance": "pylance", "sklearn": "scikit-learn", "umap": "umap-learn",
    "parselmouth": "praat-parselmouth", "espeakng_loader": "espeakng-loader", "edge_tts": "edge-tts", "param": "panel", "pandas": "holoviews", "huggingface_hub": "transformers"}

def metadata(root, monkeypatch):
    "The arguments that setup.py hands to setuptools."
    import setuptools
    monkeypatch.setattr(setuptools, "setup", lambda **kw: found.append(kw)); found = []
    monkeypatch.chdir(root); runpy.run_path(str(root/"setup.py"))
    return found[0]

def lock(root=ROOT):
    lines = [l.split("#")[0].strip() for l in (root/"requirements.lock").read_text().splitlines()]
    return [l for l in lines if l]

def unmet(requirements, pinned):
    "Requirements that the pinned versions do not meet."
    versions = {canonical(l.split("==")[0]): l.split("==")[1] for l in pinned}
    out = []
    for r in map(Requirement, requirements):
        v = versions.get(canonical(r.name))
        if v is None: out.append(f"{r}: not in the lock")
        elif not r.specifier.contains(v, prereleases=True): out.append(f"{r}: the lock has {v}")
    return out

def undeclared(root, declared, only_top):
    "Imports of packages that `declared` does not hold."
    known, out = sources(root), set()
    for name, path in known.items():
        for target, line, inside in imports(ast.parse(path.read_text(encoding="utf-8")), name.rpartition(".")[0], known):
            lib = target.split(".")[0]
            if lib in sys.stdlib_module_names | {"camels"} or (only_top and (inside or name.startswith("camels.apps"))): continue
            if canonical(DISTRIBUTION.get(lib, lib)) not in declared: out.add(f"{name}:{line} imports {lib}")
    return sorted(out)

@pytest.fixture
def meta(monkeypatch): return metadata(ROOT, monkeypatch)

def names(requirements): return {canonical(Requirement(r).name) for r in requirements}

def test_metadata(meta):
    import camels
    assert meta["name"] == "camels" and meta["version"] == camels.__version__ == importlib.metadata.version("camels")
    assert SpecifierSet(meta["python_requires"]).contains("3.11.2") and SpecifierSet(meta["python_requires"]).contains("3.12.9")
    assert not SpecifierSet(meta["python_requires"]).contains("3.10.14") and not SpecifierSet(meta["python_requires"]).contains("3.13.0")
    assert {"camels", "camels.encoders", "camels.face"} <= set(meta["packages"]) and not any(p.startswith(("tests", "nbs")) for p in meta["packages"])
    assert all((p/"__init__.py").exists() for p in (ROOT/"camels").rglob("*") if p.is_dir() and list(p.glob("*.py")))

def test_extras(meta):
    assert {"face", "speech", "apps", "scale", "dev", "docs"} <= set(meta["extras_require"])
    core = names(meta["install_requires"])
    heavy = {"mediapipe", "transformers", "librosa", "panel", "ray", "umap-learn", "opencv-python-headless", "scikit-learn", "pandas"}
    assert not core & heavy, "core dependencies are light"
    numpy = next(r for r in map(Requirement, meta["install_requires"]) if r.name == "numpy")
    assert all(numpy.specifier.contains(v) for v in ("1.26.4", "2.4.0"))

def test_the_command_is_there(meta):
    script = meta["entry_points"]["console_scripts"][0]
    name, module, function = re.match(r"(\w+)=([\w.]+):(\w+)", script).groups()
    assert name == "camels" and callable(getattr(__import__(module, fromlist=[function]), function))

def test_lock_meets_every_requirement(meta):
    assert unmet([*meta["install_requires"], *(r for rs in meta["extras_require"].values() for r in rs)], lock()) == []

def test_lock_pins_each_package_once():
    lines = lock()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^=<>~ ]+", l) for l in lines)
    seen = [canonical(l.split("==")[0]) for l in lines]
    assert len(seen) == len(set(seen))

def test_every_import_is_declared(meta):
    everything = names([*meta["install_requires"], *(r for rs in meta["extras_require"].values() for r in rs)])
    assert undeclared(ROOT, everything, only_top=False) == []

def test_modules_import_with_core_dependencies_alone(meta):
    core = names(meta["install_requires"]) | names(meta["extras_require"]["apps"]) & {"matplotlib", "holoviews"} # viz
    assert undeclared(ROOT, core, only_top=True) == []

def test_toolchain_is_pinned(meta):
    dev = {r.name: str(r.specifier) for r in map(Requirement, meta["extras_require"]["dev"])}
    assert all(dev[n].startswith("==") for n in ("nbdev", "fastcore", "execnb"))

def test_pyproject_holds_the_build_system_only():
    import tomllib
    assert set(tomllib.loads((ROOT/"pyproject.toml").read_text())) == {"build-system"}

def test_settings_name_what_nbdev_reads():
    cfg = ConfigParser(delimiters=["="]); cfg.read(ROOT/"settings.ini"); cfg = cfg["DEFAULT"]
    assert (cfg["lib_path"], cfg["nbs_path"], cfg["min_python"]) == ("camels", "nbs", "3.11")

# and each of these can fail

@pytest.mark.parametrize("requirement, message", [("numpy>=99", "the lock has"), ("no-such-package", "not in the lock"), ("mediapipe==0.10.20", "the lock has")])
def test_an_unmet_requirement_is_named(requirement, message): assert message in unmet([requirement], lock())[0]

def test_an_undeclared_import_is_named(tmp_path):
    (tmp_path/"camels").mkdir(); (tmp_path/"camels/__init__.py").touch()
    (tmp_path/"camels/x.py").write_text("import numpy, json\ndef f():\n    import secret_package\n    import cv2\n")
    assert undeclared(tmp_path, {"numpy", "opencv-python-headless"}, only_top=False) == ["camels.x:3 imports secret_package"]
    assert undeclared(tmp_path, set(), only_top=True) == ["camels.x:1 imports numpy"]
