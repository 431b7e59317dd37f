"""Media sets, from whatever layout they lie in: the one place where layouts are recognised, by what is there.

    ESC-50, ESC-10, DCASE 2013/14, UCF101, HMDB51, Kinetics, VGGSound, AudioSet    labelled.py
    LRS2, LRS3, LRW, GRID    speech.py
    a CSV or Parquet file    a list of clips (manifest.py); or a folder with such a `manifest.csv`

Which of them count, and what else a folder may be, depends on what is wanted:

    read_pair_list    pictures and their sound: video sets, `truth.csv` (what `avmatch synth` writes), `video/` and
                      `audio/` (STD2022: the same stem is a pair; its tests are shuffled, and refused), or these two in
                      `Train/`, or else all the videos in it, each with its own sound
    read_labelled     whole files with classes: video and sound sets, lists in which every row has a `label`
    list_scene_files  the same, less what a list keeps for tests; or lists without classes, or folders, one a class,
                      with media below: <label>/…/<file>, each file a group of its own
    read_speech       talking people: the sets of speech, lists with `sync` and `words.csv` beside, or all the videos
                      in it; those in one subfolder are one speaker's

Sets of features are in pairs.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.inputs import MEDIA_SUFFIXES, list_audio, list_videos, natural_key
from avmatch.data.labelled import LABELLED_LAYOUTS, VIDEO_LAYOUTS
from avmatch.data.manifest import MANIFEST, Clip, is_table, list_files, read_manifest, read_talking
from avmatch.data.speech import SPEECH_LAYOUTS
from avmatch.data.splits import TEST, known_split
from avmatch.data.std2022 import check_stems

Layout = Callable[[Path], tuple[Clip, ...]]
_SIDES = {"audio", "video"}


def read_pair_list(path: str | Path) -> tuple[Clip, ...]:
    """The clips that a table or a folder names, each with a file of its picture and one of its sound.

    Raises:
        UsageError: it is none of the known forms; the message names the file and the row.
    """
    given = Path(path)
    if (table := _table_of(given, ("truth.csv", MANIFEST))) is not None:
        return read_manifest(table)
    if not given.exists():
        raise UsageError(f"{given}: no such file or folder")
    if not given.is_dir():
        raise UsageError(f"{given}: not a list of pairs; give a CSV or Parquet file or a folder of videos")
    for folder in (given, given / "Train"):
        if (folder / "video").is_dir() and (folder / "audio").is_dir():
            return _same_stems(folder)
    return _known(given, VIDEO_LAYOUTS) or tuple(Clip(video, video, video) for video in list_videos(given))


def read_labelled(path: str | Path) -> tuple[Clip, ...]:
    """The clips of a folder or table, each with a class, whole files.

    Raises:
        UsageError: it is none of the layouts, or one that is broken; the message names the file and the rule.
    """
    given = Path(path)
    if (table := _table_of(given)) is not None:
        clips = read_manifest(table)
        if alone := next((clip for clip in clips if not clip.label), None):
            raise UsageError(f"{table}: {alone.video} has no class; every row needs a `label`")
        if piece := next((clip for clip in clips if clip.start_seconds or clip.duration_seconds), None):
            raise UsageError(
                f"{table}: {piece.video}: classes are of whole files; cut its pieces into files of their own"
            )
        return tuple(replace(clip, video=clip.audio) for clip in clips)  # of a pair its sound
    if clips := _known(given, LABELLED_LAYOUTS):
        return clips
    known = "ESC-50, ESC-10, DCASE, UCF101, HMDB51, Kinetics, VGGSound and AudioSet"
    raise UsageError(f"{given}: no clips with classes; known are {known}, and tables with a column `label`")


def list_scene_files(path: str | Path, split: str | None = None) -> tuple[Clip, ...]:
    """The files that a folder or a table names, with or without classes; none where it is none of the forms.

    Args:
        split: only this one, of a known layout by the first of its lists; None = all, but not such a list's tests.

    Raises:
        UsageError: a table names a missing file, there is no such split, or folders are sides, not classes.
    """
    given = Path(path)
    if (table := _table_of(given)) is not None:
        return list_files(table, split) if table.is_file() else ()
    if clips := _known(given, LABELLED_LAYOUTS):
        return _of_first_list(given, clips, split)
    found = _class_folders(given)
    if found and split is not None:
        raise UsageError(f"{given}: has no splits; leave out --split")
    return found


def read_speech(path: str | Path) -> tuple[Clip, ...]:
    """The clips that a folder, a table, a glob or a single video names.

    Raises:
        UsageError: there is no clip, or a layout is broken; the message names the file and the rule.
        MissingExtraError: it is a Parquet file, and pyarrow is missing.
    """
    given = Path(path)
    if (table := _table_of(given)) is not None:
        return read_talking(table)
    if clips := _known(given, SPEECH_LAYOUTS):
        return clips
    return tuple(Clip(video, video, _speaker(given, video)) for video in list_videos(path))


def is_media(path: Path) -> bool:
    """Whether the suffix is that of a media file."""
    return path.suffix.lower() in MEDIA_SUFFIXES


def _table_of(given: Path, names: Sequence[str] = (MANIFEST,)) -> Path | None:
    """The table that was given, or that lies in the folder; None where there is none."""
    if inside := next((given / name for name in names if (given / name).is_file()), None):
        return inside
    return given if is_table(given) and not given.is_dir() else None


def _known(folder: Path, layouts: Sequence[Layout]) -> tuple[Clip, ...]:
    """The clips of the first layout that has some; none where it is no folder."""
    if not folder.is_dir():
        return ()
    return next((clips for read in layouts if (clips := read(folder))), ())


def _of_first_list(folder: Path, clips: Sequence[Clip], split: str | None) -> tuple[Clip, ...]:
    own = [known_split(clip.split) for clip in clips]
    wanted = [name != TEST if split is None else name == known_split(split) for name in own]
    kept = tuple(clip for clip, is_wanted in zip(clips, wanted, strict=True) if is_wanted)
    if not kept:
        raise UsageError(
            f"{folder}: has no clip of {split or 'train or validation'}; leave out --split, or name another"
        )
    return kept


def _class_folders(folder: Path) -> tuple[Clip, ...]:
    found = []
    for path in folder.glob("*/**/*"):
        parts = path.relative_to(folder).parts
        if is_media(path) and path.is_file() and not any(part.startswith(".") for part in parts):
            found.append(Clip(str(path), str(path), str(path), labels=parts[:1]))
    if {clip.label.lower() for clip in found} & _SIDES:
        raise UsageError(
            f"{folder}: audio and video are sides there, not classes; give features of theirs (of TAU "
            "feature/*.hdf5), or a table of files with `path` and `label`"
        )
    return tuple(sorted(found, key=lambda clip: natural_key(clip.path)))


def _same_stems(folder: Path) -> tuple[Clip, ...]:
    videos = _by_stem(folder / "video", list_videos(folder / "video"))
    audio = _by_stem(folder / "audio", list_audio(folder / "audio"))
    check_stems(folder, {"video": videos, "audio": audio})
    return tuple(Clip(video, audio[stem], video) for stem, video in videos.items())


def _by_stem(folder: Path, files: Sequence[str]) -> dict[str, str]:
    """Files by their path below `folder`, without the suffix. Raises UsageError if two are of one stem."""
    found: dict[str, str] = {}
    for file in files:
        stem = Path(file).relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            raise UsageError(f"{found[stem]}, {file}: of one stem, so that either may be meant; keep one of them there")
        found[stem] = file
    return found


def _speaker(folder: Path, video: str) -> str:
    """The subfolder that a clip lies in; the clip itself where it lies in none."""
    if not folder.is_dir():
        return video
    inside = Path(video).relative_to(folder).parts
    return inside[0] if len(inside) > 1 else video
