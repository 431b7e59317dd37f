"""The review's page as its tests read it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

#: Chromium shares two cores with other tests.
PATIENCE_SECONDS = 120
VIDEO = "document.querySelector('video')"
SIZES = {"phone": (420, 900), "laptop": (1440, 900), "4k": (3840, 2160)}


def faults(page: Any, axe: str) -> list[str]:
    """What axe-core finds serious or critical."""
    page.evaluate(axe)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:120]} ({node['failureSummary'][:300]})"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def until(page: Any, expression: str) -> None:
    """Wait until it is true in the page, whose policy forbids the `eval` of Playwright's own waiting."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(50)


def wait_for_count(page: Any, what: str, number: int) -> None:
    """Wait until a figure of the header is `number`."""
    page.wait_for_selector(f"#counts li:has-text('{number} {what}')")


def wait_for_title(page: Any, name: str) -> None:
    """Wait until this clip is chosen."""
    until(page, f"document.querySelector('#title').innerText === {json.dumps(name)}")


def wait_for_clip(page: Any, *, other_than: str = "Choose a clip") -> str:
    """The name of the chosen clip, once its recordings are there and its picture can be played."""
    until(page, f"document.querySelector('#title').innerText !== {json.dumps(other_than)}")
    page.wait_for_selector(".candidate")
    until(page, f"{VIDEO}.readyState >= 2")
    return page.inner_text("#title")


def open_dialog(page: Any, key: str) -> None:
    """Press a key that opens a dialog, and wait for that."""
    page.keyboard.press(key)
    until(page, f"document.querySelector('dialog[open]') !== null /* by {key} */")


def wait_until_closed(page: Any) -> None:
    """Wait until no dialog is open."""
    until(page, "document.querySelector('dialog[open]') === null")


def wait_for_text(page: Any, selector: str, text: str) -> None:
    """Wait until an element says exactly this."""
    until(page, f"document.querySelector({json.dumps(selector)}).innerText === {json.dumps(text)}")


def holding(page: Any, pattern: str) -> Callable[[], None]:
    """Hold back what the page fetches from addresses like this; the returned function waits for it and lets it go.

    In the page itself: what is fetched right after the browser is told to intercept may still slip by.
    """
    page.evaluate(
        """(pattern) => {
            const { fetch } = window;
            const held = new Promise((resolve) => { window.release = resolve; });
            window.fetch = async (path, ...options) => {
                if (new RegExp(pattern).test(path)) {
                    window.isHeld = true;
                    await held;
                }
                return fetch(path, ...options);
            };
        }""",
        pattern,
    )

    def release() -> None:
        until(page, "window.isHeld === true")
        page.evaluate("release()")

    return release


def slowed(page: Any, rate: float) -> None:
    """The page runs so many times slower from now on, as on a busy machine."""
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})
