"""Range and If-Range, as RFC 9110 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.web.ranges import ByteRange, UnsatisfiableError, byte_range, holds

SIZE = 10_000


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [  # the examples of section 14.1.2, and what borders on them
        ("bytes=0-499", 0, 499),
        ("bytes=500-999", 500, 999),
        ("bytes=-500", 9500, 9999),
        ("bytes=9500-", 9500, 9999),
        ("bytes=0-0", 0, 0),
        ("bytes=-1", 9999, 9999),
        ("bytes=-20000", 0, 9999),
        ("bytes=9999-20000", 9999, 9999),
        ("BYTES=0-1", 0, 1),
        ("bytes= 0-1 ", 0, 1),
        ("bytes=,0-1,", 0, 1),
        ("bytes=00-01", 0, 1),
        (f"bytes=0-{'9' * 400}", 0, 9999),
    ],
)
def test_one_range(header, first, last):
    assert byte_range(header, SIZE) == ByteRange(first, last)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=١-٢",
        "bytes=1-2, x",
        "items=0-5",
        "seconds=1-2",
        "bytes=0-0,-1",
        "bytes=0-1,20000-",
    ],
)
def test_what_breaks_the_grammar_or_asks_for_several_is_the_whole(header):
    assert byte_range(header, SIZE) is None


@pytest.mark.parametrize(
    "header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=20000-,30000-", f"bytes={'9' * 99}-"]
)
def test_what_lies_behind_the_end_cannot_be_satisfied(header):
    with pytest.raises(UnsatisfiableError):
        byte_range(header, SIZE)


def test_of_an_empty_file_no_byte_exists():
    with pytest.raises(UnsatisfiableError):
        byte_range("bytes=0-", 0)
    with pytest.raises(UnsatisfiableError):
        byte_range("bytes=-5", 0)


@given(st.text(), st.integers(0, 100))
def test_whatever_is_asked_lies_in_the_file(text, size):
    try:
        found = byte_range(f"bytes={text}", size)
    except UnsatisfiableError:
        return
    assert found is None or 0 <= found.first <= found.last < size


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        (None, True),
        ('"tag"', True),
        ('"other"', False),
        ('W/"tag"', False),
        ("Sun, 06 Nov 1994 08:49:37 GMT", True),
        ("Sun, 06 Nov 1994 08:49:38 GMT", False),
        ("yesterday", False),
    ],
)
def test_if_range(if_range, expected):
    assert holds(if_range, '"tag"', "Sun, 06 Nov 1994 08:49:37 GMT") is expected
