"""The documentation site, by `make docs` (decision 22): sphinx-build -c docs . build/site.

The source is the whole repository, so that a relative link in Markdown leads to the same file here and on the
repository's pages. Which page stands where in the sidebar is in TOCTREES and nowhere else: Markdown files hold no
directives, but for docs/python.md, which is written from the docstrings.
"""

from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

import avmatch

project = "avmatch"
author = "The avmatch authors"
copyright = author  # noqa: A001 (Sphinx reads this name)
release = version = avmatch.__version__

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "*.md",
    "benchmarks/README.md",
    "examples/README.md",
    "examples/notebooks/*.nb.py",
    "src/avmatch/weights/*/card.md",
]
exclude_patterns = [".venv", ".light", "build", "demo"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]

#: What stands below a page in the sidebar: captions and pages, or patterns.
TOCTREES = {
    "docs/index": {
        "Tutorials": ("docs/tutorials/*",),
        "Notebooks": ("examples/README", "examples/notebooks/*"),
        "Guides": (
            "docs/howto",
            "docs/review",
            "docs/timelines",
            "docs/copies",
            "docs/search",
            "docs/pretrained",
            "docs/cluster",
            "docs/faq",
        ),
        "Explanation": ("docs/footage", "docs/deciding", "docs/offsets", "docs/systems"),
        "Reference": ("docs/commands", "docs/python", "docs/formats", "docs/cases", "docs/licences", "docs/glossary"),
        "The project": (
            "README",
            "docs/tour",
            "docs/experiments",
            "docs/decisions",
            "benchmarks/README",
            "CONTRIBUTING",
            "SECURITY",
            "CHANGELOG",
        ),
    },
    "docs/systems": {"": ("docs/systems/*", "src/avmatch/weights/*/card")},
    "docs/experiments": {"": ("docs/experiments/*",)},
    "docs/decisions": {"": ("docs/decisions/*",)},
}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # the same names as on the repository's pages
myst_fence_as_directive = ["math"]
nb_custom_formats = {".nb.py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

default_role = "code"  # docstrings use `name`
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"avmatch {release}"
html_static_path = ["site.css"]  # a file: docs/ itself holds pages
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
templates_path: list[str] = []


def add_toctree(app: Sphinx, name: str, source: list[str]) -> None:
    """Puts the pages of TOCTREES below the page `name`."""
    for caption, pages in TOCTREES.get(name, {}).items():
        options = [":hidden:", ":glob:", *([f":caption: {caption}"] if caption else [])]
        source[0] += "\n".join(["\n\n```{toctree}", *options, "", *(f"/{page}" for page in pages), "```\n"])


def visit_math(translator, node: nodes.Element) -> None:  # noqa: ANN001 (docutils has no type for it)
    """LaTeX as MathML, which browsers draw by themselves: no script, no font."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    translator.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


def write_entrance(app: Sphinx, error: Exception | None) -> None:
    """The site's index.html leads to the home page."""
    refresh = '<meta http-equiv="refresh" content="0; url=docs/index.html">'
    if error is None:
        page = f'<!doctype html><meta charset="utf-8"><title>avmatch</title>{refresh}'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("source-read", add_toctree)
    app.connect("build-finished", write_entrance)
