"""What a person named for `match` → the files that are meant, and remarks on what isn't among them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.inputs import MEDIA_SUFFIXES, list_audio, list_videos, names_several, unknown_files

Paths = str | Path | Sequence[str | Path]
#: So many files of unknown kinds are named.
_MAX_NAMED = 10


def video_and_audio_paths(
    videos: Paths, audios: Paths, leave_out: Sequence[Path]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The videos, and the recordings that aren't among them. Raises UsageError if an argument names none."""
    video_paths = listed(videos, list_videos, leave_out)
    return video_paths, _without(listed(audios, list_audio, leave_out), video_paths)


def listed(argument: Paths, lister: Callable[..., tuple[str, ...]], *leave_out: Sequence[Path]) -> tuple[str, ...]:
    """The files of an argument; in a list, folders and globs stand for theirs. Raises UsageError if there are none."""
    if isinstance(argument, str | Path):
        return lister(argument, *leave_out)
    if not argument:
        raise UsageError("an empty list of files was given")
    found = (lister(path, *leave_out) if names_several(path) else (os.fspath(path),) for path in argument)
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def left_out(arguments: Iterable[Paths], folders: Sequence[Path]) -> Iterator[str]:
    """A note for each folder of results inside the arguments: why its files aren't among the input."""
    roots = [Path(argument).resolve() for argument in arguments if isinstance(argument, str | Path)]
    for folder in folders:
        inside = any(root.is_dir() and root in folder.resolve().parents for root in roots)
        if inside and (num := sum(path.suffix.lower() in MEDIA_SUFFIXES for path in folder.rglob("*"))):
            yield f"{folder}: {num} media files there are taken for results of an earlier run, and left out"
    for argument in dict.fromkeys(argument for argument in arguments if isinstance(argument, str | Path)):
        if unknown := unknown_files(argument, folders):
            names = ", ".join(Path(path).name for path in unknown[:_MAX_NAMED])
            more = f" and {len(unknown) - _MAX_NAMED} more" if len(unknown) > _MAX_NAMED else ""
            yield f"{argument}: not tried, because their suffix isn't that of a media file: {names}{more}"


def _without(audio_paths: tuple[str, ...], video_paths: tuple[str, ...]) -> tuple[str, ...]:
    """The recordings that aren't among the videos as well, where a folder holds both; all, if none would be left."""
    videos = set(map(os.path.realpath, video_paths))
    return tuple(path for path in audio_paths if os.path.realpath(path) not in videos) or audio_paths
