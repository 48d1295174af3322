"""What README and --help say is true: README is the index notebook, and every command in it exists with the options
it is given."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

root = Path(__file__).resolve().parent.parent
text = (root/"README.md").read_text(encoding="utf-8")
lines = [
    line.strip() for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines() if line.strip()
]


def test_readme_is_the_index():
    assert subprocess.run([sys.executable, "tools/readme.py", "--check"], cwd=root).returncode == 0


def test_links_lead_somewhere():
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (root/link).exists(), link


@pytest.mark.parametrize("line", [ln for ln in lines if "camels " in ln and "pip" not in ln])
def test_camels_commands_exist(line):
    words = line.split()
    i = next(i for i, w in enumerate(words) if w.endswith("camels"))
    help_ = subprocess.run([sys.executable, "-m", "camels.cli", words[i+1], "--help"], capture_output=True, text=True)
    assert help_.returncode == 0, line
    for option in (w for w in words if w.startswith("--")):
        assert option in help_.stdout, f"{option} in {line!r}"


@pytest.mark.parametrize("line", [ln for ln in lines if ln.startswith("make ")])
def test_make_targets_exist(line):
    assert re.search(rf"^{line.split()[1]}:", (root/"Makefile").read_text(), re.M), line


def test_the_readme_way_works_on_small_recordings(tmp_path):
    "encode, train, eval as README shows them, on a small synthetic corpus that stands in for one's own recordings."
    from camels.data.studio.film import write_studio
    write_studio(tmp_path/"my_talks", minutes=1., speakers=6, jobs=2, progress=False)
    def run(*a):
        return subprocess.run([sys.executable, "-m", "camels.cli", *map(str, a)], capture_output=True, text=True)
    for a in (
        ("encode", tmp_path/"my_talks", "--out", tmp_path/"talks.lance"),
        (
            "train",
            "--features",
            tmp_path/"talks.lance",
            "--out",
            tmp_path/"talks",
            "epochs_a=1",
            "epochs_b=1",
            "epochs_c=1",
        ),
        ("eval", tmp_path/"talks", "--features", tmp_path/"talks.lance", "--pool", "10"),
    ):
        p = run(*a)
        assert p.returncode == 0, p.stderr
    for f in (
        "run.json", "metrics.jsonl", "model.safetensors", "config.json", "card.md", "report.json", "report.html",
        "latents", "checkpoints",
    ):
        assert (tmp_path/"talks"/f).exists(), f
    p = run("train", "--features", tmp_path/"talks.lance", "--out", tmp_path/"x", "epoch_a=1")
    assert p.returncode == 2 and "did you mean 'epochs_a'" in p.stderr
