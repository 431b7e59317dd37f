"""Processes that share work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import os, sys, time
from pathlib import Path
from avmatch.systems.collisions.features import in_processes

def sleep(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)

if __name__ == "__main__":
    list(in_processes(sleep, [sys.argv[1]], 2))
"""


def test_workers_end_with_a_killed_parent(tmp_path: Path):
    program, pid_file = tmp_path / "program.py", tmp_path / "pid"
    program.write_text(PROGRAM)
    parent = subprocess.Popen([sys.executable, str(program), str(pid_file)])
    try:
        wait_until(lambda: pid_file.is_file() and pid_file.read_text())
        worker = int(pid_file.read_text())
        assert is_running(worker)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not is_running(worker))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")  # an ended process that nobody waits for is still listed
    return not (state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_until(is_so, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
