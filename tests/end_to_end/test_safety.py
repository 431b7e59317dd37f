"""A kill in the middle, a full disk, a target that exists: originals and files of others stay as they are."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from avmatch.media.mux import mux
from end_to_end.test_fix import clip

#: Runs `avmatch`, but stops for a minute in the middle of the first copy, as a slow disk does.
SLOW = """
import pathlib, sys, time
from avmatch.media import copying

flag, *sys.argv[1:] = sys.argv[1:]
timed_packets = copying.timed_packets

def slowly(*arguments, **keywords):
    for number, packet in enumerate(timed_packets(*arguments, **keywords)):
        if number == 60:
            pathlib.Path(flag).touch()
            time.sleep(60)
        yield packet

copying.timed_packets = slowly
from avmatch.cli import main
main()
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A clip, and its sound as a recording."""
    folder = tmp_path_factory.mktemp("pair")
    clip(folder / "clip.mp4", seconds=6, offset_seconds=0.25)
    shutil.copy(folder / "clip.mp4", folder / "sound.mp4")
    return folder / "clip.mp4", folder / "sound.mp4"


def arguments_of(how, pair, folder, scratch):
    """What makes folder/clip.mp4."""
    if how == "fix":
        return ["fix", pair[0], "-o", folder, "--offset", "0.2"]
    return ["match", *pair, "-o", scratch / "out", "--mux", folder, "--complete", "--cache", pair[0].parent / "cache"]


def written(folder):
    """What a person sees in a folder: no temporary files, and no list of hashes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".avmatch-")}


def kill_in_the_middle(arguments, flag, environment):
    command = [sys.executable, "-c", SLOW, flag, *arguments]
    with subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not flag.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None
        process.kill()
        assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("how", ["fix", "mux"])
def test_a_kill_in_the_middle_leaves_nothing_half_written(avmatch, environment, pair, tmp_path, how):
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "theirs.mp4").write_bytes(b"theirs")
    before = [path.read_bytes() for path in pair]
    arguments = arguments_of(how, pair, folder, tmp_path)
    kill_in_the_middle(arguments, tmp_path / "flag", environment)
    assert any(path.name.startswith(".avmatch-") and path.stat().st_size for path in folder.iterdir())
    assert written(folder) == {"theirs.mp4": b"theirs"}
    avmatch(*arguments)
    assert set(written(folder)) == {"clip.mp4", "theirs.mp4"}
    assert [path.read_bytes() for path in pair] == before
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    undisturbed = tmp_path / "undisturbed"
    avmatch(*arguments_of(how, pair, undisturbed, tmp_path))
    assert written(folder)["clip.mp4"] == written(undisturbed)["clip.mp4"]


def test_a_kill_leaves_the_result_of_the_run_before_and_it_is_still_replaced(avmatch, environment, pair, tmp_path):
    folder = tmp_path / "copies"
    mux(*pair, folder / "clip.mp4", offset_seconds=0.2)
    earlier = written(folder)
    arguments = arguments_of("mux", pair, folder, tmp_path)
    kill_in_the_middle(arguments, tmp_path / "flag", environment)
    assert written(folder) == earlier
    avmatch(*arguments)
    assert written(folder) != earlier


@pytest.mark.parametrize("kind", ["a file", "an empty file", "a link", "a link that leads nowhere", "a folder"])
@pytest.mark.parametrize("how", ["fix", "mux"])
def test_a_target_that_exists_stays(avmatch, pair, tmp_path, how, kind):
    folder = tmp_path / "copies"
    folder.mkdir()
    target, other = folder / "clip.mp4", tmp_path / "other.mp4"
    other.write_bytes(b"theirs")
    if kind in ("a file", "an empty file"):
        target.write_bytes(b"theirs" if kind == "a file" else b"")
    elif kind == "a folder":
        target.mkdir()
    else:
        target.symlink_to(other if kind == "a link" else tmp_path / "nowhere.mp4")
    before = [path.read_bytes() for path in (*pair, other)]
    status = target.lstat()
    run = avmatch(*arguments_of(how, pair, folder, tmp_path), exits=1)
    assert "exists already; move it, or name another place" in " ".join((run.stdout + run.stderr).split())
    assert target.lstat().st_mtime_ns == status.st_mtime_ns
    assert target.lstat().st_ino == status.st_ino
    assert [path.read_bytes() for path in (*pair, other)] == before
    assert [path.name for path in folder.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_an_original_under_another_name_stays(avmatch, pair, tmp_path, link):
    folder = tmp_path / "copies"
    folder.mkdir()
    link(pair[0], folder / "clip.mp4")
    before = [path.read_bytes() for path in pair]
    for how in ("fix", "mux"):
        avmatch(*arguments_of(how, pair, folder, tmp_path), exits=1)
    assert [path.read_bytes() for path in pair] == before


def can_mount():
    words = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(words, capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not can_mount(), reason="no small disk can be mounted here")
@pytest.mark.parametrize("how", ["fix", "mux"])
def test_a_full_disk_leaves_nothing_and_is_named(environment, pair, tmp_path, how):
    """A disk of 64 kB, on which 16 kB are another's."""
    folder = tmp_path / "disk"
    folder.mkdir()
    assert pair[0].stat().st_size > 64 << 10
    before = [path.read_bytes() for path in pair]
    words = [sys.executable, "-m", "avmatch", *arguments_of(how, pair, folder, tmp_path)]
    script = (
        'mount -t tmpfs -o size=64k tmpfs "$0" && head -c 16384 /dev/zero > "$0/theirs.mp4"; "$@"; echo "status $?"; '
        'echo "left: $(ls -A "$0") $(wc -c < "$0/theirs.mp4")"'
    )
    command = ["unshare", "-rm", "sh", "-c", script, folder, *words]
    run = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    said = " ".join((run.stdout + run.stderr).split())
    assert "Traceback" not in said
    assert "status 1" in said
    assert "left: theirs.mp4 16384" in said
    assert "No space left on device" in said
    assert [path.read_bytes() for path in pair] == before
