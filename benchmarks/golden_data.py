"""Tiny inputs for `golden.py`: clips from `avmatch synth`, the rest written here, always the same.

Each maker fills one folder, and may use folders that others have filled. No maker imports avmatch.
"""

from __future__ import annotations

import csv
import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import av
import numpy as np

SCENE_LABELS = ("bark", "clock", "tram")
WORDS = ("left", "right")
SAMPLE_RATE_HZ, FPS = 16000, 25


class Workplace(Protocol):
    """What a maker needs of the place where it works."""

    def data(self, name: str) -> Path:
        """The folder of other inputs."""

    def synth(self, folder: Path, *arguments: object) -> None:
        """Run `avmatch synth`."""


def write_scenes(folder: Path, place: Workplace) -> None:
    """Six pairs of all kinds, a video and a recording without partner, a copy of a video and a broken file."""
    place.synth(folder, "--scenes", 6, "--duration", 4, "--extra-videos", 1, "--extra-audio", 1, "--seed", 3)
    (folder / "videos" / "v_broken.mp4").write_text("this is not a video")


def write_copies(folder: Path, place: Workplace) -> None:
    """Videos of scenes of which two show the same."""
    (folder / "videos").mkdir(parents=True)
    videos = sorted((place.data("scenes") / "videos").glob("v_0*.mp4"))[:4]
    for number, video in enumerate([*videos, videos[1]]):
        (folder / "videos" / f"{number}.mp4").write_bytes(video.read_bytes())


def write_learn(folder: Path, place: Workplace) -> None:
    """Twelve scenes to learn from, and a list of them with classes."""
    place.synth(folder, "--scenes", 12, "--duration", 3, "--kind", "drums,clock,balls", "--seed", 11)
    rows = [[row["video"], row["audio"], row["kind"]] for row in _truth(folder)]
    write_table(folder / "list.csv", ["video", "audio", "label"], rows)


def write_late(folder: Path, place: Workplace) -> None:
    """Clips with their sound 200 ms late, of four kinds."""
    arguments = ("--scenes", 4, "--duration", 5, "--kind", "drums,face,clock,balls", "--offset-ms", 200, "--seed", 5)
    place.synth(folder, *arguments)
    _mux_all(folder)


def write_scratch(folder: Path, place: Workplace) -> None:
    """The videos of the scenes with their own sound in them."""
    scenes = place.data("scenes")
    for number, row in enumerate(_truth(scenes)):
        mux(scenes / row["video"], scenes / row["audio"], folder / "videos" / f"{number}.mkv")


def write_faces(folder: Path, place: Workplace) -> None:
    """Eight talking faces with speakers, splits, and words whose times are invented."""
    place.synth(folder, "--scenes", 8, "--duration", 4, "--kind", "face", "--seed", 7)
    clips = _mux_all(folder)
    rows = [
        [clip.name, f"speaker{number // 2}", "test" if number < 2 else "train"] for number, clip in enumerate(clips)
    ]
    write_table(folder / "clips" / "manifest.csv", ["file", "group", "split"], rows)
    said = [
        [clip.name, WORDS[(number + place_) % 2], 0.4 + 0.8 * place_, 0.72 + 0.8 * place_]
        for number, clip in enumerate(clips)
        for place_ in range(4)
    ]
    write_table(folder / "clips" / "words.csv", ["file", "word", "start_s", "end_s"], said)


def write_pairs(folder: Path, _: Workplace) -> None:
    """96 pairs of features with a hidden cause in common, as STD2022 has them."""
    cause = np.random.default_rng(0).standard_normal((96, 1, 6))
    video, audio = (_caused(cause, size) for size in (16, 12))
    np.save(folder / "vfeat.npy", video.astype(np.float16))
    np.save(folder / "afeat.npy", np.clip(128 + 20 * audio, 0, 255).astype(np.uint8))


def write_features(folder: Path, _: Workplace) -> None:
    """The same as folders of a file each, one of them broken."""
    cause = np.random.default_rng(1).standard_normal((10, 1, 6))
    for side, size in (("videos", 16), ("audio", 12)):
        (folder / side).mkdir()
        for number, item in enumerate(_caused(cause, size)):
            stored = item.astype(np.float16) if side == "videos" else np.clip(128 + 20 * item, 0, 255).astype(np.uint8)
            np.save(folder / side / f"{number}.npy", stored)
    (folder / "videos" / "broken.npy").write_text("not an array")


def _caused(cause: np.ndarray, num_features: int) -> np.ndarray:
    mixing = np.random.default_rng(num_features).standard_normal((cause.shape[2], num_features))
    noise = np.random.default_rng(100 + num_features).standard_normal((len(cause), 6, num_features))
    return np.asarray(cause @ mixing + 0.3 * noise)


def write_classes(folder: Path, _: Workplace) -> None:
    """train/ and test/: packed clips, in which two of six steps tell the class."""
    for seed, (name, num) in enumerate((("train", 90), ("test", 30))):
        rng = np.random.default_rng(seed)
        label = np.arange(num) % len(SCENE_LABELS)
        audio, video = rng.standard_normal((num, 6, 4)), rng.standard_normal((num, 6, 5))
        for side in (audio, video):
            step = rng.integers(5, size=num)
            for more in (0, 1):
                side[np.arange(num), step + more, label] += 3
        if name == "test":
            video[0] = np.nan
        (folder / name).mkdir()
        np.save(folder / name / "afeat.npy", audio.astype(np.float32))
        np.save(folder / name / "vfeat.npy", video.astype(np.float32))
        rows = [[row, own, SCENE_LABELS[own], f"tube{row // 2}"] for row, own in enumerate(label.tolist())]
        write_table(folder / name / "index.csv", ["row", "class_id", "category", "youtube_id"], rows)


def write_predictions(folder: Path, _: Workplace) -> None:
    """What three systems say of 40 items."""
    label = np.arange(40) % 3
    for seed in range(3):
        logits = np.random.default_rng(seed).normal(size=(40, 3)) + 1.5 * np.eye(3)[label]
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        lines = ["\t".join(["aid", "scene_pred", "scene_label", *SCENE_LABELS])]
        for row, share in enumerate(shares):
            said = [f"clip{row}", SCENE_LABELS[share.argmax()], SCENE_LABELS[label[row]], *map(repr, share.tolist())]
            lines.append("\t".join(said))
        (folder / f"{seed}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_sounds(folder: Path, _: Workplace) -> None:
    """Three classes of sounds in ESC-50's layout: two recordings of each in each of its five folds."""
    rng, rows = np.random.default_rng(0), []
    (folder / "meta").mkdir()
    (folder / "audio").mkdir()
    for label, name in enumerate(("bell", "drone", "rain")):
        for number in range(10):
            times = np.arange(20000) / SAMPLE_RATE_HZ
            tone = rng.normal(size=len(times)) if label == 2 else np.sin(2 * np.pi * (2500, 200)[label] * times)
            file, fold = f"{number % 5 + 1}-{label}{number}-A-{label}.wav", number % 5 + 1
            write_wav(folder / "audio" / file, 0.3 * tone + rng.normal(0, 0.05, len(times)))
            rows.append([file, fold, label, name, True, f"{label}{number}", "A"])
    header = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    write_table(folder / "meta" / "esc50.csv", header, rows)


def write_actions(folder: Path, _: Workplace) -> None:
    """UCF101's layout: two classes of two colours, without sound."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for label, name in enumerate(("Archery", "Biking")):
        for group in range(1, 5):
            path = f"{name}/v_{name}_g{group:02d}_c01.avi"
            shade = np.zeros((32, 32, 3), np.uint8)
            shade[..., 2 * label] = 150 + 20 * group
            write_video(folder / "UCF-101" / path, [shade] * 12, fps=10)
            lists["test" if group == 1 else "train"].append(f"{path} {label + 1}")
    (folder / "lists").mkdir()
    for split, lines in lists.items():
        (folder / "lists" / f"{split}list01.txt").write_text("\n".join(lines) + "\n")


def write_mouths(folder: Path, _: Workplace) -> None:
    """A packed set of 16 clips of mouths and samples, and the words that light up one side of the mouth."""
    rng, rows = np.random.default_rng(0), []
    names = [f"{number}.mp4" for number in range(16)]
    ticks = 40
    frames = rng.integers(60, 90, size=(len(names) * ticks, 112, 112), dtype=np.uint8)
    samples = rng.normal(0, 300, len(names) * ticks * 640)
    for number, name in enumerate(names):
        for turn, word in enumerate(rng.permutation(WORDS).tolist()):
            begin = 4 + 16 * turn
            first = number * ticks + begin
            side = slice(20, 56) if word == "left" else slice(56, 92)
            frames[first : first + 8, 20:92, side] += 120
            times = np.arange(8 * 640) / SAMPLE_RATE_HZ
            samples[first * 640 : (first + 8) * 640] += 8000 * np.sin(2 * np.pi * (300, 1200)[word == "left"] * times)
            rows.append([name, word, begin / FPS, (begin + 8) / FPS])
    np.save(folder / "video-00000.npy", frames)
    np.save(folder / "audio-00000.npy", samples.astype(np.int16))
    blank = [""] * len(names)
    index = {"video_kind": "mouths", "audio_kind": "samples", "video_rate_hz": 25.0, "audio_rate_hz": 16000.0}
    columns = {"names": names, "group": names, "label": blank, "num_items": [len(names)], "version": 1}
    lengths = {"video": [ticks] * len(names), "audio": [640 * ticks] * len(names)}
    (folder / "index.json").write_text(json.dumps(index | columns | lengths))
    write_table(folder / "words.csv", ["file", "word", "start_s", "end_s"], rows)


def write_collisions(folder: Path, place: Workplace) -> None:
    """A simulated set in the Tilt-Bot's layout."""
    arguments = ("--kind", "collision", "--per-class", 4, "--sounds", 6, "--groups", 1, "--seed", 3)
    place.synth(folder, *arguments)


MAKERS: dict[str, Callable[[Path, Workplace], None]] = {
    "scenes": write_scenes,
    "copies": write_copies,
    "learn": write_learn,
    "late": write_late,
    "scratch": write_scratch,
    "faces": write_faces,
    "pairs": write_pairs,
    "features": write_features,
    "classes": write_classes,
    "predictions": write_predictions,
    "sounds": write_sounds,
    "actions": write_actions,
    "mouths": write_mouths,
    "collisions": write_collisions,
}


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Mono, 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def write_video(path: Path, frames: Sequence[np.ndarray], fps: int) -> None:
    """RGB frames as a silent video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))


def mux(video: Path, audio: Path, out: Path) -> Path:
    """The picture of one file and the sound of another, copied into one Matroska file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(out), "w") as container, av.open(str(video)) as seen, av.open(str(audio)) as heard:
        sources = (seen.streams.video[0], heard.streams.audio[0])
        targets = [container.add_stream_from_template(source) for source in sources]
        packets = [
            (float(packet.dts * packet.time_base), number, packet)
            for number, (opened, source) in enumerate(zip((seen, heard), sources, strict=True))
            for packet in opened.demux(source)
            if packet.dts is not None
        ]
        for _, number, packet in sorted(packets, key=lambda item: item[:2]):
            packet.stream = targets[number]
            container.mux(packet)
    return out


def _mux_all(folder: Path) -> list[Path]:
    return [
        mux(folder / row["video"], folder / row["audio"], folder / "clips" / f"{Path(row['video']).stem}.mkv")
        for row in _truth(folder)
    ]


def _truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["video"] and row["audio"]]
