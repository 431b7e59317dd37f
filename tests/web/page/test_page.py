"""The review's page for everybody: every size, the keyboard, screen readers, odd names, thousands of rows."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from avmatch.reports import wording
from review_page import PATIENCE_SECONDS, SIZES, VIDEO, faults, open_dialog, until, wait_for_clip, wait_for_text

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_serious(shoot, reviewing, opened, axe, size, scheme) -> None:
    page = opened(reviewing(shoot), *SIZES[size], color_scheme=scheme)
    assert faults(page, axe) == []
    page.click(".check .row >> nth=0")
    wait_for_clip(page)
    page.keyboard.press("x")
    page.wait_for_selector("#toasts p")
    wait_for_clip(page)
    assert faults(page, axe) == []
    for key in ("?", "c", "d", "e"):
        open_dialog(page, key)
        assert faults(page, axe) == []
        page.keyboard.press("Escape")


@pytest.mark.parametrize("size", SIZES)
def test_nothing_sticks_out_sideways(shoot, reviewing, opened, size) -> None:
    page = opened(reviewing(shoot), *SIZES[size])
    for view in ("queue", "clip"):
        if view == "clip":
            page.click(".check .row >> nth=0")
            wait_for_clip(page)
        widths = page.evaluate("""() => [...document.querySelectorAll("body, header, nav, main, main > *")]
            .filter((part) => part.offsetParent !== null && part.scrollWidth > part.clientWidth + 1)
            .map((part) => part.id || part.tagName)""")
        assert widths == []


def test_all_that_can_be_clicked_can_be_reached_with_tab(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.key"))
        style = "getComputedStyle(document.activeElement)"
        ring = page.evaluate(f"{style}.outlineStyle !== 'none' || document.activeElement.matches('.rows, body')")
        assert ring, f"no visible focus on {page.evaluate('document.activeElement.outerHTML')[:200]}"
    assert {
        "search",
        "view",
        "play",
        "seek",
        "accept",
        "none",
        "other",
        "pin",
        "overview",
        "detail",
        "evidence",
        "help",
    } <= reached


def test_names_are_text_whatever_they_hold(shoot, matched, reviewing, opened) -> None:
    name = "<img src=x onerror=document.title='bad'>.mp4"
    odd = shoot.parent / name
    table = (shoot / "matches.csv").read_text(encoding="utf-8")
    with (shoot / "matches.csv").open(newline="", encoding="utf-8") as file:
        video = next(csv.DictReader(file))["video"]
    odd.write_bytes(Path(video).read_bytes())
    for path in ("matches.csv", "candidates.csv"):
        text = (shoot / path).read_text(encoding="utf-8")
        (shoot / path).write_text(text.replace(video, str(odd)), encoding="utf-8")
    assert video in table
    page = opened(reviewing(shoot))
    page.fill("#search", "onerror")
    page.click(f'.row:has-text("{name}")')
    wait_for_clip(page, other_than="")
    until(page, f"document.querySelector('#title').innerText.includes({name[:8]!r})")
    assert page.locator("bdi img").count() == 0
    assert page.title() != "bad"


def test_five_thousand_rows_are_never_all_drawn(shoot, reviewing, opened) -> None:
    with (shoot / "matches.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (shoot / "matches.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            rows[0] | {"video": f"cards/C{number:04d}.MP4", "audio": "", "confidence": "0.5"} for number in range(5000)
        )
    page = opened(reviewing(shoot), rows="#counts li")
    page.select_option("#view", "all")
    page.wait_for_selector(".all .row >> text=C0000.MP4")
    wait_for_text(page, ".all h2 small", "5,000")
    # Again until it is there: while the page begins, it scrolls to the clip that it chooses.
    last = """document.querySelector(".row[data-index='4999']")?.textContent.includes("C4999.MP4")"""
    until(page, f"(document.querySelector('#lists').scrollTop = 1e9, {last})")
    assert page.locator(".row").count() < 60
    page.wait_for_selector(".row[data-index='4999'][aria-posinset='5000']")
    page.fill("#search", "C4321")
    page.wait_for_selector(".row:has-text('C4321.MP4')")
    until(page, "document.querySelectorAll('.row').length === 1")


@pytest.mark.parametrize("value", [0.0, 0.004, 0.5, 0.806, 0.994, 0.995, 1.0])
def test_probabilities_are_worded_as_in_the_report(page_modules, value) -> None:
    assert page_modules.evaluate(
        "async (value) => (await import('/page/wording.js')).percent(value)", value
    ) == wording.percent(value)


@pytest.mark.parametrize("value", [0.0, 0.0004, 0.128, -0.08, -9.9, None])
def test_offsets_are_worded_as_in_the_report(page_modules, value) -> None:
    said = page_modules.evaluate("async (value) => (await import('/page/wording.js')).lateness(value)", value)
    assert said == wording.lateness(value)


def test_the_picture_plays_backwards_and_faster(shoot, reviewing, opened) -> None:
    page = opened(reviewing(shoot))
    wait_for_clip(page)
    page.keyboard.press("l")
    page.keyboard.press("l")
    until(page, f"{VIDEO}.playbackRate === 2 && {VIDEO}.currentTime > 1")
    before = page.evaluate(f"{VIDEO}.currentTime")
    page.keyboard.press("j")
    until(page, f"{VIDEO}.currentTime < {before} - 0.3")
    page.keyboard.press("k")
    page.wait_for_selector("#play[aria-label='Play']")


def test_the_server_ends_quietly_while_a_page_listens(shoot, opened, environment) -> None:
    command = [sys.executable, "-m", "avmatch", "review", str(shoot), "--no-browser"]
    with subprocess.Popen(command, env=environment, stdout=PIPE, stderr=PIPE, text=True) as server:
        page = opened(server.stdout.readline().strip())
        wait_for_clip(page)
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in said
    assert "ERROR" not in said
