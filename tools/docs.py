#!/usr/bin/env python
"""Build the documentation site from the notebooks: `python tools/docs.py` writes `_docs/html`.

Pages are the notebooks as they were run (no execution here), with export directives and hidden cells left out. The API reference is read from the
exported source, where each parameter carries its shape and unit in its own line. Nothing on a page is loaded from another machine."""
import argparse, ast, json, re, shutil, subprocess, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
src, out = root/"_proc", root/"_docs"/"html"
GROUPS = [("First steps", "tutorials/"), ("Ground", "0"), ("Frozen encoders", "1"), ("Data", "2"), ("Face and synthetic speakers", "3"), ("Latent space", "4"),
          ("Training and evaluation", "5"), ("Expression and agent", "6"), ("Live", "7"), ("Apps", "8"), ("Command line", "9"), ("Cards", "cards/")]

def page(nb:Path):
    "A notebook as readers see it."
    d = json.loads(nb.read_text(encoding="utf-8")); cells = []
    for c in d["cells"]:
        s = "".join(c["source"])
        if c["cell_type"] == "code":
            flags = re.findall(r"^#\|\s*(\S+)", s, re.M)
            s = re.sub(r"^#\|.*\n?", "", s, flags=re.M).strip("\n")
            if "hide" in flags or not s.strip(): continue
            if "hide_input" in flags: c.setdefault("metadata", {})["tags"] = ["remove-input"]
            elif "export" in flags: c.setdefault("metadata", {})["tags"] = ["exported"]
        c["source"] = s; cells.append(c)
    d["cells"] = cells
    dest = src/nb.relative_to(root/"nbs"); dest.parent.mkdir(parents=True, exist_ok=True)
    dest.write_text(json.dumps(d), encoding="utf-8")
    return dest.relative_to(src).with_suffix("").as_posix()

def signature(text:str, node)->str:
    "Source of a definition down to its docstring, comments included."
    lines = text.splitlines(); start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
    first = node.body[0]; end = first.lineno - 1
    if first.lineno == node.lineno or isinstance(node, ast.ClassDef) and not (isinstance(first, ast.Expr)): end = node.lineno
    if isinstance(node, ast.ClassDef): end = max([end, *(b.end_lineno for b in node.body if isinstance(b, (ast.AnnAssign, ast.Assign)))])
    doc = ast.get_docstring(node, clean=False)
    return "\n".join(l for l in lines[start:max(end, start+1)] if not (doc and l.strip().strip('"') == doc))

def api(module:Path, notebooks:dict):
    "The reference page of a module."
    name = ".".join(module.relative_to(root).with_suffix("").parts).removesuffix(".__init__"); text = module.read_text(encoding="utf-8")
    md = [f"# {name}", ""]
    if nb := notebooks.get(name): md += [f"Explained in [{nb}](../{nb}.ipynb).", ""]
    items = [n for n in ast.parse(text).body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")]
    for n in items:
        md += [f"## {n.name}", "", (ast.get_docstring(n) or "").replace("\n", " "), "", "```python", signature(text, n), "```", ""]
        for m in (m for m in n.body if isinstance(n, ast.ClassDef) and isinstance(m, ast.FunctionDef) and not m.name.startswith("_") and ast.get_docstring(m)):
            md += [f"`.{m.name}` — {ast.get_docstring(m)}", ""]
    if not items: return None
    dest = src/"api"/f"{name}.md"; dest.parent.mkdir(exist_ok=True); dest.write_text("\n".join(md), encoding="utf-8")
    return f"api/{name}"

def title(p:str)->str:
    d = json.loads((src/f"{p}.ipynb").read_text(encoding="utf-8"))
    return next((m[1] for c in d["cells"] if c["cell_type"] == "markdown" and (m := re.search(r"^# (.+)$", "".join(c["source"]), re.M))), p)

def conf():
    version = re.search(r"^version = (\S+)", (root/"settings.ini").read_text(), re.M)[1]
    shutil.copy(root/"docs"/"camels.css", src/"_static"); shutil.copy(root/"docs"/"logo.svg", src/"_static")
    (src/"conf.py").write_text(f"""
project, author, version, release = "CAMELS", "CAMELS contributors", "{version}", "{version}"
copyright = "2026, CAMELS contributors"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
html_theme, html_title = "pydata_sphinx_theme", "CAMELS"
html_static_path = ["_static"]
html_css_files = ["camels.css"]
html_favicon = "_static/logo.svg"
html_sourcelink_suffix = ""
html_show_sourcelink = False
html_sidebars = {{"**": ["globaltoc.html"]}}
html_theme_options = dict(logo=dict(text="CAMELS", image_light="_static/logo.svg", image_dark="_static/logo.svg"), navigation_with_keys=False, show_nav_level=1,
    secondary_sidebar_items=["page-toc"], navbar_end=["theme-switcher"], footer_start=["copyright"], footer_end=[], header_links_before_dropdown=5, pygments_light_style="a11y-high-contrast-light",
    pygments_dark_style="a11y-high-contrast-dark")
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]

def setup(app):
    "Formulas as MathML, which browsers draw themselves."
    from docutils import nodes
    from latex2mathml.converter import convert
    def draw(display):
        def visit(self, node): self.body.append(convert(node.astext(), display=display)); raise nodes.SkipNode
        return visit
    app.add_html_math_renderer("mathml", (draw("inline"), None), (draw("block"), None))
""", encoding="utf-8")

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter); p.add_argument("--open", action="store_true", help="open the site when built")
    a = p.parse_args()
    shutil.rmtree(src, ignore_errors=True); shutil.rmtree(out, ignore_errors=True); (src/"_static").mkdir(parents=True)
    nbs = sorted(n for n in (root/"nbs").rglob("*.ipynb") if not any(q.startswith((".", "_")) for q in n.relative_to(root/"nbs").parts))
    pages = [page(n) for n in nbs]
    for f in (root/"nbs").glob("*.gif"): shutil.copy(f, src)
    modules = {m[1]: q for n, q in zip(nbs, pages) if (m := re.search(r"#\| default_exp (\S+?)[\"\\]", n.read_text(encoding="utf-8")))}
    apis = [r for m in sorted((root/"camels").rglob("*.py")) if m.name != "_modidx.py" and (r := api(m, {f"camels.{k}": v for k, v in modules.items()}))]
    conf()
    toc = []
    for g, start in GROUPS:
        if here := [q for q in pages if q.startswith(start)]: toc += [f"```{{toctree}}\n:caption: {g}\n:hidden:\n", *(f"{title(q)} <{q}>" for q in here), "```", ""]
    toc += ["```{toctree}\n:caption: API reference\n:hidden:\n", *(f"{q[4:]} <{q}>" for q in apis), "```"]
    idx = json.loads((src/"index.ipynb").read_text(encoding="utf-8"))
    idx["cells"].append(dict(cell_type="markdown", metadata={}, source="\n".join(toc), id="toc")); (src/"index.ipynb").write_text(json.dumps(idx), encoding="utf-8")
    r = subprocess.run([sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-j", "auto", str(src), str(out)], cwd=root)
    if r.returncode: sys.exit("docs: the lines above must be mended")
    external = sorted({m for f in out.rglob("*.html") for m in re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(https?://[^\"]+)", f.read_text(encoding="utf-8"))})
    if external: sys.exit(f"docs: pages load from other machines: {external[:3]}")
    print(f"docs: {len(pages)} pages and {len(apis)} API pages in {out.relative_to(root)}/index.html")
    if a.open: import webbrowser; webbrowser.open((out/"index.html").as_uri())

if __name__ == "__main__": main()
