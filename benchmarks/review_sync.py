"""Picture against sound as the review's page plays them: a flash-and-beep clip, recorded from the page.

The page is opened in Chromium. Of each frame on the screen its brightness is kept, with the time of its display; of the
sound every sample that goes to the loudspeaker, with the time at which it leaves it. Both times are the page's clock
(requestVideoFrameCallback's expectedDisplayTime, AudioContext's getOutputTimestamp). A loudspeaker and a screen may add
latencies that no browser knows. Positive = the sound comes late.

    python benchmarks/review_sync.py --seconds 60 --fps 25 --offset 0.137
"""

from __future__ import annotations

import argparse
import base64
import csv
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avmatch.core.features import AudioSamples
from avmatch.media.encode import write_audio, write_clip

RATE_HZ = 48000
CHROMIUM = "/usr/bin/chromium"
#: Sound may start without a click, and a container has no sandbox of its own.
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required")
_FLASH_FRAMES, _BEEP_SECONDS, _BEEP_HZ = 3, 0.04, 1000.0
_HEIGHT, _WIDTH = 180, 320
#: Flashes are further apart than twice this.
_APART_SECONDS = 0.3

#: Keeps what the page shows and plays. `AudioNode.connect` is where every sound passes on its way out.
RECORDER = """
(() => {
  const kept = { frames: [], blocks: [], stamps: [] };
  window.kept = kept;
  const source = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([[samples]]) { this.port.postMessage([currentFrame, samples ?? new Float32Array(128)]); return true; }
  })`;
  const tap = async (node) => {
    const { context } = node;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const worklet = new AudioWorkletNode(context, "tap");
    worklet.port.onmessage = ({ data }) => kept.blocks.push(data);
    node.connect(worklet);
    setInterval(() => {
      const { contextTime, performanceTime } = context.getOutputTimestamp();
      if (performanceTime > 0 && context.state === "running") kept.stamps.push([contextTime, performanceTime / 1000]);
    }, 100);
  };
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination) tap(this);
    return connect.call(this, target, ...rest);
  };
  addEventListener("DOMContentLoaded", () => {
    const video = document.querySelector("video");
    const canvas = new OffscreenCanvas(16, 9);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const watch = (now, frame) => {
      pen.drawImage(video, 0, 0, 16, 9);
      const { data } = pen.getImageData(0, 0, 16, 9);
      let luma = 0;
      for (let place = 0; place < data.length; place += 4) luma += data[place + 1];
      kept.frames.push([frame.mediaTime, frame.expectedDisplayTime / 1000, luma / (data.length / 4)]);
      video.requestVideoFrameCallback(watch);
    };
    video.requestVideoFrameCallback(watch);
  });
})();
"""
#: What was kept, the samples as 16-bit numbers.
COLLECT = """() => {
  const { blocks, frames, stamps } = window.kept;
  const bytes = (array) => {
    let text = "";
    const all = new Uint8Array(array.buffer);
    for (let place = 0; place < all.length; place += 32768) {
      text += String.fromCharCode(...all.subarray(place, place + 32768));
    }
    return btoa(text);
  };
  const samples = new Int16Array(blocks.length * 128);
  blocks.forEach(([, block], place) => samples.set(block.map((value) => 32767 * value), 128 * place));
  return { frames, stamps, firstFrames: bytes(Float64Array.from(blocks, ([first]) => first)), samples: bytes(samples) };
}"""


@dataclass(frozen=True)
class FlashClip:
    """A clip with flashes, and a recording with a beep for each.

    Attributes:
        result: the folder that the review shows.
        flashes_seconds: when they are on the screen, from the first frame on.
        offset_seconds: of the sound in the recording.
    """

    result: Path
    flashes_seconds: tuple[float, ...]
    offset_seconds: float


@dataclass(frozen=True)
class Sync:
    """What was measured.

    Attributes:
        times_seconds: of the flashes that were recorded, in the clip.
        errors_seconds: for each, how much later its beep is heard.
        num_silent: flashes without a beep.
        num_shown: frames on the screen.
    """

    times_seconds: tuple[float, ...]
    errors_seconds: tuple[float, ...]
    num_silent: int
    num_shown: int


def make_flash_clip(
    folder: Path, *, seconds: float, fps: Fraction = Fraction(25), offset_seconds: float = 0.137
) -> FlashClip:
    """Flashes at uneven times, so that no beep can be taken for its neighbour's."""
    rng = np.random.default_rng(7)
    gaps = np.cumsum(rng.uniform(0.7, 1.3, size=int(2 * seconds)))
    firsts = [round(float(gap) * fps) for gap in gaps if gap < seconds - 0.5]
    num_frames = round(seconds * fps)
    white = {first + step for first in firsts for step in range(_FLASH_FRAMES)}
    video, audio = folder / "clip.mp4", folder / "recording.wav"
    frames = (np.full((_HEIGHT, _WIDTH, 3), 235 if number in white else 20, np.uint8) for number in range(num_frames))
    write_clip(video, frames, fps=fps)
    flashes = tuple(float(first / fps) for first in firsts)
    write_beeps(audio, flashes, offset_seconds)
    return FlashClip(write_result(folder / "result", video, audio, offset_seconds), flashes, offset_seconds)


def write_beeps(path: Path, flashes_seconds: Sequence[float], offset_seconds: float) -> None:
    """A recording with a beep for each of these flashes."""
    samples = np.zeros(round((max(flashes_seconds) + max(0.0, offset_seconds) + 2) * RATE_HZ), np.float32)
    beep = 0.5 * np.sin(2 * np.pi * _BEEP_HZ * np.arange(round(_BEEP_SECONDS * RATE_HZ)) / RATE_HZ)
    for flash in flashes_seconds:
        place = round((flash + offset_seconds) * RATE_HZ)
        samples[place : place + len(beep)] = beep
    write_audio(path, AudioSamples(samples[None], RATE_HZ))


def write_result(folder: Path, video: Path, audio: Path, offset_seconds: float) -> Path:
    """A result with one doubtful pair."""
    folder.mkdir()
    offset_ms = f"{1000 * offset_seconds:.3f}"
    tables = {
        "matches.csv": {
            "video": video,
            "audio": audio,
            "confidence": 0.6,
            "score": 2,
            "offset_ms": offset_ms,
            "cue": "events",
        },
        "candidates.csv": {
            "video": video,
            "rank": 1,
            "audio": audio,
            "score": 2,
            "confidence": 0.6,
            "offset_ms": offset_ms,
        },
    }
    for name, row in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)
    return folder


@contextmanager
def serving(result: Path) -> Iterator[str]:
    """The address of a review of `result`, as long as it is needed."""
    command = [sys.executable, "-m", "avmatch", "review", str(result), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@contextmanager
def browser(executable: str = CHROMIUM) -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_ARGUMENTS))
        yield chromium
        chromium.close()


def measure(chromium: Any, address: str, seconds: float, halfway: str = "") -> Sync:
    """Play the clip in the page for some seconds, press a key `halfway`, and compare flashes and beeps."""
    context = chromium.new_context(bypass_csp=True)  # the recorder is no part of the page
    try:
        page = context.new_page()
        page.add_init_script(RECORDER)
        page.goto(address)
        page.wait_for_function("document.querySelector('video').readyState >= 3", timeout=120_000)
        page.keyboard.press("k")
        page.wait_for_timeout(500 * seconds)
        if halfway:
            page.keyboard.press(halfway)
        page.wait_for_timeout(500 * seconds)
        page.keyboard.press("k")
        return compared(page.evaluate(COLLECT))
    finally:
        context.close()


def compared(kept: dict[str, Any]) -> Sync:
    """Each flash that was shown, with the beep that was heard nearest to it."""
    first_frames = np.frombuffer(base64.b64decode(kept["firstFrames"]), np.float64)
    samples = np.frombuffer(base64.b64decode(kept["samples"]), np.int16).reshape(len(first_frames), 128)
    beeps = heard_at(beep_times(samples, first_frames), np.array(kept["stamps"]))
    frames = kept["frames"]
    bright = [
        (media, shown) for (_, _, before), (media, shown, luma) in itertools.pairwise(frames) if luma > 128 >= before
    ]
    near = [float(beeps[np.argmin(np.abs(beeps - shown))]) - shown if len(beeps) else np.inf for _, shown in bright]
    errors = {media: error for (media, _), error in zip(bright, near, strict=True) if abs(error) < _APART_SECONDS}
    return Sync(tuple(errors), tuple(errors.values()), len(bright) - len(errors), len(frames))


def heard_at(context_seconds: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Times of the audio context on the page's clock; the two part for good when a busy machine drops a block."""
    lags = stamps[:, 1] - stamps[:, 0]
    near = [lags[np.abs(stamps[:, 0] - time) < 1.0] for time in context_seconds]
    return np.array([time + np.median(lag) for time, lag in zip(context_seconds, near, strict=True) if len(lag)])


def beep_times(samples: np.ndarray, first_frames: np.ndarray) -> np.ndarray:
    """When each beep starts, in seconds of the audio context; blocks may be missing where nothing was recorded."""
    loud = np.abs(samples.astype(np.int32)) > 2000
    starts = (first_frames[:, None] + np.arange(samples.shape[1]))[loud] / RATE_HZ
    if not len(starts):
        return starts
    is_first = np.diff(starts, prepend=-np.inf) > 2 * _BEEP_SECONDS
    return starts[is_first]


def main() -> None:
    """Print the error of each piece of ten seconds, and of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--fps", type=Fraction, default=Fraction(25))
    parser.add_argument("--offset", type=float, default=0.137)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        clip = make_flash_clip(
            Path(temporary), seconds=arguments.seconds, fps=arguments.fps, offset_seconds=arguments.offset
        )
        with serving(clip.result) as address, browser() as chromium:
            report(measure(chromium, address, arguments.seconds - 1))


def report(sync: Sync) -> None:
    """Print it."""
    times, errors = np.array(sync.times_seconds), 1000 * np.array(sync.errors_seconds)
    pieces = [(f"{begin:4.0f} s", (times >= begin) & (times < begin + 10)) for begin in np.arange(0, times.max(), 10)]
    for title, chosen in (*pieces, ("all   ", times >= 0)):
        part = errors[chosen]
        furthest = part[np.abs(part).argmax()]
        print(f"{title}  {len(part):3d} flashes  median {np.median(part):+6.1f} ms  furthest {furthest:+6.1f} ms")
    print(f"{sync.num_shown} frames shown, {sync.num_silent} flashes without a beep")


if __name__ == "__main__":
    main()
