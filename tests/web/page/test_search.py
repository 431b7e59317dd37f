"""The search box of the review's page: a clip is dropped or chosen, and the sounds of an index are heard under it."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from review_page import SIZES, faults, until, wait_for_clip

pytestmark = pytest.mark.slow
FIRST = ".hits .candidate:nth-of-type(1)"
VIDEO = "document.querySelector('.search-box video')"


@pytest.fixture(scope="module")
def pair(matched) -> tuple[Path, str]:
    """A clip, and the name of its sound."""
    with (matched / "clips" / "truth.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    return matched / "clips" / "videos" / Path(row["video"]).name, Path(row["audio"]).name


def wait_for_hits(page: Any, name: str) -> None:
    """Wait until the sounds for a clip are there, and its picture can be played."""
    page.wait_for_selector(f".search-box .said >> text=/sounds for {name}/")
    until(page, f"{VIDEO}.readyState >= 2")


def sideways(page: Any) -> list[str]:
    """What sticks out."""
    return page.evaluate("""() => [...document.querySelectorAll("body, main, dialog, .search-box, .search-box *")]
        .filter((part) => part.offsetParent !== null && part.scrollWidth > part.clientWidth + 1
            && getComputedStyle(part).display !== "inline" && !part.matches("select, input, button"))
        .map((part) => part.className || part.tagName)""")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_serious_and_nothing_sticks_out(
    sounds, pair, shoot, reviewing, opened, axe, size, scheme
) -> None:
    page = opened(reviewing(shoot, "--in", sounds), *SIZES[size], color_scheme=scheme)
    page.wait_for_selector(".row")
    page.keyboard.press("g")
    page.wait_for_selector("dialog[open] #search-file")
    assert faults(page, axe) == []
    page.set_input_files("#search-file", pair[0])
    wait_for_hits(page, pair[0].name)
    assert faults(page, axe) == []
    assert sideways(page) == []


def test_the_own_sound_is_first_and_is_heard_with_the_keyboard_alone(sounds, pair, reviewing, opened) -> None:
    page = opened(reviewing("--in", sounds), rows="#search-file")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_input_files("#search-file", pair[0])
    wait_for_hits(page, pair[0].name)
    assert page.inner_text(f"{FIRST} .name") == pair[1]
    facts = page.inner_text(FIRST)
    assert "score +" in facts
    assert "events" in facts
    assert " %" in facts
    until(page, "document.activeElement.matches('.hits input:checked')")
    page.keyboard.press(" ")
    until(page, f"!{VIDEO}.paused && {VIDEO}.currentTime > 0.3")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".hits .candidate:nth-of-type(2) input:checked")
    assert page.evaluate(f"!{VIDEO}.paused || {VIDEO}.ended"), "the picture goes on"
    sounds_asked = {url.partition("?")[0] for url in asked if "/media/sounds/s" in url}
    assert len(sounds_asked) == 2
    page.select_option(".kind select", "speech")
    page.wait_for_selector(f".search-box .said >> text=/ {pair[0].name}/")


def test_a_clip_is_dropped_on_the_page(sounds, pair, shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot, "--in", sounds))
    wait_for_clip(page)
    content = base64.b64encode(pair[0].read_bytes()).decode()
    page.evaluate(
        """([content, name]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type: "video/mp4" }));
            for (const kind of ["dragover", "drop"]) {
                document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }));
            }
        }""",
        [content, "<b>dropped.mp4"],
    )
    wait_for_hits(page, "<b>dropped.mp4")
    assert page.locator(".said b").count() == 0
    page.keyboard.press(" ")
    until(page, f"!{VIDEO}.paused")
    page.keyboard.press("Escape")
    until(page, "document.querySelector('dialog') === null")
    page.keyboard.press("g")
    page.wait_for_selector("dialog[open] .hits")
    assert page.evaluate(f"{VIDEO}.paused"), "and what was found is still there"


def test_the_chosen_clip_of_the_queue_is_searched_for(sounds, shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot, "--in", sounds))
    name = wait_for_clip(page)
    page.click("#find")
    page.click(f"dialog button:has-text({json.dumps(f'Search for {name}')})")
    wait_for_hits(page, name)


def test_what_cannot_be_used_is_said(sounds, reviewing, opened, tmp_path) -> None:
    page = opened(reviewing("--in", sounds), rows="#search-file")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    page.set_input_files("#search-file", broken)
    page.wait_for_selector(".said.fault >> text=/^broken.mp4: /")
    assert page.is_hidden(".hits")


def test_without_an_index_nothing_is_offered(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    assert page.is_hidden("#find")
    page.keyboard.press("g")
    assert page.locator("dialog").count() == 0
