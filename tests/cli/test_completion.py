"""The shell completes commands and values."""

import os
import subprocess
import sys

import pytest

CODE = "import sys; sys.argv = ['avmatch']; from avmatch.cli import main; main()"


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [("avmatch ma", 1, "match"), ("avmatch match --fail-on ", 3, "failed uncertain"), ("avmatch sync --qu", 2, "")],
)
def test_bash_gets_what_may_follow(words, place, expected):
    asked = {"_AVMATCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=os.environ | asked)
    assert done.stdout.split() == expected.split()
