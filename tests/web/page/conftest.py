"""A browser, a shoot to review in it, and the review's server: Chromium is driven by Playwright."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from review_sync import CHROMIUM, browser

from avmatch.reports import wording
from review_page import PATIENCE_SECONDS

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium; skips without it."""
    pytest.importorskip("playwright", reason="Playwright isn't installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip(f"no browser: neither {CHROMIUM} nor Chrome is installed")
    with browser(found) as running:
        yield running


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of each command: a cache that all workers share."""
    return os.environ | {"XDG_CACHE_HOME": str(_shared(tmp_path_factory) / "page cache"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def avmatch(environment: dict[str, str]) -> Callable[..., str]:
    """Runs a command to its end; returns what it prints."""

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "avmatch", *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def matched(avmatch: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven clips, matched: a folder with `clips` and `result`."""
    folder = _shared(tmp_path_factory) / "page shoot"
    with FileLock(f"{folder}.lock"):
        if not (folder / "result" / "matches.csv").exists():
            avmatch("synth", folder / "clips", "--scenes", 7, "--duration", 5)
            avmatch("match", folder / "clips" / "videos", folder / "clips" / "audio", "-o", folder / "result")
    return folder


@pytest.fixture
def shoot(matched: Path, tmp_path: Path) -> Path:
    """A result whose first three pairs are wrong and doubtful; each true recording is its second candidate."""
    result = tmp_path / "result"
    shutil.copytree(matched / "result", result)
    truth = {Path(row["video"]).name: Path(row["audio"]).name for row in _rows(matched / "clips" / "truth.csv")}
    folder = matched / "clips" / "audio"
    matches = _rows(result / "matches.csv")
    right = [str(folder / truth[Path(row["video"]).name]) for row in matches]
    wrong = [*right[1:3], right[0], *right[3:]]
    for place, row in enumerate(matches):
        is_wrong = wrong[place] != right[place]
        sureness = (
            {"confidence": "0.55", "offset_confidence": "0.6"}
            if is_wrong
            else {"confidence": "0.99", "offset_confidence": "0.98"}
        )
        row |= {"audio": wrong[place], "offset_ms": "0.0", "score": "2.0", "cue": "events"} | sureness
    _write(result / "matches.csv", matches)
    candidates = [
        {"video": row["video"], "rank": rank, "audio": audio, "score": 3 - rank, "confidence": 0.5, "offset_ms": 0.0}
        for row, *listed in zip(matches, wrong, right, strict=True)
        for rank, audio in enumerate(dict.fromkeys(listed), start=1)
    ]
    _write(result / "candidates.csv", candidates)
    return result


@pytest.fixture(scope="session")
def sounds(avmatch: Callable[..., str], matched: Path) -> Path:
    """An index of the recordings of the clips."""
    folder = matched / "index"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            avmatch("index", matched / "clips" / "audio", "-o", folder)
    return folder


@pytest.fixture
def reviewing(environment: dict[str, str]) -> Iterator[Callable[..., str]]:
    """Starts `avmatch review`; returns the address of the page."""
    servers: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> str:
        command = [sys.executable, "-m", "avmatch", "review", *map(str, arguments), "--no-browser"]
        servers.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        assert servers[-1].stdout is not None
        return servers[-1].stdout.readline().strip()

    yield start
    for server in servers:
        with server:
            server.terminate()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own; no script may fail in it."""
    contexts, faults = [], []

    def open_page(address: str, width: int = 1440, height: int = 900, rows: str = ".row", **options: object) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(1000 * PATIENCE_SECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.goto(address)
        page.wait_for_selector(rows)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script, fetched with npm; skips where that can't be."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core: npm isn't installed")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, check=False)
    packed = next(folder.glob("*.tgz"), None)
    if packed is None:
        pytest.skip(f"axe-core: npm can't fetch it: {fetched.stderr.strip()[:200]}")
    with tarfile.open(packed) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.fixture(scope="module")
def page_modules(chromium) -> Any:
    """A page that can import the review's modules, without a server."""
    folder = Path(wording.__file__).parents[1] / "web" / "page"
    page = chromium.new_page()

    def serve(route: Any) -> None:
        name = route.request.url.rpartition("/page/")[2]
        body = (folder / name).read_text(encoding="utf-8") if "/page/" in route.request.url else "<!DOCTYPE html>"
        route.fulfill(body=body, content_type="text/javascript" if name.endswith(".js") else "text/html")

    page.route("**/*", serve)
    page.goto("http://127.0.0.1/")
    yield page
    page.close()


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.getbasetemp()
    return root.parent if "PYTEST_XDIST_WORKER" in os.environ else root


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("video") and row.get("audio") is not None]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
