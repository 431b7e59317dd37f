"""What the user pointed at → a list of files: a folder, a glob, a single file, or a CSV/Parquet manifest.

Paths come back as the user would recognise them: the argument joined with the relative part, so that equal stems in
different folders stay apart. Folders are searched recursively, in natural order (clip2 before clip10); links to folders
are followed once, so a loop of links ends.
"""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.paths import listed_path
from avmatch.media.remote import is_url, list_urls

VIDEO_SUFFIXES = frozenset(
    ".360 .3g2 .3gp .asf .avi .braw .crm .dav .divx .dv .f4v .flv .gif .gxf .insv .ivf .lrv .m1v .m2p .m2t .m2ts .m2v"
    " .m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mp4v .mpe .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .r3d .rm .rmvb .tod .trp"
    " .ts .vob .webm .wmv .xavc .y4m".split()
)
AUDIO_SUFFIXES = frozenset(
    ".aac .ac3 .adts .aif .aifc .aiff .amr .ape .au .bw64 .bwf .caf .dsf .dts .eac3 .flac .m4a .m4b .mka .mp2 .mp3 .oga"
    " .ogg .opus .ra .rf64 .snd .spx .tta .voc .w64 .wav .wave .weba .wma .wv".split()
)
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES
FEATURE_SUFFIXES = frozenset({".npy"})
#: What lies beside recordings and is none.
SIDECAR_SUFFIXES = frozenset(
    (
        ".aaf .ale .asd .ass .aup3 .bak .bdm .bim .bmp .bup .cif .cpf .cpi .csv .ctg .cube .dat .db .dng .doc"
        " .docx .drp .edl .fcpxml .heic .html .idx .ifo .inf .info .ini .jpeg .jpg .json .jsonl .kdenlive .lnk"
        " .log .md .md5 .mhl .mlt .mpl .npy .npz .onnx .otio .parquet .pdf .pek .pkf .png .ppn .prproj .ptx .py"
        " .reapeaks .rmd .rsv .rtf .sav .sfk .sha1 .sha256 .sidx .smi .srt .sub .tdt .thm .thumb .tid .tif .tiff"
        " .tsv .txt .url .vtt .webp .wfm .xls .xlsx .xml .xmp .yaml .yml .zip"
    ).split()
)
#: So many missing files in a row, and a list is taken relative to the wrong folder.
_MAX_MISSING = 5
_GLOB_SIGNS = re.compile(r"[*?\[]")


def list_videos(argument: str | Path, leave_out: Sequence[Path] = ()) -> tuple[str, ...]:
    """The video files that an argument names.

    Args:
        leave_out: folders that aren't looked into where they lie inside the argument: those of earlier results.

    Raises:
        UsageError: there are none.
    """
    return _listed(argument, "video", VIDEO_SUFFIXES, leave_out)


def list_audio(argument: str | Path, leave_out: Sequence[Path] = ()) -> tuple[str, ...]:
    """The recordings that an argument names, as `list_videos` does: in a folder audio files, and videos' sound."""
    return _listed(argument, "audio", MEDIA_SUFFIXES, leave_out)


def unknown_files(argument: str | Path, leave_out: Sequence[Path] = ()) -> tuple[str, ...]:
    """Files of a folder that are neither media by their suffix nor known to lie beside media."""
    text = os.fspath(argument)
    if not Path(text).is_dir():
        return ()
    known = MEDIA_SUFFIXES | SIDECAR_SUFFIXES
    return tuple(sorted(path for path in _walk(text, leave_out) if Path(path).suffix.lower() not in known))


def names_several(argument: str | Path) -> bool:
    """Whether an argument names a folder or a glob."""
    path = Path(argument)
    return path.is_dir() or (not path.exists() and _GLOB_SIGNS.search(os.fspath(argument)) is not None)


def natural_key(path: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts runs of digits by their value, and before letters: 3 < clip2 < clip10."""
    parts = re.split(r"(\d+)", path.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Paths in natural order."""
    return sorted(paths, key=lambda path: natural_key(os.fspath(path)))


def _listed(argument: str | Path, noun: str, suffixes: frozenset[str], leave_out: Sequence[Path]) -> tuple[str, ...]:
    """The files of a folder with one of these suffixes, or whatever else is named."""
    text = os.fspath(argument)
    if is_url(text):
        return tuple(sorted(sorted(list_urls(text, suffixes)), key=natural_key))
    path = Path(text)
    if path.is_dir():
        everything = list(_walk(text, leave_out))
        found = _with_suffix(everything, suffixes)
        if not found and _with_suffix(everything, FEATURE_SUFFIXES):
            raise UsageError(
                f"{text}: no {noun} files found there, but .npy features; to match those, give --model a model that "
                "takes features"
            )
    elif path.is_file() and (named := _manifest(path)):
        return named
    elif path.exists() or path.is_symlink():
        return (text,)  # whatever its suffix: it was named on purpose
    elif _GLOB_SIGNS.search(text):
        found = [name for name in glob.glob(text, recursive=True) if not Path(name).is_dir()]  # noqa: PTH207
    else:
        raise UsageError(
            f"{text}: no such file or folder; give a folder, a file, a quoted glob or a CSV with a path column"
        )
    if not found:
        known = " ".join(sorted(AUDIO_SUFFIXES if noun == "audio" else suffixes))
        raise UsageError(f"{text}: no {noun} files found there; files are recognised by their suffix: {known}")
    return tuple(sorted(sorted(found), key=natural_key))  # names that differ in case only: not as the disk has them


def _with_suffix(paths: Sequence[str], suffixes: frozenset[str]) -> list[str]:
    return [path for path in paths if Path(path).suffix.lower() in suffixes]


def _walk(folder: str, leave_out: Sequence[Path]) -> Iterator[str]:
    visited = {(status.st_dev, status.st_ino) for path in leave_out if path.is_dir() for status in [path.stat()]}
    own = Path(folder).stat()
    visited.discard((own.st_dev, own.st_ino))
    for root, folders, files in os.walk(folder, followlinks=True):
        try:
            status = Path(root).stat()
        except OSError:
            folders.clear()
            continue
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield os.path.join(root, name)  # noqa: PTH118  keeps the user's spelling, "./x" included


def _manifest(path: Path) -> tuple[str, ...]:
    """The `path` column, relative to the manifest's folder where not absolute; order kept, repeats dropped.

    () where the file is no manifest.
    """
    from avmatch.data.manifest import is_table, read_table  # only who gives a manifest needs a reader of manifests

    if not is_table(path):
        return ()
    _, rows = read_table(path, ("path",))
    names = [row["path"] for row in rows if row["path"]]
    if not names:
        raise UsageError(f"{path}: the manifest names no file; it needs a column `path` with a file a row")
    files = [name if is_url(name) else os.fspath(listed_path(path.parent, name)) for name in names]
    first = files[:_MAX_MISSING]
    if len(files) >= _MAX_MISSING and not any(is_url(file) or os.path.lexists(file) for file in first):
        raise UsageError(
            f"{path}: the first {_MAX_MISSING} files that it names are missing, the first is {files[0]}; "
            f"paths are taken relative to the list's folder, {path.parent}"
        )
    return tuple(dict.fromkeys(files))
