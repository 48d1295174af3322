#!/usr/bin/env python
"""Licences of all locked packages: `python tools/licences.py` prints what is not allowed, exit code 1 where there is
any.

Read from the metadata of what is installed (`License-Expression`, else the classifiers, else the licence field).
Where a package's own words do not tell, `READ` holds what a person read, and where. `tools/docs.py` makes a page of
the table; `tests/test_packaging.py` fails on a licence that is not allowed."""
import importlib.metadata
import re
import sys
from pathlib import Path

import lock

ALLOWED = set("""
0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Open-MPI BSL-1.0 CC0-1.0 CC-BY-4.0 CNRI-Python HPND ISC
LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later LLVM-exception MIT MIT-0 MIT-CMU MPL-2.0 PSF-2.0 Unlicense Zlib
blessing
""".split())
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Public Domain": "CC0-1.0",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
}
WRITTEN = {
    "apache": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "mit": "MIT",
    "mpl-2.0 and mit": "MPL-2.0 AND MIT",
}
READ = {   # what the metadata does not say, or not rightly: licence, where it was read
    "apsw": ("Zlib", "LICENSE in the wheel: any OSI licence may be chosen, zlib's among them"),
    "docutils": (
        "BSD-2-Clause AND BSD-3-Clause AND CC0-1.0",
        "COPYING.rst in the wheel; its one GPL file is an editor mode that no program loads",
    ),
    "umap-learn": ("BSD-3-Clause", "LICENSE.txt in the wheel"),
    "uvloop": ("Apache-2.0 OR MIT", "LICENSE-APACHE and LICENSE-MIT in the wheel"),
}
NAMED = {  # allowed by name, each with what it means
    "espeakng-loader": (
        "GPL-3.0-or-later",
        "The wheel carries the espeak-ng library. CAMELS loads it into its own process when the voice `espeak` "
        "speaks; it is not part of "
        "CAMELS and not shipped with it. Whoever passes on both together (an image, an installer) passes on a work "
        "under GPL 3: "
        "the source has to be offered. Apache 2.0, CAMELS' own licence, allows that. Without the package everything "
        "but that voice works.",
    ),
    "praat-parselmouth": (
        "GPL-3.0-or-later",
        "A reference that tests compare prosody with; extra `dev` only, never imported by `camels`.",
    ),
    "av": (
        "BSD-3-Clause AND GPL-2.0-or-later",
        "PyAV is BSD-3-Clause; the FFmpeg inside its wheel is built with x264 and x265, which are GPL 2 or later. "
        "CAMELS calls "
        "it to read media and to write H.264. As with espeak-ng: passing both on together means GPL for the whole, "
        "and PyAV can be built against another FFmpeg.",
    ),
}
NVIDIA = (
    "LicenseRef-NVIDIA",
    (
        "NVIDIA's own terms: free to use and to pass on with an application, not free software. Installed only where "
        "torch's accelerator build is."
    ),
)
TORCH = {"triton": "MIT", "cuda-pathfinder": "Apache-2.0"}   # of requirements-torch.lock; all else there is NVIDIA's


def licence_of(name):
    "(expression, where it was read) of a locked package; an empty expression where nobody says."
    if name in READ:
        return READ[name]
    if name in NAMED:
        return NAMED[name][0], "see below"
    try:
        meta = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return "", "not installed"
    if expression := meta.get("License-Expression"):
        return expression, "License-Expression"
    named = [c.split("::")[-1].strip() for c in meta.get_all("Classifier") or [] if c.startswith("License ::")]
    if named and all(n in CLASSIFIERS for n in named):
        return " AND ".join(CLASSIFIERS[n] for n in named), "classifier"
    first = (meta.get("License") or "").strip().split("\n")[0].lower()
    return WRITTEN.get(
        first, ""
    ), "License" if first in WRITTEN else f"unclear: {named or first[:40] or 'nothing said'}"


def is_allowed(expression):
    "Does an SPDX expression ask for allowed licences only? Of alternatives one is enough."
    def side(text):
        return all(p.strip(" ()") in ALLOWED for p in re.split(r"\bAND\b|\bWITH\b", text))
    return bool(expression) and any(side(part) for part in re.split(r"\bOR\b", expression))


def table():
    "[(package, version, licence, where it was read)] of both lock files."
    rows = [(n, v, *licence_of(n)) for n, (v, _, _) in lock.read(lock.ROOT/lock.LOCK).items()]
    return rows + [
        (n, v, TORCH.get(n, NVIDIA[0]), "the package's page")
        for n, (v, _, _) in lock.read(lock.ROOT/lock.TORCH).items()
    ]


def faults():
    "Packages whose licence is not allowed, a line each."
    return [
        (
            f"{name} {version}: {licence or 'no licence'} ({where}) is not on the list of allowed licences; see "
            "tools/licences.py"
        )
        for name, version, licence, where in table()
        if name not in NAMED and licence != NVIDIA[0] and not is_allowed(licence)
    ]


def page():
    "The page of the documentation, as Markdown."
    rows = table()
    md = [
        "# Licences",
        "",
        "> Every package of the tested set with its licence, and what the unusual ones mean.",
        "",
        f"CAMELS is under Apache 2.0. The {len(rows)} packages below are installed beside it by `make setup` and are "
        "not part of it. Licences are read from the packages' "
        "own metadata when this page is built; `tools/licences.py` holds the few that a person had to read. A test "
        "fails on a licence that is not allowed.",
        "",
        "## What to know before passing it on",
        "",
    ]
    md += [f"- **{name}** ({licence}). {' '.join(text.split())}" for name, (licence, text) in NAMED.items()]
    md += [
        f"- **nvidia-\\***, **cuda-\\*** ({NVIDIA[0]}). {NVIDIA[1]}",
        "",
        "## All packages",
        "",
        "| package | version | licence | read from |",
        "|---|---|---|---|",
    ]
    return "\n".join(md + [f"| {n} | {v} | {licence} | {where} |" for n, v, licence, where in rows]) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    found = faults()
    print(*found or [f"{len(table())} packages, all licences allowed"], sep="\n")
    sys.exit(bool(found))
