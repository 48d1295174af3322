"""What pip and the lock say: metadata, extras, every requirement met by the lock, a hash for every file, every import
declared, core imports light."""
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
import dependencies  # noqa: E402
import licences  # noqa: E402
import lock as locked  # noqa: E402
from check import imports, sources  # noqa: E402

# packages whose import has another name, or that come with another one
DISTRIBUTION = {
    "av": "av",
    "cv2": "opencv-python-headless",
    "lance": "pylance",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "parselmouth": "praat-parselmouth",
    "espeakng_loader": "espeakng-loader",
    "edge_tts": "edge-tts",
    "param": "panel",
    "pandas": "holoviews",
    "huggingface_hub": "transformers",
}

def metadata(root, monkeypatch):
    "The arguments that setup.py hands to setuptools."
    import setuptools
    monkeypatch.setattr(setuptools, "setup", lambda **kw: found.append(kw))
    found = []
    monkeypatch.chdir(root)
    runpy.run_path(str(root/"setup.py"))
    return found[0]

def lock(root=ROOT):
    return [f"{name}=={version}" for name, (version, _, _) in locked.read(root/"requirements.lock").items()]

def unmet(requirements, pinned):
    "Requirements that the pinned versions do not meet."
    versions = {canonical(l.split("==")[0]): l.split("==")[1] for l in pinned}
    out = []
    for r in map(Requirement, requirements):
        v = versions.get(canonical(r.name))
        if v is None:
            out.append(f"{r}: not in the lock")
        elif not r.specifier.contains(v, prereleases=True):
            out.append(f"{r}: the lock has {v}")
    return out

def undeclared(root, declared, only_top):
    "Imports of packages that `declared` does not hold."
    known, out = sources(root), set()
    for name, path in known.items():
        for target, line, inside in imports(
            ast.parse(path.read_text(encoding="utf-8")), name.rpartition(".")[0], known
        ):
            lib = target.split(".")[0]
            if lib in sys.stdlib_module_names | {"camels"} or (only_top and (inside or name.startswith("camels.apps"))):
                continue
            if canonical(DISTRIBUTION.get(lib, lib)) not in declared:
                out.add(f"{name}:{line} imports {lib}")
    return sorted(out)

@pytest.fixture
def meta(monkeypatch):
    return metadata(ROOT, monkeypatch)

def names(requirements):
    return {canonical(Requirement(r).name) for r in requirements}

def test_metadata(meta):
    import camels
    assert meta["name"] == "camels" and meta["version"] == camels.__version__ == importlib.metadata.version("camels")
    assert SpecifierSet(meta["python_requires"]).contains("3.11.2") and SpecifierSet(meta["python_requires"]).contains(
        "3.12.9"
    )
    assert not SpecifierSet(meta["python_requires"]).contains("3.10.14") and not SpecifierSet(
        meta["python_requires"]
    ).contains("3.13.0")
    assert {"camels", "camels.encoders", "camels.face"} <= set(meta["packages"]) and not any(
        p.startswith(("tests", "nbs")) for p in meta["packages"]
    )
    assert all((p/"__init__.py").exists() for p in (ROOT/"camels").rglob("*") if p.is_dir() and list(p.glob("*.py")))

def test_extras(meta):
    assert {"face", "speech", "apps", "scale", "dev", "docs"} <= set(meta["extras_require"])
    core = names(meta["install_requires"])
    heavy = {
        "mediapipe", "transformers", "librosa", "panel", "ray", "umap-learn", "opencv-python-headless", "scikit-learn",
        "pandas",
    }
    assert not core & heavy, "core dependencies are light"
    numpy = next(r for r in map(Requirement, meta["install_requires"]) if r.name == "numpy")
    assert all(numpy.specifier.contains(v) for v in ("1.26.4", "2.4.0"))

def test_scripts_and_styles_are_packaged(meta):
    "Every file of the pages lies where the package's data is looked for."
    folder = ROOT/"camels"
    packed = {p for pattern in meta["package_data"]["camels"] for p in folder.glob(pattern)}
    own = [p for kind in ("js", "css", "html") for p in (folder/"assets").rglob(f"*.{kind}")]
    assert len(own) > 30 and not set(own) - packed

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

def test_every_locked_package_has_hashes():
    assert locked.faults() == []

def test_torch_installs_with_and_without_accelerator():
    torch, more = locked.read(ROOT/locked.LOCK)["torch"], locked.read(ROOT/locked.TORCH)
    # wheels for Linux (two processors), macOS, two Pythons, and the CPU build
    assert len(torch[2]) >= 6 and {"triton", "nvidia-nccl-cu13"} <= set(more)
    assert all(marker == locked.LINUX for _, marker, _ in more.values())
    assert not set(map(canonical, more)) & {canonical(l.split("==")[0]) for l in lock()}, (
        "a package stands in one of the two files"
    )

def test_setup_checks_every_hash():
    text = (ROOT/"tools/setup.sh").read_text()
    assert "tools/lock.py --install" in text and "--require-hashes" in (ROOT/"tools/lock.py").read_text()
    assert all("-e ." in l for l in text.splitlines() if "pip install" in l.split("#")[0]), (
        "all but camels itself goes through the lock"
    )

@pytest.mark.parametrize(
    "name, fits",
    [
        ("numpy-2.4.6-cp311-cp311-manylinux_2_28_aarch64.whl", True),
        ("numpy-2.4.6-cp312-cp312-win_amd64.whl", True),
        ("numpy-2.4.6-cp313-cp313-macosx_14_0_arm64.whl", False),
        ("safetensors-1-cp38-abi3-manylinux_2_17_x86_64.whl", True),
        ("x-1-cp313-abi3-win32.whl", False),
        ("rich-15.0.0-py3-none-any.whl", True),
        ("six-1-py2.py3-none-any.whl", True),
        ("x-1-pp310-pypy310_pp73-win_amd64.whl", False),
    ],
)
def test_files_of_the_supported_pythons_are_locked(name, fits):
    assert locked.wanted(name) is fits

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
    cfg = ConfigParser(delimiters=["="])
    cfg.read(ROOT/"settings.ini")
    cfg = cfg["DEFAULT"]
    assert (cfg["lib_path"], cfg["nbs_path"], cfg["min_python"]) == ("camels", "nbs", "3.11")

def test_every_licence_is_allowed():
    assert licences.faults() == []

def test_a_licence_page_names_every_package_and_says_what_gpl_means():
    page = licences.page()
    assert all(f"| {l.split('==')[0]} |" in page for l in lock()) and "| triton |" in page
    assert "espeak-ng library" in page and "GPL" in page and "/" + "root" not in page

# and each of these can fail

@pytest.mark.parametrize(
    "requirement, message",
    [("numpy>=99", "the lock has"), ("no-such-package", "not in the lock"), ("mediapipe==0.10.20", "the lock has")],
)
def test_an_unmet_requirement_is_named(requirement, message):
    assert message in unmet([requirement], lock())[0]

@pytest.mark.parametrize(
    "text, message",
    [
        ("rich==15.0.0\n", "rich==15.0.0 has no hash"),
        ("rich>=15\n", "cannot read 'rich>=15'"),
        ("a==1 --hash=sha256:" + "0"*64 + "\nA==2\n", "A is there twice"),
        ("b==1 --hash=sha256:" + "0"*64 + "\na==2 --hash=sha256:" + "0"*64 + "\n", "not sorted"),
    ],
)
def test_a_broken_lock_is_named(tmp_path, text, message):
    for file in (locked.LOCK, locked.TORCH):
        (tmp_path/file).write_text(text)
    assert message in "\n".join(locked.faults(tmp_path))

def test_a_lock_is_written_as_it_is_read(tmp_path):
    pins = {"a": ("1.0", "", ["0"*64, "f"*64]), "b-c": ("2", 'sys_platform == "linux"', ["1"*64])}
    locked.write(tmp_path/locked.LOCK, pins)
    assert locked.read(tmp_path/locked.LOCK) == pins

def test_another_file_than_the_lock_knows_is_one_clear_line(tmp_path):
    "pip really refuses a wheel whose hash is another one, and what we say of it names package, hash and what to do."
    import subprocess, zipfile
    wheel = tmp_path/"tiny_camel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("tiny_camel.py", "")
        z.writestr("tiny_camel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-camel\nVersion: 1.0\n")
        z.writestr(
            "tiny_camel-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        z.writestr("tiny_camel-1.0.dist-info/RECORD", "")
    locked.write(tmp_path/locked.LOCK, {"tiny-camel": ("1.0", "", ["0"*64])})
    r = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--find-links",
            str(tmp_path),
            "--no-deps",
            "--require-hashes",
            "--target",
            str(tmp_path/"to"),
            "-r",
            str(tmp_path/locked.LOCK),
        ],
        capture_output=True,
        text=True,
    )
    said = locked.explain(r.stdout + r.stderr, locked.LOCK)
    assert (
        r.returncode and "\n" not in said and "tiny" in said and "does not list" in said and "tools/lock.py" in said
    ), said
    assert not (tmp_path/"to/tiny_camel.py").exists()

@pytest.mark.parametrize(
    "expression, fine",
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("AGPL-3.0-only", False),
        ("LGPL-3.0-only", True),
        ("LicenseRef-Proprietary", False),
    ],
)
def test_expressions_of_licences(expression, fine):
    assert licences.is_allowed(expression) is fine

def test_a_licence_that_is_not_allowed_is_named(monkeypatch):
    monkeypatch.setattr(licences, "ALLOWED", licences.ALLOWED - {"BSD-2-Clause"})
    assert any("is not on the list of allowed licences" in f for f in licences.faults())

def test_an_undeclared_import_is_named(tmp_path):
    (tmp_path/"camels").mkdir()
    (tmp_path/"camels/__init__.py").touch()
    (tmp_path/"camels/x.py").write_text("import numpy, json\ndef f():\n    import secret_package\n    import cv2\n")
    assert undeclared(tmp_path, {"numpy", "opencv-python-headless"}, only_top=False) == [
        "camels.x:3 imports secret_package"
    ]
    assert undeclared(tmp_path, set(), only_top=True) == ["camels.x:1 imports numpy"]


def test_every_dependency_has_its_reason(monkeypatch):
    assert dependencies.faults() == []
    page = dependencies.page()
    assert all(f"| {name} | " in page for name in dependencies.wanted())
    monkeypatch.setattr(dependencies, "REASONS", {"numpy": ("arrays", ""), "zope": ("nothing", "")})
    found = dependencies.faults()
    assert any(f.startswith("torch: in settings.ini") for f in found)
    assert any(f.startswith("zope: has a reason") for f in found)
