#!/usr/bin/env python
"""Build the documentation site from the notebooks: `python tools/docs.py` writes `_docs/html`.

Pages are the notebooks as they were run (no execution here), with export directives and hidden cells left out. The
API reference is read from the exported source, where each parameter carries its shape and unit in its own line.
Beside every page stands the same as Markdown, and `llms.txt` at the root lists them. Nothing on a page is loaded
from another machine, and no link leads nowhere: `tools/links.py` looks at every one."""
import argparse, ast, base64, copy, hashlib, io, json, re, shutil, subprocess, sys, time, tokenize
from os.path import relpath
from pathlib import Path

import dependencies
import house
import licences
from house import CHAPTERS
from links import dead_links

root = Path(__file__).resolve().parent.parent
nbs, src, out = root/"nbs", root/"_proc", root/"_docs"/"html"

# Sections of the site: page, name in the menu, what it is for. A folder of notebooks with the section's name is its
# content.
SECTIONS = dict(
    tutorials=("Tutorials", "Lessons to follow from start to end."),
    howto=(
        "How-to",
        "One task a page: what to type, and what comes out. `camels` means `.venv/bin/camels` after `make setup`.",
    ),
    explain=("Explanations", "What is computed and why, with the equations."),
    library=(
        "Library",
        "Every module as the notebook that it is exported from: code, reasons and lessons on one page.",
    ),
    api=("API", "Every public name, with the shape and unit of each parameter."),
    gallery=("Gallery", "Apps, faces and plots."),
    glossary=("Glossary", "The terms of the field as they are used here."),
    cards=("Cards", "What is known of each model and each set of data."),
)
# The order of reading, where it is not that of the names; pages that are not named here come after.
ORDER = dict(
    tutorials="start five_minutes your_recordings read_a_latent teach_a_face your_features remote_kernel".split(),
    explain="alignment avae flow compiler v3".split(),
    howto="encode_videos embed_clip train_resume read_report avatar_from_sound export follow_run bring_corpus".split(),
)
# A hundred of notebook numbers is a chapter; the house names them.

# Notebooks

def notebooks():
    return sorted(
        n for n in nbs.rglob("*.ipynb") if not any(q.startswith((".", "_")) for q in n.relative_to(nbs).parts)
    )

def cells_of(nb:Path)->list:
    "The cells that readers see, without directives; exported ones are tagged."
    shown = []
    for c in json.loads(nb.read_text(encoding="utf-8"))["cells"]:
        s = "".join(c["source"])
        if c["cell_type"] == "code":
            flags = re.findall(r"^#\|\s*(\S+)", s, re.M)
            s = re.sub(r"^#\|.*\n?", "", s, flags=re.M).strip("\n")
            if "hide" in flags or not s.strip():
                continue
            tags = ["remove-input"]*("hide_input" in flags) or ["exported"]*("export" in flags)
            c.setdefault("metadata", {})["tags"] = tags
        shown.append({**c, "source": s})
    return shown

def heading(cells:list, otherwise:str)->tuple: # (title, one line)
    "Title and summary of a page: its `# Title` and the `> one line` below."
    text = "\n".join(c["source"] for c in cells if c["cell_type"] == "markdown")
    m = re.search(r"^# (.+)$", text, re.M)
    line = re.search(r"^> (.+)$", text, re.M)
    return m[1].strip() if m else otherwise, line[1].strip() if line else ""

def both_themes(text:str, here:Path)->str:
    "Each picture that has a dark sister is shown beside it, one a theme."
    def pair(m):
        dark = m[2].replace("-light.", "-dark.")
        return (
            f"![{m[1]}]({m[2]}){{.only-light}}![{m[1]}]({dark}){{.only-dark}}"
            if (here.parent/dark).exists()
            else m[0]
        )
    return re.sub(r"!\[([^\]]*)\]\(([^)\s]+-light\.\w+)\)", pair, text)

def outside_code(text:str, f)->str:
    "`f` applied to the lines of Markdown that are neither code nor headings."
    lines, fence = [], False
    for l in text.split("\n"):
        fence ^= l.lstrip().startswith("```")
        lines.append(l if fence or l.startswith(("#", "```")) else f(l))
    return "\n".join(lines)

def name_links(text:str, where:dict, up:str)->str:
    "Names of the library in running text lead to the API; only those that can be nothing else."
    def link(m):
        return f"[`{m[1]}{m[2]}`]({up}{where[m[1]]})" if m[1] in where else m[0]
    def line(l):
        return "".join(
            p
            if p.startswith(("[", "!"))
            else re.sub(r"(?<![`\w])`(\w+)(\(\))?`(?!`)", lambda m: link((m[0], m[1], m[2] or "")), p)
            for p in re.split(r"(!?\[[^\]]*\]\([^)]*\))", l)
        )
    return outside_code(text, line)

def write_page(nb:Path, cells:list, names:dict, api:str="")->None:
    "A notebook for Sphinx."
    rel = nb.relative_to(nbs)
    up = "../"*(len(rel.parts) - 1)
    d = json.loads(nb.read_text(encoding="utf-8"))
    shown = []
    for c in cells:
        if c["cell_type"] == "markdown":
            c = {**c, "source": name_links(both_themes(c["source"], nb), names, up)}
        shown.append(c)
    if api:
        i = next((i for i, c in enumerate(shown) if c["cell_type"] == "markdown"), 0)
        shown.insert(
            i + 1,
            dict(
                cell_type="markdown",
                metadata={},
                id="api-link",
                source=(
                    f"Exported to [`{api}`]({up}api/{api}.md). A coloured bar marks exported code; the other cells "
                    "are lessons, and tests."
                ),
            ),
        )
    dest = src/rel
    dest.parent.mkdir(parents=True, exist_ok=True)
    dest.write_text(json.dumps({**d, "cells": shown}), encoding="utf-8")

# The same as Markdown

def as_md(text:str, up:str="")->str:
    "Links to pages lead to their Markdown, pictures to where Sphinx puts them."
    text = re.sub(r"\]\((?!https?:)([^)#\s]+)\.ipynb(#[^)]*)?\)", r"](\1.md\2)", text)
    return re.sub(
        r"!\[([^\]]*)\]\((?!https?:|data:|_images)[^)\s]*?([^)/\s]+\.(?:png|gif|svg|jpg))\)",
        rf"![\1]({up}_images/\2)",
        text,
    )

def output_md(o:dict, up:str)->str:
    "An output as Markdown: a figure where there is one, else its text."
    data = o.get("data", {})
    if raw := data.get("image/png"):
        return f"![output]({up}_images/{hashlib.sha256(base64.b64decode(''.join(raw))).hexdigest()}.png)"
    if md := data.get("text/markdown"):
        return "".join(md)
    text = "".join(o.get("text", data.get("text/plain", ""))).rstrip()
    return f"```\n{text}\n```" if text and not re.match(r"<[\w.]+ object|<IPython|Output\(", text) else ""

def page_md(cells:list, up:str)->str:
    parts = []
    for c in cells:
        if c["cell_type"] == "markdown":
            parts.append(as_md(c["source"], up))
        elif c["cell_type"] == "code":
            if "remove-input" not in c["metadata"].get("tags", ()):
                parts.append(f"```python\n{c['source']}\n```")
            parts += [t for o in c.get("outputs", []) if (t := output_md(o, up))]
    return "\n\n".join(p.strip() for p in parts if p.strip()) + "\n"

# API reference

class Source:
    "A module's text, with its comments by line."
    def __init__(self, path:Path):
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.lines = [l.encode() for l in self.text.split("\n")]
        self.comments = {
            t.start[0]: t.string.lstrip("# ").strip()
            for t in tokenize.generate_tokens(io.StringIO(self.text).readline)
            if t.type == tokenize.COMMENT
        }
    def beside(self, first:int, last:int)->str: # lines of a statement
        "The comment at the end of a statement, or alone on the line above it."
        above = self.lines[first-2].strip() if first > 1 else b""
        return cell(self.comments.get(last) or (self.comments.get(first-1, "") if above.startswith(b"#") else ""))
    def of(self, n)->str: # what stands there; columns of the tree count bytes
        if n is None:
            return ""
        part = self.lines[n.lineno - 1:n.end_lineno]
        part[-1] = part[-1][:n.end_col_offset]
        part[0] = part[0][n.col_offset:]
        return " ".join(b" ".join(part).decode().split())

def cell(s:str)->str:
    "Text for a table's cell."
    return " ".join(s.split()).replace("|", "\\|")
def code(s:str)->str:
    return f"`{cell(s)}`" if s else ""

def table(head:str, rows:list)->list:
    "Lines of a Markdown table; columns that are empty in every row are left out."
    cols = [i for i, _ in enumerate(head.split("|")) if any(r[i] for r in rows)]
    def pick(r):
        return "| " + " | ".join(r[i] for i in cols) + " |"
    return [pick(head.split("|")), "|" + "---|"*len(cols), *(pick(r) for r in rows), ""] if rows else []

def parameters(s:Source, f)->tuple: # (rows of (names, types, defaults, comment), the comment of the result)
    "What the signature's lines say; parameters that share a line share a row."
    a = f.args
    args = [*a.posonlyargs, *a.args]
    gap = [None]*(len(args) - len(a.defaults))
    pairs = list(zip(args, [*gap, *a.defaults]))
    pairs += (
        [(x, None) for x in (a.vararg,) if x]
        + list(zip(a.kwonlyargs, a.kw_defaults))
        + [(x, None) for x in (a.kwarg,) if x]
    )
    lines, star = {}, {id(a.vararg): "*", id(a.kwarg): "**"}
    for x, d in pairs:
        if x.arg in ("self", "cls"):
            continue
        lines.setdefault((d or x).end_lineno, []).append((star.get(id(x), "") + x.arg, s.of(x.annotation), s.of(d)))
    one = f.body[0].lineno == f.lineno or set(lines) <= {f.lineno}
    rows = (
        []
        if one
        else [
            (
                ", ".join(code(n) for n, *_ in xs),
                ", ".join(dict.fromkeys(code(t) for _, t, _ in xs if t)),
                ", ".join(code(d) for *_, d in xs if d),
                cell(s.comments.get(l, "")),
            )
            for l, xs in lines.items()
        ]
    )
    end = f.returns.end_lineno if f.returns else max([f.lineno, *lines]) + (not one)
    return rows if any(r[1] or r[3] for r in rows) else [], cell(
        s.comments.get(end, "")
    ) if one or end not in lines else ""

def call(f, name:str, types:bool)->str:
    "A signature on one line, with types where no table below tells them."
    a = copy.deepcopy(f.args)
    for x in ast.walk(a):
        if isinstance(x, ast.arg) and not types:
            x.annotation = None
    a.posonlyargs, a.args = ([x for x in xs if x.arg not in ("self", "cls")] for xs in (a.posonlyargs, a.args))
    return f"{name}({ast.unparse(a)})" + (f" -> {ast.unparse(f.returns)}" if f.returns else "")

def function(s:Source, f, name:str, level:str="##")->list:
    rows, result = parameters(s, f)
    doc = " ".join((ast.get_docstring(f) or "").split())
    md = (
        [f"{level} {name}", "", doc, ""]
        if level
        else ([f"**{name.split('.')[-1]}**: {doc}" if doc else f"**{name.split('.')[-1]}**", ""])
    )
    md += ["```python", call(f, name, not rows), "```", "", *table("parameter|type and shape|default|what it is", rows)]
    return md + ([f"Gives `{s.of(f.returns) or '…'}`: {result}.", ""] if result else [])

def full_name(s:Source, f)->str:
    "`Class.name` for a function that is patched into a class, which its `self` names."
    first = next(iter([*f.args.posonlyargs, *f.args.args]), None)
    return f"{s.of(first.annotation)}.{f.name}" if first and first.arg == "self" and first.annotation else f.name

def klass(s:Source, c)->list:
    bases = ", ".join(s.of(b) for b in c.bases)
    doc = " ".join((ast.get_docstring(c) or "").split())
    md = [f"## {c.name}", "", doc, "", *([f"A `{bases}`.", ""] if bases else [])]
    rows = {}
    for n in c.body:
        if isinstance(n, ast.AnnAssign) and not n.target.id.startswith("_"):
            rows.setdefault((n.lineno, n.end_lineno), []).append((n.target.id, s.of(n.annotation), s.of(n.value)))
        elif isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and not n.targets[0].id.startswith("_"):
            rows.setdefault((n.lineno, n.end_lineno), []).append((
                n.targets[0].id,
                "",
                v if len(v := s.of(n.value)) < 90 else v[:88] + "…",
            ))
    md += table(
        "field|type and shape|default|what it is",
        [
            (
                ", ".join(code(n) for n, *_ in xs),
                ", ".join(dict.fromkeys(code(t) for _, t, _ in xs if t)),
                ", ".join(code(d) for *_, d in xs if d),
                s.beside(*lines),
            )
            for lines, xs in rows.items()
        ],
    )
    for m in (m for m in c.body if isinstance(m, (ast.FunctionDef, ast.AsyncFunctionDef))):
        if m.name == "__init__":
            md += [l for l in function(s, m, c.name, "") if not l.startswith("**")]
        elif m.name in ("__call__", "forward") or not m.name.startswith("_") and ast.get_docstring(m):
            md += function(s, m, f"{c.name}.{m.name}", "")
    return md

def constants(s:Source, names:set)->list:
    rows = [
        (
            code(t.id),
            "",
            code(v if len(v := s.of(n.value)) < 90 else v[:88].replace("`", "") + "…"),
            s.beside(n.lineno, n.end_lineno),
        )
        for n in s.tree.body
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name) and t.id in names
    ]
    return ["## Constants", "", *table("name||value|what it is", rows)] if rows else []

def api_page(
    module:Path,
    of:dict,
)->tuple: # (name, Markdown with links to notebooks, public names, one line); None where nothing is public
    "The reference page of a module."
    name = ".".join(module.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    s = Source(module)
    items = [
        n
        for n in s.tree.body
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not n.name.startswith("_")
    ]
    listed = next(
        (
            ast.literal_eval(n.value)
            for n in s.tree.body
            if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"
        ),
        [],
    )
    if not items:
        return None
    doc = ast.get_docstring(s.tree) or ""
    md = [f"# {name}", "", f"> {doc}" if doc else "", ""]
    if name in of:
        md += [f"Explained in [{of[name][1]}](../{of[name][0]}.ipynb).", ""]
    for n in items:
        md += klass(s, n) if isinstance(n, ast.ClassDef) else function(s, n, full_name(s, n))
    return (
        name,
        "\n".join([*md, *constants(s, set(listed) - {n.name for n in items})]),
        [n.name for n in items if isinstance(n, ast.ClassDef) or full_name(s, n) == n.name],
        doc,
    )

# Hubs, the menu, llms.txt

def toctree(pages:list, caption:str="")->list:
    return [
        "```{toctree}",
        *([f":caption: {caption}"] if caption else []),
        ":hidden:",
        "",
        *(f"{t} <{p}>" for p, t in pages),
        "```",
        "",
    ]

def grid(columns:str, cards:list)->list: # (page, title, line)
    "Cards that lead to pages."
    return [
        f"::::{{grid}} {columns}",
        ":gutter: 2",
        ":class-container: hub",
        "",
        *(
            l
            for p, t, line in cards
            for l in (f":::{{grid-item-card}} {t}", f":link: {p}", ":link-type: doc", "", line, ":::", "")
        ),
        "::::",
        "",
    ]

def hub(key:str, groups:dict)->tuple: # (for Sphinx, for readers of Markdown)
    "The first page of a section: a card a page."
    title, about = SECTIONS[key]
    md, plain = [f"# {title}", "", f"> {about}", ""], [f"# {title}", "", f"> {about}", ""]
    for g, pages in groups.items():
        if g:
            md += [f"## {g}", ""]
            plain += [f"## {g}", ""]
        md += [*grid("1 2 2 3", [(p, t, l) for p, (t, l) in pages]), *toctree([(p, t) for p, (t, _) in pages], g)]
        plain += [*(f"- [{t}]({p}.md): {l}" for p, (t, l) in pages), ""]
    return "\n".join(md), "\n".join(plain)

def llms(tops:dict, md:dict)->None:
    """What a language model needs to find its way: a list of all pages as Markdown, and all of them in one file, the
    API apart."""
    title, line = "CAMELS", heading([dict(cell_type="markdown", source=md["index"])], "")[1]
    text = [
        f"# {title}", "", f"> {line}", "",
        "Every page of this site stands beside its HTML as Markdown. Start with [the first page](index.md).", "",
    ]
    for key, pages in tops.items():
        text += [f"## {SECTIONS[key][0]}", "", *(f"- [{t}]({p}.md): {l}" for p, (t, l) in pages), ""]
    (out/"llms.txt").write_text("\n".join(text), encoding="utf-8")
    order = ["index", *(p for k, ps in tops.items() if k != "api" for p, _ in ps)]
    (out/"llms-full.txt").write_text("\n\n---\n\n".join(f"Page: {p}.md\n\n{md[p]}" for p in order), encoding="utf-8")

def conf():
    version = re.search(r"^version = (\S+)", (root/"settings.ini").read_text(), re.M)[1]
    for f in ("camels.css", "logo.svg"):
        shutil.copy(root/"docs"/f, src/"_static")
    shutil.copytree(root/"docs"/"_templates", src/"_templates")
    (src/"conf.py").write_text(f"""
project, author, version, release = "CAMELS", "CAMELS contributors", "{version}", "{version}"
copyright = "2026, CAMELS contributors"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
html_theme, html_title = "pydata_sphinx_theme", "CAMELS"
html_static_path, templates_path = ["_static"], ["_templates"]
html_css_files = ["camels.css"]
html_favicon = "_static/logo.svg"
html_sourcelink_suffix = ""
html_show_sourcelink = html_copy_source = html_use_index = False
html_sidebars = {{"**": ["sidebar-nav-bs.html"], "index": [], "gallery": [], "glossary": [], "search": []}}
html_context = dict(default_mode="auto")
html_theme_options = dict(
    logo=dict(text="CAMELS", image_light="_static/logo.svg", image_dark="_static/logo.svg"),
    navigation_with_keys=False, show_nav_level=1, navigation_depth=2, header_links_before_dropdown=8,
    secondary_sidebar_items=["page-toc", "markdown"], navbar_end=["theme-switcher"],
    footer_start=["copyright"], footer_end=["llms"],
    pygments_light_style="a11y-high-contrast-light", pygments_dark_style="github-dark", back_to_top_button=False)
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]

def setup(app):
    "Formulas as MathML, which browsers draw themselves; a way to the page's Markdown."
    from docutils import nodes
    from latex2mathml.converter import convert
    def draw(display):
        around = "<div class='formula'>%s</div>" if display == "block" else "%s"
        def visit(self, node):
            self.body.append(around % convert(node.astext(), display=display))
            raise nodes.SkipNode
        return visit
    def beside(app, pagename, templatename, context, doctree):
        context["markdown"] = pagename.split("/")[-1] + ".md" if doctree is not None else ""
        if doctree is not None:
            link = '<link rel="alternate" type="text/markdown" href="%s">' % context["markdown"]
            context["metatags"] = context.get("metatags", "") + link
    app.add_html_math_renderer("mathml", (draw("inline"), None), (draw("block"), None))
    app.connect("html-page-context", beside)
""", encoding="utf-8")

def prepare()->tuple: # ({page: Markdown}, {section: [(page, (title, one line))]})
    "Everything that Sphinx reads, in `_proc`."
    shutil.rmtree(src, ignore_errors=True)
    (src/"_static").mkdir(parents=True)
    (src/"api").mkdir()
    conf()
    for f in (
        f
        for f in nbs.rglob("*")
        if f.suffix in (".gif", ".png", ".svg", ".mp4", ".wav")
        and not any(q.startswith((".", "_")) for q in f.relative_to(nbs).parts)
        and f.name != "film.mp4"
    ):
        (src/f.relative_to(nbs)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f, src/f.relative_to(nbs))
    pages = {n.relative_to(nbs).with_suffix("").as_posix(): (n, cells_of(n)) for n in notebooks()}
    heads = {p: heading(c, p) for p, (_, c) in pages.items()}
    exported = {
        p: f"camels.{m[1]}"
        for p, (n, _) in pages.items()
        if (m := re.search(r"#\| default_exp (\S+?)[\"\\]", n.read_text(encoding="utf-8")))
    }
    of = {m: (p, heads[p][0]) for p, m in exported.items()}
    apis = [r for m in sorted((root/"camels").rglob("*.py")) if m.name != "_modidx.py" and (r := api_page(m, of))]
    seen = [n for _, _, ns, _ in apis for n in ns]
    names = {
        n: f"api/{a}.md#{n.lower()}"
        for a, _, ns, _ in apis
        for n in ns
        if seen.count(n) == 1 and ("_" in n or re.search(r"[a-z0-9][A-Z]", n))
    }
    md, known = {}, {a for a, *_ in apis}
    for p, (n, cells) in pages.items():
        write_page(n, cells, names, m if (m := exported.get(p)) in known else "")
        md[p] = page_md(cells, "../"*p.count("/"))
    for a, text, _, _ in apis:
        (src/"api"/f"{a}.md").write_text(text, encoding="utf-8")
        md[f"api/{a}"] = as_md(text)
    def place(k, p):
        return (ORDER.get(k, []).index(p.split("/")[-1]) if p.split("/")[-1] in ORDER.get(k, []) else 99, p)
    tops = {
        k: [(p, heads[p]) for p in sorted((p for p in pages if p.startswith(f"{k}/")), key=lambda p: place(k, p))]
        for k in ("tutorials", "howto", "explain", "cards")
    }
    (src/"explain"/"house.svg").write_text(house.draw(root), encoding="utf-8")
    made = dict(house=house.page(root), dependencies=dependencies.page(), licences=licences.page())
    for name, text in made.items():
        md[f"explain/{name}"] = text
        (src/"explain"/f"{name}.md").write_text(text, encoding="utf-8")
        title, _, line = text.removeprefix("# ").split("\n", 3)[:3]
        tops["explain"].append((f"explain/{name}", (title, line.removeprefix("> "))))
    tops["library"] = [(p, h) for p, h in heads.items() if re.match(r"\d", p)]
    tops["api"] = [(f"api/{a}", (a, d)) for a, _, _, d in sorted(apis, key=lambda r: (of.get(r[0], ("~",))[0], r[0]))]
    for k in ("gallery", "glossary"):
        tops[k] = [(k, heads[k])] if k in pages else []
    tops = {k: tops[k] for k in SECTIONS if tops[k]}
    def chapter(q):
        page = of[q[4:]][0] if q.startswith("api/") and q[4:] in of else q
        return CHAPTERS[int(page[0])] if page[0].isdigit() else "The package"

    for k, ps in tops.items():
        if k in pages:
            continue
        groups = {} if k in ("library", "api") else {"": ps}
        if k in ("library", "api"):
            for q in ps:
                groups.setdefault(chapter(q[0]), []).append(q)
        rich, md[k] = hub(k, groups)
        (src/f"{k}.md").write_text(rich, encoding="utf-8")
    idx = json.loads((src/"index.ipynb").read_text(encoding="utf-8"))
    idx["cells"].insert(
        1,
        dict(
            cell_type="markdown",
            metadata={},
            id="sections",
            source="\n".join(["## Where to look", "", *grid("1 2 2 4", [(k, *SECTIONS[k]) for k in tops])]),
        ),
    )
    idx["cells"].append(
        dict(
            cell_type="markdown", metadata={}, id="toc", source="\n".join(toctree([(k, SECTIONS[k][0]) for k in tops]))
        )
    )
    (src/"index.ipynb").write_text(json.dumps(idx), encoding="utf-8")
    return md, tops

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--open", action="store_true", help="open the site when built")
    a = p.parse_args()
    t0 = time.perf_counter()
    md, tops = prepare()
    shutil.rmtree(out, ignore_errors=True)
    r = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-j", "auto", str(src), str(out)],
        cwd=root,
    )
    if r.returncode:
        sys.exit("docs: the lines above must be mended")
    for page, text in md.items():
        (out/f"{page}.md").write_text(text, encoding="utf-8")
    shutil.copy(src/"explain"/"house.svg", out/"explain")
    llms(tops, md)
    (out/".nojekyll").touch()
    if bad := dead_links(out):
        sys.exit("\n".join([*bad[:40], f"docs: {len(bad)} dead links"]))
    n = {k: len(v) for k, v in tops.items()}
    print(
        f"docs: {len(md)} pages ({', '.join(f'{v} {k}' for k, v in n.items())}) in {relpath(out, root)}/index.html, "
        f"no dead link, {time.perf_counter() - t0:.0f} s"
    )
    if a.open:
        import webbrowser
        webbrowser.open((out/"index.html").as_uri())

if __name__ == "__main__":
    main()
