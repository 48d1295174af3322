#!/usr/bin/env python
"""The tested set of packages: versions and the hash of every file that may be installed.

    tools/lock.py                      renew the hashes: the versions stay as they are
    tools/lock.py NAME==VERSION …      pin another version (a NAME alone: the newest that settings.ini allows; -NAME:
                                       leave it out)
    tools/lock.py --torch              resolve again what the accelerator build of torch needs, into
                                       requirements-torch.lock
    tools/lock.py --check              what is wrong with the files, without a network; exit code 1 if anything is
    tools/lock.py --install PYTHON     install both files into the environment of that PYTHON, every file checked
                                       against its hash

File names and hashes come from the package index that pip is configured with, through pip's own finder; nothing is
downloaded for it but the index's pages. A file that lies in a local folder and has no hash there is hashed itself.
Only files for Python 3.11 and 3.12 are listed, and source archives where a version has no wheel that everybody can
use."""
import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK, TORCH = "requirements.lock", "requirements-torch.lock"
LINUX = 'sys_platform == "linux"'   # only there does torch from the public index ask for accelerator libraries
HEAD = {
    LOCK: """# The tested set for Python 3.11 and 3.12. Made by tools/lock.py: do not edit by hand.
# Installed with: pip install --no-deps --require-hashes -r requirements.lock
# torch has two builds of one version here: the public index's (with accelerator) and the CPU build.
""",
    TORCH: "# What the accelerator build of torch needs besides requirements.lock. "
        """Made by tools/lock.py --torch: do not edit by hand.
# tools/setup.sh installs it where the torch that was installed asks for it; the CPU build does not.
"""}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path):
    "A lock file as {name: (version, marker, [sha256, …])}; what cannot be read is a ValueError with its line."
    out = {}
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in (l.split("#")[0].strip() for l in lines):
        if not line:
            continue
        m = re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.*?))?((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*", line)
        if m is None:
            raise ValueError(f"{path.name}: cannot read {line[:80]!r}; make the file again with tools/lock.py")
        if canonical(m[1]) in map(canonical, out):
            raise ValueError(f"{path.name}: {m[1]} is there twice")
        out[m[1]] = (m[2], (m[3] or "").strip(), re.findall(r"sha256:([0-9a-f]{64})", m[4]))
    return out


def write(path, pins):
    "The file that `read` reads, sorted by name."
    text = HEAD[path.name]
    for name in sorted(pins, key=canonical):
        version, marker, hashes = pins[name]
        lines = [
            f"{name}=={version}" + f" ; {marker}"*bool(marker),
            *(f"--hash=sha256:{h}" for h in sorted(set(hashes))),
        ]
        text += " \\\n    ".join(lines) + "\n"
    path.write_text(text, encoding="utf-8")


def wanted(filename):
    "Whether a wheel may be used by Python 3.11 or 3.12."
    python, abi, platform = filename[:-4].split("-")[-3:]
    if abi == "abi3":
        return any(int(p[3:] or 0) <= 12 for p in python.split(".") if re.fullmatch(r"cp3\d+", p))
    if not {"cp311", "cp312", "py3", "py311", "py312"} & set(python.split(".")):
        return False
    return abi in ("none", "cp311", "cp312")


class Index:
    "The package index that pip is configured with, asked through pip's own finder."

    def __init__(self):
        from pip._internal.commands import create_command
        from pip._internal.index.collector import parse_links
        from pip._vendor.packaging.utils import (
            InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename,
        )
        from pip._vendor.packaging.version import InvalidVersion, Version
        self.invalid, self.parse_links, self.version = (
            (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion),
            parse_links,
            Version,
        )
        self.sdist, self.wheel = parse_sdist_filename, parse_wheel_filename
        command = create_command("download")
        options, _ = command.parse_args(["nothing"])
        self.open = ExitStack()
        self.open.enter_context(command.main_context())   # pip keeps its session's folders until this closes
        self.collector = command._build_package_finder(options, command._build_session(options))._link_collector

    def links(self, name):
        "Every file of a package: (version, link)."
        name, out = canonical(name), []
        sources = self.collector.collect_sources(name, candidates_from_page=lambda link: [])
        for source in (s for s in (*sources.index_urls, *sources.find_links) if s is not None):
            page = self.collector.fetch_response(source.link) if source.link is not None else None
            found = (
                list(self.parse_links(page))
                if page is not None
                else []
                if source.link is not None
                else list(source.file_links())
            )
            for link in found:
                try:
                    parsed = (self.wheel if link.is_wheel else self.sdist)(link.filename)
                except self.invalid:
                    continue
                if canonical(parsed[0]) == name:
                    out.append((parsed[1], link))
        return out

    def hashes(self, name, version):
        "The hashes of a version's files that Python 3.11 or 3.12 may use."
        files = [link for v, link in self.links(name) if self.version(v.public) == self.version(version)]
        wheels = [l for l in files if l.is_wheel and wanted(l.filename)]
        anywhere = any(l.filename.endswith("-any.whl") for l in wheels)
        use = wheels if anywhere else wheels + [l for l in files if not l.is_wheel]
        out = {digest(l) for l in use} - {None}
        if not out:
            raise SystemExit(f"lock: {name}=={version}: the index knows no file of it for Python 3.11 or 3.12")
        return sorted(out)

    def newest(self, name, allowed):
        "The newest stable version that `allowed` holds."
        versions = [
            v
            for v, link in self.links(name)
            if not v.is_prerelease and not link.is_yanked and allowed.contains(str(v.public))
        ]
        if not versions:
            raise SystemExit(f"lock: the index knows no version of {name} that settings.ini allows ({allowed})")
        return max(versions).public


def digest(link):
    "The sha256 that the index states, or that of a local file."
    if link.hash_name == "sha256":
        return link.hash
    return hashlib.sha256(Path(link.file_path).read_bytes()).hexdigest() if link.is_file else None


def allowed(name):
    "What settings.ini asks of a package."
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    parser = ConfigParser(delimiters=["="])
    parser.read(ROOT/"settings.ini", encoding="utf-8")
    asked = [Requirement(r) for k, v in parser["DEFAULT"].items() if k.endswith("requirements") for r in v.split()]
    out = SpecifierSet()
    for r in asked:
        out &= r.specifier if canonical(r.name) == canonical(name) else SpecifierSet()
    return out


def renew(changes):
    "requirements.lock with the changes, every hash asked for anew."
    pins, index = read(ROOT/LOCK), Index()
    by_name = {canonical(n): n for n in pins}
    for change in changes:
        name, _, version = change.lstrip("-").partition("==")
        name = by_name.get(canonical(name), name)
        pins.pop(name, None)
        if not change.startswith("-"):
            pins[name] = (version or index.newest(name, allowed(name)), "", [])
    for name, (version, marker, _) in pins.items():
        pins[name] = (version, marker, index.hashes(name, version))
    write(ROOT/LOCK, pins)
    count = sum(len(p[2]) for p in pins.values())
    print(f"{LOCK}: {len(pins)} packages, {count} files")


def renew_torch():
    "requirements-torch.lock: what pip resolves for the public index's torch and requirements.lock does not hold."
    own = {canonical(n): p for n, p in read(ROOT/LOCK).items()}
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    env = {k: v for k, v in os.environ.items() if k != "PIP_FIND_LINKS"} | {"PIP_CONFIG_FILE": os.devnull}
    for key, value in re.findall(r"global\.(index-url|extra-index-url)='(.*)'", settings):
        # a folder of local wheels would put the CPU build first: left out
        env["PIP_" + key.upper().replace("-", "_")] = value
    call = [
        sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary", ":all:",
        "--report", "-",
    ]
    report = json.loads(
        subprocess.run([*call, f"torch=={own['torch'][0]}"], capture_output=True, text=True, check=True, env=env).stdout
    )
    new = [(canonical(i["metadata"]["name"]), i["metadata"]["version"]) for i in report["install"]]
    index = Index()
    pins = {name: (version, LINUX, index.hashes(name, version)) for name, version in new if name not in own}
    write(ROOT/TORCH, pins)
    print(f"{TORCH}: {len(pins)} packages")


def faults(root=ROOT):
    "What is wrong with the two files, one line each."
    out = []
    for file in (LOCK, TORCH):
        try:
            pins = read(root/file)
        except (OSError, ValueError) as e:
            out.append(str(e))
            continue
        out += [f"{file}: {n}=={v} has no hash; run tools/lock.py" for n, (v, _, hashes) in pins.items() if not hashes]
        if list(pins) != sorted(pins, key=canonical):
            out.append(f"{file}: not sorted by name; run tools/lock.py")
    return out


def explain(text, file):
    "pip's complaint as one line."
    wrong = re.search(r"^\s*(\S+)(?: from (\S+))?.*?:\s*\n\s*Expected sha256.*?Got\s+([0-9a-f]{64})", text, re.S | re.M)
    if wrong:
        block = text[:wrong.end()].rsplit("Expected", text[:wrong.end()].count("Expected"))[0]
        package = re.findall(r"(\S+==\S+|\S+\.whl|\S+\.tar\.gz)", block.split("DO NOT MATCH")[-1]) or [wrong[1]]
        return (
            f"{package[0]}: the package index serves a file with sha256 {wrong[3][:16]}…, which {file} does not list, "
            "so it was not installed; "
            f"if that file is to be trusted, renew the hashes with tools/lock.py and look at the difference"
        )
    lines = [l.removeprefix("ERROR:").strip() for l in text.splitlines() if l.startswith("ERROR:")]
    absent = next((l for l in lines if "No matching distribution" in l), None)
    said = absent or (
        lines[-1] if lines else text.strip().splitlines()[-1] if text.strip() else "pip ended without a word"
    )
    return f"{said}; is the package index reachable?" if absent or "retries" in text else said


def own_build(python):
    "The build of torch that this machine's pip would take if nobody asked for hashes: '2.13.0' or '2.13.0+cpu'."
    version = read(ROOT/LOCK)["torch"][0]
    call = [
        python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--dry-run", "--no-deps",
        "--ignore-installed", "--report", "-", f"torch=={version}",
    ]
    r = subprocess.run(call, capture_output=True, text=True)
    return (
        json.loads(r.stdout)["install"][0]["metadata"]["version"]
        if r.returncode == 0 and r.stdout.lstrip().startswith("{")
        else version
    )


def install(python):
    """Both files into an environment. pip prefers a file whose hash the index states over one in a local folder, so a
    folder with the CPU build of torch would go unused: the build that this machine would take is asked for by its
    full version. Its hash is checked like all others."""
    needs = (
        "import importlib.metadata as m; from packaging.requirements import Requirement; asked = map(Requirement, "
        "m.requires('torch') or ()); "
        "print(any(r.name.startswith(('nvidia', 'cuda')) and (r.marker is None or r.marker.evaluate({'extra': ''})) "
        "for r in asked))"
    )
    pins, build = read(ROOT/LOCK), own_build(python)
    pins["torch"] = (build, *pins["torch"][1:])
    with tempfile.TemporaryDirectory() as d:
        write(Path(d)/LOCK, pins)
        _install(python, Path(d)/LOCK)
    if subprocess.run([python, "-c", needs], capture_output=True, text=True).stdout.strip() == "True":
        _install(python, ROOT/TORCH)


def _install(python, file):
    call = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-q",
        "--no-deps",
        "--require-hashes",
        "-r",
        str(file),
    ]
    r = subprocess.run(call, capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f"setup: {explain(r.stdout + r.stderr, file.name)}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("changes", nargs="*", metavar="NAME==VERSION")
    p.add_argument("--torch", action="store_true")
    p.add_argument("--check", action="store_true")
    p.add_argument("--install", metavar="PYTHON")
    a, more = p.parse_known_args()
    changes = a.changes + more   # "-NAME" looks like an option
    if any(c.startswith("--") for c in changes):
        p.error(f"unknown option {next(c for c in changes if c.startswith('--'))}")
    if a.check:
        found = faults()
        print(*found[:20], sep="\n", end="\n"*bool(found))
        return sys.exit(1 if found else 0)
    if a.install:
        return install(a.install)
    renew_torch() if a.torch else renew(changes)


if __name__ == "__main__":
    main()
