"""`make docs`: every link in the built site leads to a file and an anchor of it, and nothing is loaded from elsewhere.

python docs/check_site.py build/site
"""

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

#: What a browser loads by itself; links to elsewhere that people may click are fine.
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.names |= {name for name in (found.get("id"), found.get("name")) if name}
        target = found.get(LOADED.get(tag, "href"))
        if target and (tag != "link" or "canonical" not in (found.get("rel") or "")):
            self.links.append((tag, target))


@cache
def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def faults_of(path: Path) -> Iterator[str]:
    """What is wrong with the links of one page."""
    for tag, target in read(path).links:
        if "://" in target or target.startswith(("mailto:", "data:", "//")):
            if tag in LOADED and not target.startswith("data:"):
                yield f"{target} is loaded from elsewhere"
            continue
        file, _, anchor = unquote(target).partition("#")
        found = path.parent / file.partition("?")[0] if file else path
        if not found.exists():
            yield f"{target} does not exist"
        elif anchor and found.suffix == ".html" and anchor not in read(found.resolve()).names:
            yield f"{target}: no such anchor"


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    pages = sorted(site.rglob("*.html"))
    faults = [f"{page.relative_to(site)}: {fault}" for page in pages for fault in faults_of(page)]
    faults += [f"{sheet.relative_to(site)} loads from elsewhere" for sheet in site.rglob("*.css") if loads(sheet)]
    num_links = sum(len(read(page).links) for page in pages)
    sys.stdout.write(f"{len(pages)} pages, {num_links} links\n")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.exit(1 if faults else 0)


def loads(sheet: Path) -> bool:
    """Whether a style sheet loads something from elsewhere."""
    text = sheet.read_text(encoding="utf-8")
    return any(start in text for start in ("url(http", "url('http", 'url("http', "@import"))


if __name__ == "__main__":
    main()
