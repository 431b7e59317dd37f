"""The layout of the Tilt-Bot collisions: where the sounds and videos of each task lie, and what one file holds.

    DATASET/dataset/train/<class>/<n>/{audio_data.pkl, rgb/*.jpg, mask/*.png}
    DATASET/dataset/task1/test/audio_0000.pkl
    DATASET/dataset/task{2,3}/test/<0-9>/{audio_0000.pkl, video_0000/{rgb,mask}/}

DATASET may be the folder `dataset` itself. Numbers needn't follow one another. What doesn't belong there (.rar, .npy,
.DS_Store …) is left alone and named in the notes, as is everything that was made fit: short sounds, missing masks.

Letters in shapes: S samples, T frames, H rows, W columns.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.systems.collisions.frontends import MASK_PX, MAX_FRAMES, NUM_SAMPLES, SAMPLE_RATE_HZ, centroid
from avmatch.systems.collisions.safe_pickle import load_plain

#: In the order of their numbers, 0–9.
CLASSES = (
    "061_foam_brick",
    "green_basketball",
    "salt_cylinder",
    "shiny_toy_gun",
    "stanley_screwdriver",
    "strawberry",
    "toothpaste_box",
    "toy_elephant",
    "whiteboard_spray",
    "yellow_block",
)
TASKS = (1, 2, 3)
#: Microphones.
NUM_CHANNELS = 4
SOUND_NAME = "audio_data.pkl"
_TEST_SOUND = re.compile(r"audio_(\d+)\.pkl")
_TEST_FILM = re.compile(r"video_(\d+)")
_PICTURES = frozenset({".jpg", ".jpeg", ".png"})
#: So many stray files are named; the rest is counted.
_MAX_NAMED = 8
#: Samples are about ±1, or ±32768 where they weren't scaled; beyond this, powers overflow float32.
_LOUDEST = 1e6


@dataclass(frozen=True)
class VideoFiles:
    """The pictures of one video in their order; a frame lacks one of the two where that is missing."""

    name: str
    frames: tuple[tuple[Path | None, Path | None], ...]


@dataclass(frozen=True)
class Segment:
    """One impact of the training set: `class/n`, its class, its sound and its video."""

    name: str
    label: int
    sound: Path
    film: VideoFiles


@dataclass(frozen=True)
class Group:
    """The sounds and videos of one test folder; `name` is the folder's, "" in task 1, which has no videos."""

    name: str
    sounds: tuple[Path, ...]
    videos: tuple[VideoFiles, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Video:
    """What is read of a video.

    Attributes:
        centroids: (T, 2) x and y of the object in the mask, in pixels; NaN where there is no mask.
        masks: (T, H, W) the masks, 0 or 255, H = W = 440; zeros where there is none.
        pictures: (T) of the same frames; None where there is none.
        notes: what was missing.
    """

    centroids: Float[np.ndarray, "T 2"]
    masks: UInt8[np.ndarray, "T H W"]
    pictures: tuple[Path | None, ...]
    notes: tuple[str, ...] = ()


def list_training(dataset: str | Path) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """The segments by class and number, and notes on what is there besides.

    Raises:
        UsageError: there is no segment.
    """
    folder = _root(dataset) / "train"
    strays: list[Path] = []
    segments, notes = [], []
    for place in _chosen(folder, lambda place: place.name in CLASSES and place.is_dir(), strays):
        for one in _chosen(place, _is_numbered, strays):
            if (one / SOUND_NAME).is_file():
                name = f"{place.name}/{one.name}"
                film = _film(one, name, strays)
                strays.remove(one / SOUND_NAME)
                segments.append(Segment(name, CLASSES.index(place.name), one / SOUND_NAME, film))
            else:
                notes.append(f"{one}: no {SOUND_NAME}; left out")
    if not segments:
        raise UsageError(f"{folder}: no segment there; expected <class>/<n>/{SOUND_NAME}, classes {', '.join(CLASSES)}")
    return tuple(segments), (*_stray_notes(strays), *notes)


def list_task(dataset: str | Path, task: int) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """The test groups of a task (one without videos for task 1), and notes on what is there besides.

    Raises:
        UsageError: no such task, or nothing of it there.
    """
    if task not in TASKS:
        raise UsageError(f"no task {task}; there are {', '.join(map(str, TASKS))}")
    folder = _root(dataset) / f"task{task}" / "test"
    strays: list[Path] = []
    others: list[Path] = []
    if task == 1:
        group = _group(folder, "", strays)
        others = [folder / Path(film.name).name for film in group.videos]
        groups = [replace(group, videos=())]
    else:
        groups = [_group(place, place.name, strays) for place in _chosen(folder, _is_numbered, others)]
    if not any(group.sounds for group in groups):
        raise UsageError(f"{folder}: no audio_0000.pkl there" + ("" if task == 1 else " in folders 0, 1, …"))
    return tuple(groups), _stray_notes([*strays, *others])


def read_sound(path: Path) -> tuple[AudioSamples, tuple[str, ...]]:
    """The four channels as the file has them, and notes.

    Raises:
        MediaError: the pickle is refused or damaged, or holds no sound of four channels at 44.1 kHz.
    """
    held = load_plain(path)
    if not isinstance(held, dict) or "audio" not in held:
        raise _unfit(path, "expected a dict with `audio` and `audio_samplerate`")
    try:
        audio = np.asarray(held["audio"])
        rate_hz = float(held.get("audio_samplerate", SAMPLE_RATE_HZ))
    except (TypeError, ValueError) as error:
        raise _unfit(path, f"expected numbers ({error})") from error
    if audio.dtype.kind not in "fiu" or audio.ndim != 2 or audio.shape[1] != NUM_CHANNELS or not len(audio):
        raise _unfit(path, f"`audio` must be (samples, {NUM_CHANNELS}), got {audio.shape} {audio.dtype}")
    if rate_hz != SAMPLE_RATE_HZ:
        raise _unfit(path, f"`audio_samplerate` must be {SAMPLE_RATE_HZ}, got {rate_hz:g}")
    if audio.dtype.kind in "iu":
        audio = audio / float(np.iinfo(audio.dtype).max)
    if not (np.abs(audio) < _LOUDEST).all():
        raise _unfit(path, f"holds values that are no numbers, or beyond ±{_LOUDEST:g}")
    notes = []
    if len(audio) != NUM_SAMPLES:
        done = "padded with silence" if len(audio) < NUM_SAMPLES else "cut"
        notes.append(f"{path}: {len(audio)} samples, {done} to {NUM_SAMPLES}")
    return AudioSamples(np.ascontiguousarray(audio.T, np.float32), SAMPLE_RATE_HZ), tuple(notes)


def read_video(files: VideoFiles) -> Video:
    """The masks and their centroids. Raises MediaError if there is no frame at all."""
    if not files.frames:
        raise MediaError(files.name, "no frame in rgb/ or mask/", stage="open", reason="no_frames")
    notes, shown = [], files.frames[:MAX_FRAMES]
    if len(files.frames) > MAX_FRAMES:
        notes.append(f"{files.name}: {len(files.frames)} frames, the first {MAX_FRAMES} count")
    masks = np.zeros((len(shown), MASK_PX, MASK_PX), np.uint8)
    centroids = np.full((len(shown), 2), np.nan)
    for place, (_, path) in enumerate(shown):
        mask = read_picture(path, cv2.IMREAD_GRAYSCALE)
        if mask is not None and mask.shape == (MASK_PX, MASK_PX):
            masks[place] = mask
            centroids[place] = centroid(mask)
    missing = int(np.isnan(centroids[:, 0]).sum())
    if missing:
        notes.append(f"{files.name}: {missing} of {len(shown)} frames without a mask that shows something")
    return Video(centroids, masks, tuple(picture for picture, _ in shown), tuple(notes))


def read_picture(path: Path | None, flag: int = cv2.IMREAD_COLOR) -> UInt8[np.ndarray, "H W *colours"] | None:
    """A picture (blue, green, red, unless `flag` says otherwise), or None where there is none that can be read."""
    try:
        image: UInt8[np.ndarray, "H W *colours"] | None = None if path is None else cv2.imread(str(path), flag)
    except cv2.error:  # a size that OpenCV won't read
        return None
    return image


def _unfit(path: Path, message: str) -> MediaError:
    return MediaError(path, message, stage="open", reason="unsupported")


def _root(dataset: str | Path) -> Path:
    path = Path(dataset)
    root = path / "dataset" if (path / "dataset").is_dir() else path
    if not root.is_dir():
        raise UsageError(f"{path}: no folder; name the one that holds dataset/")
    return root


def _chosen(folder: Path, belongs: Callable[[Path], bool], strays: list[Path]) -> list[Path]:
    """What belongs in a folder, numbers by their size; the rest joins `strays`. Nothing where there is no folder."""

    def place(path: Path) -> tuple[bool, int, str]:
        is_number = path.name.isdecimal()
        return not is_number, int(path.name) if is_number else 0, path.name

    entries = sorted(folder.iterdir(), key=place) if folder.is_dir() else []
    strays += [entry for entry in entries if not belongs(entry)]
    return [entry for entry in entries if belongs(entry)]


def _is_numbered(path: Path) -> bool:
    return path.name.isdecimal() and path.is_dir()


def _group(folder: Path, name: str, strays: list[Path]) -> Group:
    """One test folder."""

    def is_sound(path: Path) -> bool:
        return bool(_TEST_SOUND.fullmatch(path.name)) and path.is_file()

    def is_film(path: Path) -> bool:
        return bool(_TEST_FILM.fullmatch(path.name)) and path.is_dir()

    entries = _chosen(folder, lambda path: is_sound(path) or is_film(path), strays)
    films = [_film(path, f"{name}/{path.name}", strays) for path in entries if is_film(path)]
    return Group(name, tuple(filter(is_sound, entries)), tuple(films))


def video_number(film: VideoFiles) -> int:
    """17, of the video `3/video_0017`."""
    match = _TEST_FILM.fullmatch(Path(film.name).name)
    assert match is not None
    return int(match[1])


def _film(folder: Path, name: str, strays: list[Path]) -> VideoFiles:
    """The frames, a picture and a mask of one name together."""

    def is_picture(path: Path) -> bool:
        return path.suffix.lower() in _PICTURES and path.name[0] != "."

    _chosen(folder, lambda path: path.name in ("rgb", "mask"), strays)
    rgb, mask = ({path.stem: path for path in _chosen(folder / side, is_picture, strays)} for side in ("rgb", "mask"))
    stems = sorted(rgb | mask, key=lambda stem: (int("0" + "".join(filter(str.isdecimal, stem))), stem))
    return VideoFiles(name, tuple((rgb.get(stem), mask.get(stem)) for stem in stems))


def _stray_notes(strays: Sequence[Path]) -> tuple[str, ...]:
    rest = len(strays) - _MAX_NAMED
    more = [f"{rest} more files don't belong there; left alone"] if rest > 0 else []
    return (*(f"{path}: doesn't belong there; left alone" for path in strays[:_MAX_NAMED]), *more)
