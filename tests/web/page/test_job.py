"""What a person does in the review, in a real browser: watch, correct, undo, solve again, export."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from review_page import VIDEO, open_dialog, until, wait_for_clip, wait_for_count, wait_for_text, wait_for_title

pytestmark = pytest.mark.slow
#: The rate of the first clip of the queue.
FPS = """async () => {
  const { rows } = await (await fetch("/api/queue")).json();
  return (await (await fetch(`/api/clips/${rows[0].id}`)).json()).picture.fps;
}"""
#: The offset that is shown, in milliseconds.
OFFSET = "parseInt(document.querySelector('#offset').innerText.replace('−', '-'), 10)"
#: Whether the picture stops before its end.
WATCH = """() => {
  const video = document.querySelector("video");
  window.stopped = false;
  video.addEventListener("pause", () => { window.stopped ||= !video.ended; }, { once: true });
}"""


def listed(table: Path) -> dict[str, str]:
    """The recording of each clip in a table, by name."""
    with table.open(newline="", encoding="utf-8") as file:
        return {Path(row["video"]).name: Path(row["audio"]).name for row in csv.DictReader(file)}


def accepted(result: Path, avmatch: Callable[..., str]) -> dict[str, str]:
    """The recording of each clip that `export --only accepted` writes, by name."""
    table = result.parent / "accepted.csv"
    avmatch("export", result, "--to", "csv", "--only", "accepted", "-o", table)
    return listed(table)


def truth(matched: Path) -> dict[str, str]:
    """The true recording of each clip, by name."""
    return listed(matched / "clips" / "truth.csv")


def test_corrects_three_pairs_undoes_one_solves_and_exports(shoot, matched, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_count(page, "to check", 3)
    corrected = ["Choose a clip"]
    for left in (2, 1, 0):
        corrected.append(wait_for_clip(page, other_than=corrected[-1]))
        page.click("#play")
        until(page, f"{VIDEO}.currentTime > 0.3")
        page.evaluate(WATCH)
        page.click(".candidate:nth-of-type(2)")
        page.wait_for_selector(".candidate:nth-of-type(2) input:checked")
        assert not page.evaluate("stopped"), "the picture goes on while the sound changes"
        page.click("#accept")
        wait_for_count(page, "to check", left)
    del corrected[0]
    assert len(set(corrected)) == 3
    page.click("#undo")
    wait_for_count(page, "to check", 1)
    wait_for_title(page, corrected[-1])
    page.click("#solve")
    page.wait_for_selector("#toasts >> text=/Solved again/")
    page.click("#export")
    page.select_option("dialog select", "csv")
    page.check("dialog input[value=accepted]")
    page.click("dialog button.primary")
    page.wait_for_selector("dialog .written a")
    assert listed(shoot / "timeline.csv") == {name: truth(matched)[name] for name in corrected[:2]}


def test_the_keyboard_alone_does_the_whole_job(shoot, matched, reviewing, opened, avmatch) -> None:
    page = opened(reviewing(shoot))
    press = page.keyboard.press
    first = wait_for_clip(page)
    press("?")
    page.wait_for_selector("dialog[open] >> text=one frame back")
    press("Escape")
    press("k")
    until(page, f"{VIDEO}.currentTime > 0.2")
    press("k")
    until(page, f"{VIDEO}.paused")
    press("Home")
    until(page, f"{VIDEO}.currentTime === 0")
    press("ArrowRight")
    until(page, f"{VIDEO}.currentTime > 0")
    press("2")
    press("]")
    press("{")
    press("n")
    page.keyboard.type("clap is late")
    press("Escape")
    press("Enter")
    wait_for_count(page, "to check", 2)
    second = wait_for_clip(page, other_than=first)
    press("x")
    wait_for_count(page, "to check", 1)
    press("u")
    wait_for_count(page, "to check", 2)
    wait_for_title(page, second)
    press("Shift+U")
    wait_for_count(page, "to check", 1)
    press("/")
    page.keyboard.type(first)
    press("Enter")
    page.wait_for_selector(f"#rows-decided >> text={first}")
    page.wait_for_selector("#rows-decided >> text=accepted, own offset")
    open_dialog(page, "e")
    press("Tab")  # which clips: accepted ones
    press("Tab")
    page.keyboard.type("by keys")
    press("Enter")
    target = shoot / "by keys" / "timeline.fcpxml"
    page.wait_for_selector(f"dialog .written code:text-is('{target}')")
    press("Escape")
    assert target.stat().st_size
    assert accepted(shoot, avmatch) == {first: truth(matched)[first]}


def test_the_frame_that_steps_lead_to_is_the_next_one(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowRight", 4), ("ArrowLeft", 3)):
        page.keyboard.press(key)
        until(page, f"!{VIDEO}.seeking && document.querySelector('#time').innerText.endsWith('· {frame}')")


def test_two_tabs_do_not_overwrite_each_other(shoot, reviewing, opened) -> None:
    address = reviewing(shoot)
    here, there = opened(address), opened(address)
    there.route("**/api/events", lambda route: route.abort())  # so that it doesn't learn of the other one
    there.reload()
    name = wait_for_clip(there)
    assert wait_for_clip(here) == name
    here.keyboard.press("x")
    wait_for_count(here, "to check", 2)
    there.keyboard.press("Enter")
    there.wait_for_selector("#toasts >> text=/changed in another tab/")
    assert there.inner_text("#title") == name
    until(there, "document.querySelector('#ruling').innerText.includes('no match')")
    there.click("#reopen")
    here.wait_for_selector(f"#toasts >> text={name}")
    wait_for_count(here, "to check", 3)


def test_a_recording_that_is_taken_is_asked_for(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    first = wait_for_clip(page)
    taken = page.inner_text(".candidate:nth-of-type(1) .name")
    page.keyboard.press("Enter")
    wait_for_count(page, "to check", 2)
    second = wait_for_clip(page, other_than=first)
    if taken not in page.inner_text("#candidates"):
        page.keyboard.press("ArrowDown")
        wait_for_clip(page, other_than=second)
    page.click(f".candidate:has-text('{taken}')")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"dialog >> text={first}")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#lists .check >> text={first}")


def test_the_sound_is_moved_by_dragging_and_by_keys(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    wait_for_text(page, "#offset", "0 ms")
    box = page.locator("#detail").bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, height)
    page.mouse.down()
    page.mouse.move(middle - box["width"] / 10, height, steps=4)
    page.mouse.up()
    # A tenth of the three seconds that are drawn, to the pixel: a later part of the recording meets the picture.
    until(page, f"Math.abs({OFFSET} - 300) <= {3000 / box['width']}")
    moved = page.evaluate(OFFSET)
    page.focus("#detail")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(f"#detail[aria-valuetext='sound {moved - 1} ms late']")
    for key, step_ms in (("]", 9), ("{", 8)):
        page.keyboard.press(key)
        wait_for_text(page, "#offset", f"+{moved + step_ms} ms")
    page.keyboard.press(",")
    frame_ms = 1000 / page.evaluate(FPS)
    until(page, f"Math.abs({OFFSET} - {moved + 8 - frame_ms}) <= 1")
    page.keyboard.press("r")
    wait_for_text(page, "#offset", "0 ms")
