import logging

import pytest

from avmatch import __version__, cli


@pytest.fixture
def broken_doctor(monkeypatch):
    """A command that fails by a bug."""

    def diagnosis():
        raise ValueError("unknown\nplatform")

    monkeypatch.setattr("avmatch.pipelines.diagnosis.diagnosis", diagnosis)
    level = logging.getLogger("avmatch").level
    yield lambda *options: monkeypatch.setattr("sys.argv", ["avmatch", *options, "doctor"])
    logging.getLogger("avmatch").setLevel(level)


@pytest.mark.parametrize("options", [(), ("--debug",)])
def test_a_bug_asks_for_a_report_and_debug_tells_where_it_is(broken_doctor, capsys, caplog, options):
    broken_doctor(*options)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("avmatch: a bug in avmatch, please report it: ValueError: unknown platform (avmatch ")
    assert __version__ in line
    assert ("in diagnosis\n    raise ValueError" in caplog.text) == bool(options)
