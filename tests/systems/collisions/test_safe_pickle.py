"""Pickles from untrusted sources: arrays and plain values come through, programs don't."""

import os
import pickle
import struct
import subprocess
import warnings

import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.systems.collisions import safe_pickle
from avmatch.systems.collisions.safe_pickle import _DAMAGES as DAMAGES
from avmatch.systems.collisions.safe_pickle import MAX_DEPTH, Refused, load_plain, loads_plain


class Runs:
    """What it says is called when it is unpickled."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i2", "u1", "?"])
def test_arrays_come_through_every_protocol(protocol, dtype):
    array = (np.arange(24).reshape(6, 4) * 3).astype(dtype)
    held = {"audio": array, "audio_samplerate": 44100, "names": ["a", 1.5, None], "turned": np.asfortranarray(array)}
    found = loads_plain(pickle.dumps(held, protocol))
    np.testing.assert_array_equal(found["audio"], array)
    np.testing.assert_array_equal(found["turned"], array)
    assert found["audio"].dtype == np.dtype(dtype).newbyteorder("=")
    assert (found["audio_samplerate"], found["names"]) == (44100, ["a", 1.5, None])


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_scalars_and_empty_arrays_come_through(protocol):
    found = loads_plain(pickle.dumps([np.float32(0.5), np.int64(7), np.zeros((0, 4))], protocol))
    assert found[:2] == [0.5, 7]
    assert found[2].shape == (0, 4)


def test_what_is_made_can_be_changed_without_touching_the_file():
    found = loads_plain(pickle.dumps(np.zeros(3)))
    found[0] = 1
    assert found.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (Runs(os.system, "touch hacked"), "posix.system"),
        (Runs(subprocess.Popen, ["touch", "hacked"]), "(subprocess|commands).Popen"),
        (Runs(eval, "1 + 1"), "builtin.*eval"),
        (Runs(getattr, [], "append"), "builtin.*getattr"),
        (Runs(np.load, "x.npy"), "numpy.load"),
        (Runs(np.fromfile, "/etc/passwd"), "numpy.*fromfile"),
        (np.array([{}, []], dtype=object), "objects|type of numbers"),
        (np.array([("a", 1)], dtype=[("x", "U2"), ("y", "i4")]), "type of numbers"),
        (np.array(["text"]), "type of numbers"),
        (np.ma.masked_array([1.0, 2.0]), "numpy.ma"),
        (np.dtype("f8"), "type dtype"),
        (1 + 2j, "builtin.*complex"),
        ({1, 2}, "set"),
        ({(1, 2): 3}, "key of the type tuple"),
        (np.ndarray, "type name"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_is_no_plain_value_is_refused_by_name(tmp_path, monkeypatch, held, message, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "audio_0000.pkl"
    path.write_bytes(pickle.dumps({"audio": held}, protocol))
    with pytest.raises(MediaError, match=f"audio_0000.pkl: refused: .*({message})"):
        load_plain(path)
    assert not (tmp_path / "hacked").exists()


def _array(subtype=b"cnumpy\nndarray\n", core=b"cnumpy.core.multiarray\n_reconstruct\n", state=b""):
    """A program that builds an array by hand: reconstruct, then a state."""
    return core + b"(" + subtype + b"(K\x00tC\x01btR" + state + b"."


def _state(shape, dtype, content):
    return b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


FLOATS = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8K\x00K\x01tR"
ATTACKS = {
    "a subclass": (_array(subtype=b"cnumpy\nmatrix\n"), "numpy.matrix"),
    "a function as type": (_array(subtype=b"cposix\nsystem\n"), "posix.system"),
    "objects by dtype": (
        _array(state=_state(b"K\x01\x85", b"cnumpy\ndtype\n(X\x01\x00\x00\x00OK\x00K\x01tR", b"](K\x01e")),
        "type of numbers",
    ),
    "objects as content": (_array(state=_state(b"K\x01\x85", FLOATS, b"](K\x01e")), "array of objects"),
    "more than there is": (_array(state=_state(b"J\xff\xff\xff\x7f\x85", FLOATS, b"C\x08\0\0\0\0\0\0\0\0")), "shape"),
    "less than nothing": (_array(state=_state(b"J\xff\xff\xff\xff\x85", FLOATS, b"C\x08\0\0\0\0\0\0\0\0")), "shape"),
    "a dtype that is another": (
        _array(state=_state(b"K\x01\x85", FLOATS + b"(K\x03X\x01\x00\x00\x00<NNNJ\x40\0\0\0K\x08K\x00tb", b"C\x00")),
        "another size",
    ),
    "a dtype with fields": (
        _array(state=_state(b"K\x01\x85", FLOATS + b"(K\x03X\x01\x00\x00\x00<N](K\x01e}K\x08K\x08K\x00tb", b"C\x00")),
        "records",
    ),
    "a state for the function": (b"cnumpy.core.multiarray\n_reconstruct\n(K\x01K\x02tb.", "state for call"),
    "attributes for the function": (
        b"cnumpy.core.multiarray\n_reconstruct\nN}X\x08\0\0\0__code__K\x01s\x86b.",
        "state for call",
    ),
    "the type is called": (b"cnumpy\nndarray\n(K\x03tR.", "not callable"),
    "a new object of the type": (b"\x80\x02cnumpy\nndarray\n)\x81.", "must be a type"),
    "a dtype by name of a class": (b"cnumpy\ndtype\n(cposix\nsystem\ntR.", "posix.system"),
    "a codec": (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zlibtR.", "encoding"),
    "a foreign object": (b"Pname\n.", "PERSID"),
    "an extension": (b"\x82\x01.", "EXT1"),
    "a huge memo": (b"K\x01r" + struct.pack("<I", 0x7FFFFFFF) + b".", "memo"),
    "something in itself": (b"\x80\x04]\x94h\x00a.", "deep, or one that holds itself"),
    "a tower of lists": (b"]" * 200 + b"a" * 199 + b".", f"{MAX_DEPTH} deep"),
    "dots in a name": (b"\x80\x04\x8c\x05numpy\x8c\x0fos.system.hello\x93.", "numpy.os.system"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_programs_built_by_hand_are_refused(tmp_path, name):
    program, message = ATTACKS[name]
    path = tmp_path / "audio_0000.pkl"
    path.write_bytes(program)
    with pytest.raises(MediaError, match=message):
        load_plain(path)


def test_a_billion_laughs_are_looked_at_once():
    laugh = ["ha"]
    for _ in range(MAX_DEPTH - 2):
        laugh = [laugh] * 10
    assert loads_plain(pickle.dumps(laugh))[0][0] is not None


def test_many_arrays_of_the_same_bytes_are_refused(monkeypatch):
    """Each is a copy: a small file would fill the memory."""
    monkeypatch.setattr(safe_pickle, "MAX_BYTES", 10_000)
    text = b"X" + struct.pack("<I", 400) + b"a" * 400 + b"q\x05"  # Python 2's bytes, remembered as 5
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
    many = array + _state(b"M\x90\x01\x85", FLOATS.replace(b"f8", b"u1"), b"h\x05")
    assert len(loads_plain(text + b"0](" + many * 20 + b"e.")) == 20
    with pytest.raises(Refused, match="together"):
        loads_plain(text + b"0](" + many * 40 + b"e.")
    encode = b"c_codecs\nencode\n(h\x05X\x06\x00\x00\x00latin1tR"
    first, second = loads_plain(text + b"0](" + encode * 2 + b"e.")
    assert first is second == b"a" * 400


def test_damaged_files_are_distinguished_from_refused_ones(tmp_path):
    path = tmp_path / "audio_0000.pkl"
    whole = pickle.dumps({"audio": np.zeros((8, 4))})
    for content in (b"", b"not a pickle", whole[: len(whole) // 2], whole[:-1], b"\x80\x04."):
        path.write_bytes(content)
        with pytest.raises(MediaError, match="not a whole pickle"):
            load_plain(path)
    with pytest.raises(MediaError, match="can't be read"):
        load_plain(tmp_path / "none.pkl")


def test_nothing_is_left_behind_for_the_next_file():
    with pytest.raises(Refused, match="state for call"):
        loads_plain(ATTACKS["a state for the function"][0])
    np.testing.assert_array_equal(loads_plain(pickle.dumps(np.arange(3.0))), np.arange(3.0))


def test_random_changes_never_do_more_than_fail():
    rng, whole = np.random.default_rng(0), bytearray(pickle.dumps({"audio": np.arange(8.0), "rate": 44100}, 2))
    failed = 0
    for _ in range(2000):
        program = bytearray(whole)
        for place in rng.integers(len(whole), size=3):
            program[place] = rng.integers(256)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pickle's own, on odd escapes
                loads_plain(bytes(program))
        except DAMAGES:
            failed += 1
    assert 500 < failed < 2000
