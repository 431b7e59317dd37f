"""All vectors of a library in one array that is mapped into memory, and what was added since it was written.

    rows-<name>/vectors.npy   (N, W) float32, a row for each window
    rows-<name>/places.npy    (N, 2) int64, content and window of each row

The library's setting `rows` names the folder. It holds nothing that the library hasn't: it is written when much was
added, and thrown away when the next one is written. Who has it open keeps what he has.

Letters in shapes: N rows, W numbers of a row.
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from avmatch.core.errors import AvmatchError
from avmatch.core.files import write_array_atomically
from avmatch.index.library import Library

VECTORS, PLACES = "vectors.npy", "places.npy"
_ROWS, _FOLDERS = "rows", "rows-*"
#: The array is written again when so many contents were added, or this share of those in it.
MOST_ADDED, ADDED_SHARE = 5000, 0.25
#: How often is looked for the array where it is replaced while it is being opened.
_TRIES = 20


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of windows.

    Attributes:
        vectors: their rows.
        places: the content and the number of each window.
        is_there: whether the content is still held.
    """

    vectors: Float32[np.ndarray, "N W"]
    places: Int64[np.ndarray, "N 2"]
    is_there: Bool[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.places)


def read_rows(library: Library, width: int) -> list[Rows]:
    """All windows of a library as it is now: those in the array, then those that were added since.

    Raises:
        AvmatchError: the array is damaged.
    """
    for _ in range(_TRIES):
        with library.transaction() as connection:
            name = library.setting(_ROWS)
            mapped = _mapped(library.folder / name, width) if name else _none(width)
            if mapped is None:
                continue  # replaced meanwhile
            gone = np.array(connection.execute("SELECT content FROM dropped ORDER BY content").fetchall(), np.int64)
            last = int(mapped[1][:, 0].max(initial=0))
            new = connection.execute("SELECT number, vectors FROM content WHERE number > ? ORDER BY number", (last,))
            added = _added(new.fetchall(), width)
        is_there = ~np.isin(mapped[1][:, 0], gone.ravel()) if len(gone) else np.ones(len(mapped[1]), bool)
        blocks = [Rows(*mapped, is_there), Rows(*added, np.ones(len(added[1]), bool))]
        return [block for block in blocks if len(block)]
    raise AvmatchError(f"{library.folder}: its rows can't be read; run `avmatch index` again")


def write_rows(library: Library, width: int, *, least_added: int | None = None) -> bool:
    """Write the array again, if enough was added or dropped. Returns whether it was.

    Args:
        least_added: so many contents; None = a share of what there is.
    """
    with library.transaction() as connection:
        last = int(library.setting("last_row") or 0)
        (added,) = connection.execute("SELECT count(*) FROM content WHERE number > ?", (last,)).fetchone()
        (known,) = connection.execute("SELECT count(*) FROM content WHERE number <= ?", (last,)).fetchone()
        (dropped,) = connection.execute("SELECT count(*) FROM dropped").fetchone()
    enough = max(MOST_ADDED, ADDED_SHARE * known) if least_added is None else least_added
    if added + dropped < enough:
        return False
    blocks = [block for block in read_rows(library, width) if block.is_there.any()]
    made = f"rows-{secrets.token_hex(8)}" if blocks else ""
    newest = 0
    if blocks:
        places = np.concatenate([block.places[block.is_there] for block in blocks])
        vectors = np.concatenate([block.vectors[block.is_there] for block in blocks])
        write_array_atomically(library.folder / made / VECTORS, vectors)
        write_array_atomically(library.folder / made / PLACES, places)
        newest = int(places[:, 0].max())
    with library.transaction() as connection:
        settings = ((_ROWS, made), ("last_row", str(newest)))
        connection.executemany("INSERT OR REPLACE INTO setting VALUES (?, ?)", settings)
        connection.execute("DELETE FROM dropped")
    for folder in library.folder.glob(_FOLDERS):
        if folder.name != made:
            shutil.rmtree(folder, ignore_errors=True)  # where it is in use and can't be: the next time
    return True


def _mapped(folder: Path, width: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Both arrays; None where they are gone."""
    try:
        vectors, places = np.load(folder / VECTORS, mmap_mode="r"), np.load(folder / PLACES)
    except OSError:
        return None
    except ValueError as error:
        if not (folder / PLACES).stat().st_size or not (folder / VECTORS).stat().st_size:
            return None
        raise AvmatchError(f"{folder}: damaged ({error}); remove it and run `avmatch index` again") from error
    if vectors.shape != (len(places), width):
        raise AvmatchError(f"{folder}: {vectors.shape} for {len(places)} places; remove it and index again")
    return vectors, places


def _none(width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0, width), np.float32), np.zeros((0, 2), np.int64)


def _added(contents: list[tuple[int, bytes]], width: int) -> tuple[np.ndarray, np.ndarray]:
    if not contents:
        return _none(width)
    vectors = [np.frombuffer(row, "<f4").reshape(-1, width) for _, row in contents]
    places = [
        np.stack([np.full(len(own), number), np.arange(len(own))], axis=1)
        for (number, _), own in zip(contents, vectors, strict=True)
    ]
    return np.concatenate(vectors).astype(np.float32), np.concatenate(places).astype(np.int64)
