"""The PNG files: there, whole, and with the right things marked."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from avmatch.core.matches import Match
from avmatch.core.results import Piece, SyncResult
from avmatch.reports.plots import plot_match, plot_sync

LAGS = tuple(np.linspace(-1.0, 1.0, 81).tolist())
CURVE = tuple(float(np.exp(-(((lag - 0.15) / 0.05) ** 2))) for lag in LAGS)
ACCENT_BGR, DOUBT_BGR = (0x69, 0x61, 0x0D), (0x0A, 0x53, 0x96)


def picture(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    assert min(image.shape[:2]) > 300
    return image


def columns_of(image: np.ndarray, colour_bgr: tuple[int, int, int]) -> np.ndarray:
    """The columns in which most of the height has this colour: vertical lines."""
    return np.flatnonzero((image == colour_bgr).all(axis=2).mean(axis=0) > 0.6)


def sync_result(offset_seconds: float, name: str = "clip.mp4") -> SyncResult:
    return SyncResult(name, offset_seconds, 25.0, 0.9, "mouth", "ok", None, LAGS, CURVE)


def test_chosen_offset_is_marked_where_it_is(tmp_path):
    middles = []
    for offset_seconds in (-0.5, 0.0, 0.5):
        plot_sync(sync_result(offset_seconds), tmp_path / "sync.png")
        middles.append(columns_of(picture(tmp_path / "sync.png"), ACCENT_BGR).mean())
    assert middles[2] - middles[1] == pytest.approx(middles[1] - middles[0], abs=2)
    assert middles[2] - middles[1] > 200


def test_no_offset_is_marked_of_a_sound_that_is_not_of_this_picture(tmp_path):
    doubtful = replace(sync_result(0.5), status="uncertain")
    pictures = []
    for status in ("uncertain", "unrelated"):
        plot_sync(replace(doubtful, status=status, belongs=0.03), tmp_path / "sync.png")
        pictures.append(columns_of(picture(tmp_path / "sync.png"), DOUBT_BGR).size)
    assert pictures[0] > 0 == pictures[1]


def test_every_offset_of_a_spliced_sound_is_marked(tmp_path):
    pieces = (Piece(0.0, 20.0, -0.4, (-0.44, -0.36)), Piece(20.0, 60.0, 0.5, (0.46, 0.54), (19.0, 21.0)))
    spliced = replace(sync_result(0.5), status="uncertain", reason="splice", pieces=pieces)
    plot_sync(spliced, tmp_path / "sync.png")
    marked = columns_of(picture(tmp_path / "sync.png"), DOUBT_BGR)
    assert marked.max() - marked.min() > 200
    plot_sync(replace(spliced, pieces=pieces[1:]), tmp_path / "sync.png")
    assert np.ptp(columns_of(picture(tmp_path / "sync.png"), DOUBT_BGR)) < 20


def test_failed_sync_has_a_picture_too(tmp_path):
    failed = SyncResult("c.mp4", None, None, 0.0, "", "failed", "silence", message="the sound is silent")
    plot_sync(failed, tmp_path / "sync.png")
    assert columns_of(picture(tmp_path / "sync.png"), ACCENT_BGR).size == 0


@pytest.mark.parametrize("name", ["a $x_{$ b.mp4", "シーン\n🎬.mp4", b"caf\xe9.mp4".decode("utf-8", "surrogateescape")])
def test_names_are_drawn_as_they_are(build, tmp_path, name):
    plot_sync(sync_result(0.1, name), tmp_path / "sync.png")
    plot_match(build(1, videos=(name,), matches=(Match(name, None, 0.1, None, None, ""),)), tmp_path / "m.png")
    picture(tmp_path / "sync.png")
    picture(tmp_path / "m.png")


def test_matrix_with_numbers_that_are_not_finite(build, tmp_path):
    similarity = np.array([[np.nan, np.inf], [-np.inf, 2.0]], dtype=np.float32)
    plot_match(build(2, similarity=similarity), tmp_path / "matrix.png")
    strongest_bgr = (0x3D, 0x36, 0x07)
    share = (picture(tmp_path / "matrix.png") == strongest_bgr).all(axis=2).mean()
    assert 0.1 < share < 0.3  # one cell of four, in about two thirds of the picture


def test_matrix_of_nothing(empty, tmp_path):
    plot_match(empty, tmp_path / "matrix.png")
    picture(tmp_path / "matrix.png")


def test_large_matrix(build, tmp_path):
    plot_match(build(800), tmp_path / "matrix.png")
    picture(tmp_path / "matrix.png")


def test_matplotlib_comes_only_with_a_picture_and_never_pyplot(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "import avmatch.reports.output; from avmatch.reports import plots\n"
        "from avmatch.core.results import SyncResult\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.plot_sync(SyncResult('c', None, None, 0.0, '', 'failed'), Path(sys.argv[1]))\n"
        "assert 'matplotlib' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "sync.png")], check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["sync.png"]
