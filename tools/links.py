#!/usr/bin/env python
"""Look at every link of a built site: `python tools/links.py _docs/html` prints the dead ones, a line each, and ends
with 1 where there are any.

A link is dead that leads to no file, to an anchor that its page has not, or (script, style, picture, font) to
another machine."""
import re, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = dict(script="src", img="src", source="src", video="src", audio="src", iframe="src", embed="src", link="href")

class Page(HTMLParser):
    "Anchors of a page, and what it asks for."
    def __init__(self, text:str):
        super().__init__()
        self.anchors, self.links = {""}, []
        self.feed(text)
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.anchors |= {v for k in ("id", "name") if (v := a.get(k))}
        for k in ("href", "src", "poster", "data-src"):
            if a.get(k):
                self.links.append((tag, a[k], LOADED.get(tag) == k))
        self.links += [(tag, s.split()[0], True) for s in (a.get("srcset") or "").split(",") if s.strip()]

def md_links(text:str)->list:
    "Targets of Markdown's links and pictures, those in code left out."
    text = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.S | re.M)
    text = re.sub(r"`[^`\n]*`", "", text)
    return re.findall(r"\]\(<?([^)\s>]+)", text)

def dead_links(site:Path)->list: # "page: what is wrong", sorted
    "Every link that leads nowhere."
    pages = {f: Page(f.read_text(encoding="utf-8")) for f in site.rglob("*.html") if "_static" not in f.parts}
    bad = []   # templates of the theme lie there
    def look(f, url, loaded):
        u = urlsplit(url)
        if u.scheme in ("data", "mailto", "javascript"):
            return
        if u.scheme or u.netloc:
            return bad.append(f"{f.relative_to(site)}: loads {url} from another machine") if loaded else None
        to = (f.parent/unquote(u.path)).resolve() if u.path else f
        if to.is_dir():
            to = to/"index.html"
        if not to.exists():
            bad.append(f"{f.relative_to(site)}: {url} leads nowhere")
        elif u.fragment and to in pages and unquote(u.fragment) not in pages[to].anchors:
            bad.append(f"{f.relative_to(site)}: {url} has no such anchor")
    site = site.resolve()
    pages = {f.resolve(): p for f, p in pages.items()}
    for f, p in pages.items():
        for _, url, loaded in set(p.links):
            look(f, url, loaded)
    for f in [*site.rglob("*.md"), *site.glob("llms.txt")]:
        for url in set(md_links(f.read_text(encoding="utf-8"))):
            look(f, url, False)
    for f in site.rglob("*.css"):
        for url in set(re.findall(r"url\(['\"]?([^'\")]+)", f.read_text(encoding="utf-8", errors="replace"))):
            look(f, url.strip(), True)
        if re.search(r"@import\s+(?:url\()?['\"]?https?:", f.read_text(encoding="utf-8", errors="replace")):
            bad.append(f"{f.relative_to(site)}: imports a style from another machine")
    return sorted(set(bad))

if __name__ == "__main__":
    bad = dead_links(Path(sys.argv[1]))
    print(*bad, f"{len(bad)} dead links", sep="\n")
    sys.exit(bool(bad))
