"""What is shown of how far a job is."""

import threading

import pytest

from avmatch.reports.progress import progress_lines, progress_shown


def test_a_line_is_written_now_and_then_though_nothing_goes_on():
    lines, enough = [], threading.Event()

    def write(line):
        lines.append(line)
        if len(lines) == 3:
            enough.set()

    with progress_lines(0.001, write) as progress:
        progress("videos", 3, 20)
        assert enough.wait(60)
    num = len(lines)
    assert all(line.startswith("videos: 3 of 20, 0:00:0") for line in lines)
    assert threading.active_count() == 1 or not any(one.name == "avmatch progress" for one in threading.enumerate())
    assert len(lines) == num


def test_where_nothing_is_known_yet_nothing_is_written():
    lines = []
    with progress_lines(0.001, lines.append):
        threading.Event().wait(0.05)
    assert lines == []


@pytest.mark.parametrize("wanted", [True, False])
def test_a_short_job_writes_nothing_where_stderr_is_no_terminal(capsys, wanted):
    with progress_shown(wanted) as progress:
        assert (progress is not None) == wanted
        if progress is not None:
            progress("videos", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_function_of_ones_own_is_called_instead():
    calls = []
    with progress_shown(lambda *call: calls.append(call)) as progress:
        progress("videos", 1, 2)
    assert calls == [("videos", 1, 2)]
