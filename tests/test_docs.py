"""The site's parts: no dead link in the notebooks, commands and formulas that hold, pictures that are small, and a
checker that finds what it should."""
import json
import re
import sys
from pathlib import Path

import pytest

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root/"tools"))
import docs  # noqa: E402
from links import dead_links, md_links  # noqa: E402

texts = {
    n.relative_to(root/"nbs").as_posix(): [
        "".join(c["source"]) for c in json.loads(n.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "markdown"
    ]
    for n in docs.notebooks()
}
guides = {p: "\n".join(t) for p, t in texts.items() if p.startswith(("howto/", "tutorials/", "explain/"))}


def slug(heading):
    return re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()).replace(" ", "-")


def test_links_of_notebooks_lead_somewhere():
    bad = []
    for page, cells in texts.items():
        for url in (u for t in cells for u in md_links(t) if not u.startswith(("http", "mailto:"))):
            path, _, anchor = url.partition("#")
            to = (root/"nbs"/page).parent/path if path else root/"nbs"/page
            if not to.exists():
                bad.append(f"{page}: {url}")
            elif (
                anchor
                and to.suffix == ".ipynb"
                and anchor
                not in {
                    slug(h)
                    for t in texts[to.resolve().relative_to(root/"nbs").as_posix()]
                    for h in re.findall(r"^#+ (.+)$", t, re.M)
                }
            ):
                bad.append(f"{page}: {url}: no such heading")
    assert not bad, "\n".join(bad)


def site(at, **pages):
    for name, body in pages.items():
        (at/name.replace("_", ".")).write_text(body)
    return at


GOOD = dict(
    index_html=(
        '<h1 id="top">a</h1><a href="other.html#x">b</a><a href="#top">c</a><img src="p.png"><a '
        'href="https://example.org">out</a>'
    ),
    other_html='<p id="x">d</p><link href="s.css" rel="stylesheet">',
    s_css="p { background: url(p.png) }",
    p_png="",
    index_md="[b](other.html) ![p](p.png)\n```\n[not](a-link)\n```\n",
)


def test_a_whole_site_has_no_dead_link(tmp_path):
    assert dead_links(site(tmp_path, **GOOD)) == []


@pytest.mark.parametrize(
    "page, body, says",
    [
        ("index_html", '<a href="gone.html">a</a>', "gone.html leads nowhere"),
        ("index_html", '<a href="other.html#y">a</a>', "other.html#y has no such anchor"),
        ("index_html", '<img src="gone.png">', "gone.png leads nowhere"),
        ("index_html", '<script src="https://cdn.example.org/m.js"></script>', "from another machine"),
        ("index_html", '<img srcset="gone.png 2x" src="p.png">', "gone.png leads nowhere"),
        ("s_css", "@font-face { src: url('https://example.org/f.woff2') }", "from another machine"),
        ("s_css", '@import "https://example.org/f.css";', "another machine"),
        ("index_md", "[a](gone.md)", "gone.md leads nowhere"),
    ],
)
def test_a_dead_link_is_found(tmp_path, page, body, says):
    bad = dead_links(site(tmp_path, **{**GOOD, page: body}))
    assert len(bad) == 1 and says in bad[0], bad


def command_lines():
    for p, t in guides.items():
        for block in re.findall(r"```sh\n(.*?)```", t, re.S):
            for line in block.splitlines():
                if re.match(r"(\S*/)?camels ", line.strip()):
                    yield p, line.strip()


@pytest.mark.parametrize("page, line", [pytest.param(p, ln, id=f"{p}: {ln[:50]}") for p, ln in command_lines()])
def test_commands_of_the_guides_exist(page, line):
    import shlex
    import typer
    from camels.cli import app
    words, cmd = shlex.split(line, comments=True)[1:], typer.main.get_command(app)
    while getattr(cmd, "commands", None):
        name = words.pop(0)
        assert name in cmd.commands, f"{page}: {line}"
        cmd = cmd.commands[name]
    known = {o for p in cmd.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    for w in (w.split("=")[0] for w in words if w.startswith("--")):
        assert w in known, f"{page}: {w} in {line}"


def formulas():
    for p, cells in texts.items():
        for t in cells:
            t = re.sub(r"```.*?```|`[^`\n]*`", "", t, flags=re.S)
            for f in re.findall(r"\$\$(.+?)\$\$", t, re.S) + re.findall(
                r"(?<![\\$])\$([^$\n]+?)(?<!\s)\$(?!\$)", re.sub(r"\$\$.+?\$\$", "", t, flags=re.S)
            ):
                yield p, f


def test_formulas_become_mathml():
    "What latex2mathml does not know it passes on with its backslash."
    from latex2mathml.converter import convert
    all_ = list(formulas())
    assert len([p for p, _ in all_ if p.startswith("explain/")]) > 40
    bad = [f"{p}: {f}" for p, f in all_ if re.search(r">\s*\\", convert(f))]
    assert not bad, "\n".join(bad)


def test_pictures_are_small_and_in_pairs():
    shown = "".join(t for cells in texts.values() for t in cells)
    for f in (root/"nbs"/"gallery").glob("*.png"):
        assert f.stat().st_size <= 60_000, f.name
        name, theme = f.stem.rsplit("-", 1)
        assert (f.parent/f"{name}-{'dark' if theme == 'light' else 'light'}.png").exists(), f.name
        assert f"gallery/{name}-light.png" in shown, f"{f.name} is on no page"
    from camels.apps.home import PAGES
    for p in PAGES:
        assert f"gallery/{p.name}-light.png" in shown, f"no picture of {p.name} on the landing page"


def test_glossary_names_what_is_there():
    rows = [
        r
        for t in texts["glossary.ipynb"]
        for r in re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| \[([\w.]+)\]\(.+?\)(?:, `(\w+)`)? \|$", t, re.M)
    ]
    assert len(rows) > 50 and len({r[0] for r in rows}) == len(rows)
    for term, meaning, module, name in rows:
        source = (root/"camels"/(module.replace(".", "/") + ".py")).read_text()
        assert not name or re.search(rf"^(?:(?:def|class) )?{name}\b", source, re.M), f"{term}: no {name} in {module}"
        assert len(re.findall(r"[.!?](?: |$)", meaning)) <= 3 and meaning.endswith("."), (
            f"{term}: two sentences are enough"
        )


MODULE = '''"Sums of things."
__all__ = ["LIMIT", "total", "Sum"]
LIMIT = 3  # at most
def total(
    x:list,      # numbers [n]
    w:float=1.,  # weight, in [0, 1]
)->float: # in metres
    "The sum."
    return w*sum(x)
class Sum:
    "Keeps a sum."
    unit: str = "m"  # of length
    def add(self, x:float): "One more."; return x
def more(self:Sum, n:int): return n
def _hidden(): pass
'''


def test_api_page_tells_shapes_and_units(tmp_path, monkeypatch):
    (tmp_path/"camels").mkdir()
    (tmp_path/"camels"/"sums.py").write_text(MODULE)
    monkeypatch.setattr(docs, "root", tmp_path)
    name, md, names, doc = docs.api_page(tmp_path/"camels"/"sums.py", {"camels.sums": ("05_sums", "Sums")})
    assert (name, names, doc) == ("camels.sums", ["total", "Sum"], "Sums of things.") and "_hidden" not in md
    for line in (
        "Explained in [Sums](../05_sums.ipynb).",
        "total(x, w=1.0) -> float",
        "| `x` | `list` |  | numbers [n] |",
        "| `w` | `float` | `1.` | weight, in [0, 1] |",
        "Gives `float`: in metres.",
        "| `unit` | `str` | `\"m\"` | of length |",
        "**add**: One more.",
        "| `LIMIT` | `3` | at most |",
        "## Sum.more",
        "Sum.more(n: int)",
    ):
        assert line in md, f"{line}\n{md}"


def test_every_page_is_in_the_menu_and_in_markdown(tmp_path, monkeypatch):
    monkeypatch.setattr(docs, "src", tmp_path/"src")
    md, tops = docs.prepare()
    pages = {n.relative_to(root/"nbs").with_suffix("").as_posix() for n in docs.notebooks()}
    listed = {p for ps in tops.values() for p, _ in ps}
    assert pages - listed == {"index"} and pages <= set(md) and listed <= set(md)
    assert all(line for k, ps in tops.items() if k != "api" for _, (_, line) in ps), "a page without its one line"
    assert not [p for p, t in md.items() if ".ipynb" in "".join(u for u in md_links(t) if not u.startswith("http"))]
    monkeypatch.setattr(docs, "out", tmp_path)
    docs.llms(tops, md)
    text = (tmp_path/"llms.txt").read_text()
    assert text.startswith("# CAMELS\n\n> ") and all(f"({p}.md)" in text for p in listed)


def test_the_map_for_newcomers_leads_somewhere():
    text = (root/"CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?\?) \| `(camels/[\w/]+\.py)` \| `(\w+)` \| ([12]) \|$", text, re.M)
    assert len(rows) == 20
    for question, file, name, _ in rows:
        source = (root/file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:(?:def|class) )?{name}\b", source, re.M), f"{question} no {name} in {file}"
