"""The README's first picture, docs/match.webp: rendered clips, their recordings, and the pairs that `match` makes.

python docs/picture.py docs/match.webp

Everything in it is what the program answers: clips by `synth`, in the order in which pairs are listed.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import avmatch

WIDTH, ROW, TOP, NUM_BARS = 880, 64, 70, 96
FRAMES_A_SECOND, FRAMES_A_PAIR, FRAMES_AT_END = 10, 6, 30
PAPER, INK, PALE, TEAL, RUST = "#fbfaf7", "#22272b", "#b9bdb8", "#1f6f6b", "#a3522a"
COMMAND = "$ avmatch match videos audio"
THUMB = (84, 54)
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
MONO, SMALL = (ImageFont.truetype(str(FONTS / "DejaVuSansMono.ttf"), size) for size in (19, 13))


@dataclass(frozen=True)
class Row:
    """A clip, in its place on the left, and its recording's place on the right."""

    name: str
    pictures: list[Image.Image]
    place: int | None
    words: str


def pictures_of(path: Path) -> list[Image.Image]:
    """The clip's frames, ten a second, as thumbnails."""
    found, due = [], 0.0
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            if frame.time >= due:
                found.append(fitted(frame.to_image()))
                due += 1 / FRAMES_A_SECOND
    return found


def fitted(image: Image.Image) -> Image.Image:
    """A thumbnail of one size, cut at the sides or above and below."""
    scale = max(THUMB[0] / image.width, THUMB[1] / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    left, top = (image.width - THUMB[0]) // 2, (image.height - THUMB[1]) // 2
    return image.crop((left, top, left + THUMB[0], top + THUMB[1]))


def bars_of(path: Path) -> np.ndarray:
    """The loudest sample in each of NUM_BARS parts of a recording, 0…1."""
    resampler = av.AudioResampler("flt", "mono", 8000)
    with av.open(str(path)) as recording:
        blocks = [block.to_ndarray()[0] for frame in recording.decode(audio=0) for block in resampler.resample(frame)]
    parts = np.array_split(np.abs(np.concatenate(blocks)), NUM_BARS)
    levels = np.array([part.max() for part in parts])
    return levels / max(levels.max(), 1e-6)


def rows_of(result: avmatch.MatchResult, audios: list[str]) -> list[Row]:
    rows = []
    for item in result:
        words = "no match"
        if item.audio is not None:
            words = f"{item.confidence:.2f}   {1000 * (item.offset_seconds or 0):+.0f} ms"
        place = None if item.audio is None else audios.index(item.audio)
        rows.append(Row(Path(item.video).name, pictures_of(Path(item.video)), place, words))
    return rows


def frames(rows: list[Row], names: list[str], bars: list[np.ndarray]) -> Iterator[Image.Image]:
    """The animation: the command is typed, then a pair comes after the other."""
    num_typing = len(COMMAND) // 2 + 6
    matched = {row.place for row in rows}
    for at in range(num_typing + FRAMES_A_PAIR * len(rows) + FRAMES_AT_END):
        num_shown = max(0, (at - num_typing) // FRAMES_A_PAIR + 1)
        image = Image.new("RGB", (WIDTH, TOP + ROW * max(len(rows), len(bars)) + 8), PAPER)
        draw = ImageDraw.Draw(image)
        draw.text((24, 14), COMMAND[: 2 * at], INK, MONO)
        draw.text((24, 44), "silent clips: how sure, and how late the sound comes", PALE, SMALL)
        draw.text((532, 44), "recordings", PALE, SMALL)
        shown = rows[:num_shown]
        served = {row.place: row for row in shown}
        for place, row in enumerate(rows):
            draw_clip(image, draw, place, row, at, place < num_shown)
        for place, (name, levels) in enumerate(zip(names, bars, strict=True)):
            is_left = num_shown >= len(rows) and place not in matched
            draw_bars(draw, place, name, levels, TEAL if place in served else RUST if is_left else PALE)
        for place, row in enumerate(shown):
            if row.place is not None:
                draw.line((270, middle(place), 520, middle(row.place)), TEAL, 2)
        yield image


def middle(place: int) -> int:
    return TOP + ROW * place + ROW // 2


def draw_clip(image: Image.Image, draw: ImageDraw.ImageDraw, place: int, row: Row, at: int, is_shown: bool) -> None:
    image.paste(row.pictures[at % len(row.pictures)], (24, middle(place) - THUMB[1] // 2))
    draw.text((122, middle(place) - 18), row.name, INK, SMALL)
    if is_shown:
        draw.text((122, middle(place) + 2), row.words, RUST if row.place is None else TEAL, SMALL)


def draw_bars(draw: ImageDraw.ImageDraw, place: int, name: str, levels: np.ndarray, colour: str) -> None:
    for bar, level in enumerate(levels):
        half = 1 + 18 * float(level)
        draw.line((532 + 2 * bar, middle(place) - half, 532 + 2 * bar, middle(place) + half), colour, 1)
    draw.text((532 + 2 * NUM_BARS + 10, middle(place) - 8), name, INK, SMALL)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        avmatch.synthesise(Path(folder), avmatch.SynthConfig(6, seed=0, extra_videos=1, extra_audio=1))
        result = avmatch.match(f"{folder}/videos", f"{folder}/audio", cache=False, progress=False)
        audios = list(result.audio)
        rows = rows_of(result, audios)
        bars = [bars_of(Path(audio)) for audio in audios]
        first, *others = frames(rows, [Path(audio).name for audio in audios], bars)
    milliseconds = 1000 // FRAMES_A_SECOND
    first.save(sys.argv[1], save_all=True, append_images=others, duration=milliseconds, loop=0, quality=60, method=6)


if __name__ == "__main__":
    main()
