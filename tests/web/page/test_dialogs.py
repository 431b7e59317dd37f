"""Dialogs of the review's page: on a slow machine as well, no key is lost and no answer goes to the wrong question."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from avmatch.timelines.formats import FORMATS
from review_page import (
    holding,
    open_dialog,
    slowed,
    until,
    wait_for_clip,
    wait_for_count,
    wait_for_text,
    wait_for_title,
    wait_until_closed,
)

pytestmark = pytest.mark.slow
#: What the server says of one clip.
CLIP = "^/api/clips/[^/]+$"


@pytest.mark.parametrize("width", [420, 1440])
def test_a_key_right_after_a_dialog_is_the_pages(shoot, reviewing, opened, width) -> None:
    page = opened(reviewing(shoot), width)
    page.click(".check .row >> nth=0")
    wait_for_clip(page)
    slowed(page, 10)
    for _ in range(2):
        for key in ("?", "c", "d", "e"):
            open_dialog(page, key)
            page.keyboard.press("Escape")  # and the next at once: the closed dialog has the focus until the next frame
    wait_until_closed(page)
    open_dialog(page, "c")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    wait_for_count(page, "to check", 2)


def test_a_dialog_is_not_answered_by_the_one_before(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    open_dialog(page, "c")
    # In one task: the first one's `close` event comes when the second is open already.
    page.evaluate("""() => {
        document.querySelector("dialog").close();
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "d", bubbles: true }));
    }""")
    page.fill("dialog[open] .field:nth-of-type(1) input", "camera A")
    page.click("dialog[open] button.primary")
    page.wait_for_selector("#toasts >> text=/device kept/")
    until(page, "document.querySelector('#subtitle').innerText.includes('device camera A')")


def with_the_next_clip_held_back(page):
    """The next clip is chosen, but what is known of it doesn't come until the answer is called."""
    first = wait_for_clip(page)
    release = holding(page, CLIP)
    page.keyboard.press("ArrowDown")
    until(page, f"document.querySelector('#title').innerText !== {first!r}")
    return release


def test_what_is_pressed_before_the_clip_is_there_waits_for_it(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    release = with_the_next_clip_held_back(page)
    open_dialog(page, "c")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.keyboard.press("Enter")  # nothing is seen of it yet: it is not accepted
    release()
    page.wait_for_selector(".candidate:nth-of-type(2) input:checked")
    assert "3 to check" in " ".join(page.inner_text("#counts").split())


def test_a_recording_from_the_whole_list_is_chosen_though_the_clip_comes_later(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    release = with_the_next_clip_held_back(page)
    open_dialog(page, "c")
    name = page.inner_text("dialog .found li:last-child .name")
    page.click("dialog .found li:last-child button")
    release()
    page.wait_for_selector(f".candidate:has(input:checked):has-text('{name}')")


def test_nobody_is_torn_from_writing_by_an_answer_that_comes_late(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    release = holding(page, "^/api/decisions$")
    page.keyboard.press("x")
    page.keyboard.press("/")
    page.keyboard.type("p1")
    release()
    wait_for_count(page, "to check", 2)
    page.wait_for_selector("#toasts >> text=/has no match/")
    page.keyboard.type("x")
    assert page.input_value("#search") == "p1x"
    wait_for_count(page, "to check", 2)


def test_timelines_are_written_from_the_page(shoot, reviewing, opened, tmp_path) -> None:
    page = opened(reviewing(shoot), accept_downloads=True)
    wait_for_clip(page)
    open_dialog(page, "e")
    assert page.is_disabled("dialog input[value=accepted]"), "nothing is accepted yet"
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    wait_for_count(page, "to check", 2)
    open_dialog(page, "e")
    assert page.is_checked("dialog input[value=accepted]")
    page.select_option("dialog select", "csv")
    page.fill("dialog input[type=text]", "../outside")
    page.click("dialog button.primary")
    page.wait_for_selector("dialog p.fault >> text=/name one inside the result/")
    page.fill("dialog input[type=text]", "for the editor")
    page.keyboard.press("Enter")
    target = shoot / "for the editor" / "timeline.csv"
    page.wait_for_selector(f"dialog .written code:text-is('{target}')")
    assert page.locator("dialog p.fault").count() == 0
    assert "1 clip on the timeline, 1 with sound" in page.inner_text("dialog .written")
    with page.expect_download() as download:
        page.click("dialog .written a")
    assert Path(download.value.path()).read_bytes() == target.read_bytes()
    page.check("dialog input[value=all]")
    page.click("dialog button.primary")
    page.wait_for_selector("dialog .written >> text=/7 clips on the timeline/")
    assert not (shoot.parent / "outside").exists()


def test_the_page_offers_every_format(page_modules) -> None:
    offered = page_modules.evaluate("async () => Object.keys((await import('/page/export.js')).FORMATS)")
    assert sorted(offered) == sorted(FORMATS)


def test_other_recordings_of_the_moment_are_shown(shoot, matched, reviewing, opened) -> None:
    with (shoot / "matches.csv").open(newline="", encoding="utf-8") as file:
        first, *_, last = csv.DictReader(file)
    name, other = Path(first["video"]).name, last["audio"]
    for table in ("matches.csv", "candidates.csv"):
        lines = (shoot / table).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if last["video"] not in line]
        (shoot / table).write_text("\n".join(kept) + "\n", encoding="utf-8")
    (shoot / "also_fits.csv").write_text(f"video,audio,role,offset_ms\n{first['video']},{other},continues,-4200\n")
    other = Path(other).name
    page = opened(reviewing(shoot))
    page.click(f".row:has-text('{name}')")
    page.wait_for_selector(f".row:has-text('{name}') .mark:has-text('+1')")
    page.wait_for_selector(f".candidate:has-text('{other}') .mark:has-text('split file')")
    assert f"{other} (the recorder split its file), 4200 ms early" in page.inner_text("#further")
    page.click(f".candidate:has-text('{other}')")
    wait_for_text(page, "#offset", "−4200 ms")
    page.keyboard.press("Enter")
    wait_for_count(page, "decided", 1)
    page.keyboard.press("u")
    wait_for_count(page, "decided", 0)
    wait_for_title(page, name)
