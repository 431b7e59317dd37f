"""The checks of the documents find what they look for."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "check", raising=False)
    import check

    return check


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("avmatch match A B -o OUT --many", []),
        ("avmatch --quiet evaluate sync lips TALKS --per-file", []),
        ("avmatch match A B --man", ["`avmatch match A B --man`: there is no option --man"]),
        ("avmatch evaluate sinc lips", ["`avmatch evaluate sinc lips`: there is no command sinc"]),
        ("melt a.mlt --nothing && avmatch sync A --to x", ["there is no option --to"]),
    ],
)
def test_options_are_those_of_the_command(check: ModuleType, line: str, fault: list[str]) -> None:
    found = list(check.wrong_options(line))
    assert len(found) == len(fault)
    assert all(text.endswith(end) for text, end in zip(found, fault, strict=True))


def test_calls_have_the_arguments_of_the_function(check: ModuleType) -> None:
    block = 'import avmatch\navmatch.sync("a", audio="b", sound="c")\navmatch.mach("a")\n'
    assert sorted(check.wrong_calls(block)) == ["avmatch.mach does not exist", "avmatch.sync has no sound"]


def test_links_and_anchors_lead_somewhere(check: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One `thing`, twice\n\n```text\n# no heading\n```\n", encoding="utf-8")
    links = "[a](a.md#one-thing-twice) [b](b.md) [c](a.md#no-heading) [d](https://example.org/x)"
    (tmp_path / "index.md").write_text(links, encoding="utf-8")
    found = list(check.broken_links(tmp_path / "index.md"))
    assert found == ["b.md does not exist", "a.md#no-heading: no such heading"]


def test_what_a_tutorial_shows_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    from run_tutorials import missing_lines

    printed = "│ v_0001.mp4 │ a.wav │  −3 ± 20 ms │\n2 of 2 clips paired; the report is out/report.html\n"
    assert missing_lines(["v_0001.mp4  a.wav  +12 ± 7 ms", "1 of 1 clips paired; …"], printed) == []
    assert missing_lines(["2 of 2 clips paired", "v_0001.mp4"], printed) == ["v_0001.mp4"]
    assert missing_lines(["2 of 2 clips lost"], printed) == ["2 of 2 clips lost"]


def test_the_site_loads_nothing_from_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    from check_site import faults_of

    page = tmp_path / "a.html"
    page.write_text(
        '<p id="x"><a href="#x">x</a><a href="#y">y</a><a href="https://example.org">z</a>'
        '<script src="https://example.org/a.js"></script><img src="b.png">',
        encoding="utf-8",
    )
    assert list(faults_of(page)) == [
        "#y: no such anchor",
        "https://example.org/a.js is loaded from elsewhere",
        "b.png does not exist",
    ]
