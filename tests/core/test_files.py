"""Files appear whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from avmatch.core.files import atomic_path, write_bytes_atomically, write_text_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half(target):
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"af")
        raise RuntimeError("half way")


def test_a_block_that_fails_leaves_the_target_and_nothing_else(tmp_path):
    target = tmp_path / "matches.csv"
    target.write_bytes(b"before")
    with pytest.raises(RuntimeError, match="half way"):
        write_half(target)
    assert target.read_bytes() == b"before"
    assert names(tmp_path) == ["matches.csv"]


def test_a_block_that_is_interrupted_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="stop"), atomic_path(tmp_path / "new.csv"):
        raise KeyboardInterrupt("stop")
    assert names(tmp_path) == []


def test_the_target_is_untouched_until_the_block_ends(tmp_path):
    target = tmp_path / "a.mp4"
    target.write_bytes(b"before")
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"after")
        assert target.read_bytes() == b"before"
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
    assert target.read_bytes() == b"after"
    assert names(tmp_path) == ["a.mp4"]


def test_a_writer_that_takes_its_file_away_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"avmatch-"), atomic_path(tmp_path / "a.csv") as temporary:
        temporary.unlink()
    assert names(tmp_path) == []


LEFT = """
import os, signal, sys
from pathlib import Path
from avmatch.core.files import atomic_path

with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX")
def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path):
    subprocess.run([sys.executable, "-c", LEFT, tmp_path / "a.mov", "kill"], check=False)
    (tmp_path / ".avmatch-muxed").write_bytes(b"a list")
    (tmp_path / ".avmatch-0123456789abcdef.txt.bak").mkdir()
    left = set(names(tmp_path)) - {".avmatch-muxed", ".avmatch-0123456789abcdef.txt.bak"}
    assert len(left) == 1
    words = [sys.executable, "-c", LEFT, tmp_path / "b.mov", "wait"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        found = set(names(tmp_path))
        assert not found & left
        write_bytes_atomically(tmp_path / "c.mov", b"c")
        assert set(names(tmp_path)) == found | {"c.mov"}
        process.stdin.close()
    assert set(names(tmp_path)) - {".avmatch-muxed", ".avmatch-0123456789abcdef.txt.bak"} == {"b.mov", "c.mov"}


def test_folders_are_made(tmp_path):
    write_bytes_atomically(tmp_path / "deep" / "down" / "a.bin", b"\x00\xff")
    assert (tmp_path / "deep" / "down" / "a.bin").read_bytes() == b"\x00\xff"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_bytes_atomically(tmp_path / "a.csv", b"")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_the_umask_of_the_process_is_never_set(tmp_path, monkeypatch):
    def umask(_):
        raise AssertionError("other threads would make files with this umask")

    monkeypatch.setattr(os, "umask", umask)
    write_bytes_atomically(tmp_path / "a.csv", b"")
    assert names(tmp_path) == ["a.csv"]


def test_text_is_utf8_as_it_is(tmp_path):
    write_text_atomically(tmp_path / "a.csv", "naïve,日本\r\n")
    assert (tmp_path / "a.csv").read_bytes() == "naïve,日本\r\n".encode()


def test_bytes_that_are_no_utf8_are_written_with_backslashes(tmp_path):
    name = os.fsdecode(b"caf\xe9.mov") if os.name == "posix" else "caf\udce9.mov"
    write_text_atomically(tmp_path / "a.csv", f"{name},ok\n")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "caf\\udce9.mov,ok\n"


def write_while_another_appears(target):
    with atomic_path(target, overwrite=False) as temporary:
        temporary.write_bytes(b"ours")
        target.write_bytes(b"theirs")


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch, hard_links):
    def no_links(*_):
        raise PermissionError("Operation not permitted")

    if not hard_links:
        monkeypatch.setattr(os, "link", no_links)
    target = tmp_path / "a.mp4"
    with atomic_path(target, overwrite=False) as temporary:
        temporary.write_bytes(b"ours")
    assert target.read_bytes() == b"ours"
    target.unlink()
    with pytest.raises(FileExistsError, match=r"a\.mp4 exists already"):
        write_while_another_appears(target)
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["a.mp4"]
