"""One word a thing: words that this project doesn't use, and what it says instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: A pattern of the word that isn't used, and the word that is.
BANNED = {
    r"\btold\b|\btelling\b|\btells of\b": "metadata, message, reported; `progress` for the callback",
    r"\bstrangers?\b": "negatives; other recordings; people the model was not trained on",
    r"\bkin\b": "same_group",
    r"\bapart by (tabs|commas|blanks)\b|\bby tabs\b": "tab-separated",
    r"\bsurprises?\b": "negative log-likelihood",
    r"\bthe rooms?\b(?! acoustics)": "the gallery; the folder or floor of the code",
    r"\bdescend(s|ed)? to\b|\bby descent\b": "trainable, gradient-trained, closed-form",
    r"\bby heart\b": "overfit, memorise",
    r"\baren't there\b|\bisn't there\b": "missing",
    r"\bthe door of\b|\bthe same door\b|\b\w+'s door\b": "the only importer of; the same protocol",
    r"\bmended\b": "fixed",
    r"\bmade anew\b|\bwritten anew\b|\bcomputed anew\b": "recomputed, rewritten",
    r"\bbegins again\b": "restarted",
    r"\bwhom there (is|are)\b": "a plain sentence",
    r"\bnats\b": "score; the unit only where it is defined (glossary, docstrings of cues and matching)",
}
#: Where a pattern means something else: units in arithmetic, a field of configurations, real rooms.
EXCEPTIONS = {
    r"\bnats\b": ("src", "docs/glossary.md", "docs/tour.md", "docs/decisions", "docs/experiments"),
    r"\bstrangers?\b": ("src/avmatch/systems/collisions/task.py",),
    r"\bthe rooms?\b(?! acoustics)": ("src/avmatch/synth/",),
}
DOCUMENTS = [
    *(ROOT / "src").rglob("*.py"),
    *(ROOT / "src").rglob("*.md"),
    *(ROOT / "src").rglob("*.jinja"),
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.py"),
]


def found(text: str, pattern: str) -> list[str]:
    """Each line in which a banned word stands, with its number; link targets and printed output don't count."""
    text = re.sub(r"^```text\n.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    lines = enumerate(re.sub(r"\]\([^)]*\)", "]", text).splitlines(), start=1)
    return [f"{number}: {line.strip()}" for number, line in lines if re.search(pattern, line, re.IGNORECASE)]


@pytest.mark.parametrize("pattern", BANNED)
def test_banned_words_are_not_used(pattern: str) -> None:
    places = []
    for document in DOCUMENTS:
        path = document.relative_to(ROOT).as_posix()
        if path.startswith(EXCEPTIONS.get(pattern, ("-",))):
            continue
        places += [f"{path}:{place}" for place in found(document.read_text(encoding="utf-8"), pattern)]
    assert not places, f"say instead: {BANNED[pattern]}\n" + "\n".join(places)


def test_a_banned_word_is_found() -> None:
    assert found("fine\nas he was told\n", r"\btold\b") == ["2: as he was told"]
