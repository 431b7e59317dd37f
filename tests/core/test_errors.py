"""Errors say what came, carry their codes, and travel between processes."""

import pickle
from pathlib import Path

import pytest

from avmatch.core.errors import AvmatchError, MediaError, MissingExtraError, ModelError, UsageError


def media_error(path="tapes/a b.mov"):
    return MediaError(path, "there is no sound in it", stage="decode", reason="no_audio")


def test_media_errors_put_the_path_in_front():
    error = media_error(Path("tapes") / "ä.mov")
    assert str(error) == f"{Path('tapes') / 'ä.mov'}: there is no sound in it"
    assert (error.path, error.message) == (str(Path("tapes") / "ä.mov"), "there is no sound in it")
    assert (error.stage, error.reason) == ("decode", "no_audio")


def test_media_errors_travel_between_processes():
    sent = media_error()
    received = pickle.loads(pickle.dumps(sent))
    assert type(received) is MediaError
    assert str(received) == str(sent)
    assert vars(received) == vars(sent)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (UsageError("no"), ValueError),
        (media_error(), ValueError),
        (ModelError("no"), ValueError),
        (MissingExtraError("pandas", "pandas", "to_frame()"), ImportError),
    ],
)
def test_every_error_has_our_root_and_a_builtin_one(error, builtin):
    assert isinstance(error, AvmatchError)
    assert isinstance(error, builtin)


def test_a_missing_extra_names_the_remedy():
    error = MissingExtraError("pyarrow", "parquet", "reading a Parquet manifest")
    assert str(error) == "reading a Parquet manifest needs pyarrow: pip install 'avmatch[parquet]'"
