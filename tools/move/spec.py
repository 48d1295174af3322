"What goes where. Parsed from moves-by-name.txt, target.md; corrected below where the code says otherwise."
import re
from pathlib import Path
HOUSE = next(p/"shared"/"house" for p in Path(__file__).resolve().parents if (p/"shared"/"house").exists())

NUMBERS = {}   # new module: number
for m in re.finditer(r"^(\d{3})  F\d+\s+(\S+)\.py\s+\d+(.*)$", (HOUSE/"target.md").read_text(), re.M):
    if not m[3].strip().startswith("next"): NUMBERS[m[2].replace("/", ".")] = int(m[1])
NUMBERS["files"] = 5
NUMBERS["bench.latent"] = 884

HEIR = {}      # old module: new module
TAKES = {}     # (old module, name): new module
mod = lambda p: re.sub(r"^camels/|\.py$", "", p).replace("/", ".")
for line in (HOUSE/"moves-by-name.txt").read_text().splitlines():
    if m := re.match(r"\s+(camels/\S+\.py) moves to (camels/\S+\.py)", line): HEIR[mod(m[1])] = mod(m[2])
    elif m := re.match(r"\s+from (camels/\S+\.py) to (camels/\S+\.py): (.*)", line):
        for n in m[3].split(", "): TAKES[mod(m[1]), n.strip()] = mod(m[2])

def take(new, old, names):
    for n in names.split(): TAKES[old, n] = new
def stay(old, names):
    for n in names.split(): TAKES.pop((old, n), None); TAKES[old, n] = HEIR.get(old, old)

exec(Path(__file__).with_name("corrections.py").read_text())
exec(Path(__file__).with_name("titles.py").read_text())
