#!/usr/bin/env python
"""Write README.md from nbs/index.ipynb: `python tools/readme.py`; with --check, say whether it is up to date."""
import json, re, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent

def readme()->str:
    out = []
    for c in json.loads((root/"nbs"/"index.ipynb").read_text(encoding="utf-8"))["cells"]:
        s = re.sub(r"^#\|.*\n?", "", "".join(c["source"]), flags=re.M).strip()
        if not s:
            continue
        if c["cell_type"] == "markdown":
            out.append(re.sub(r"\]\((?!https?:|#)([^)]+\.(?:ipynb|gif|png|svg))\)", r"](nbs/\1)", s))
        elif c["cell_type"] == "code":
            out.append(f"```python\n{s}\n```")
            for o in c.get("outputs", []):
                t = "".join(o.get("text", o.get("data", {}).get("text/plain", ""))).strip()
                if t:
                    out.append(f"```\n{t}\n```")
    return "\n\n".join(out) + "\n"

if __name__ == "__main__":
    f, text = root/"README.md", readme()
    if "--check" in sys.argv:
        sys.exit(
            f.read_text(encoding="utf-8") != text
            and "README.md is not what nbs/index.ipynb says: run python tools/readme.py"
        )
    f.write_text(text, encoding="utf-8")
