"""What importing and asking for help cost: nothing heavy comes in."""

import json
import os
import subprocess
import sys

import pytest

import avmatch as package

HEAVY = {"torch", "sklearn", "onnx", "cv2", "av", "scipy", "onnxruntime", "matplotlib", "numpy", "pandas", "pyarrow"}
HELP = """
import runpy, sys
sys.argv = ["avmatch", *{arguments}]
try:
    runpy.run_module("avmatch", run_name="__main__")
except SystemExit as leaving:
    assert not leaving.code, leaving.code
"""


def loaded_after(code):
    """The modules in memory after some code has run in a process of its own."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stderr))


@pytest.mark.parametrize(
    "code",
    [
        "import avmatch",
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["match", "--help"]),
        HELP.format(arguments=["train", "--help"]),
        HELP.format(arguments=["evaluate", "--help"]),
        HELP.format(arguments=["--version"]),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code):
    loaded = loaded_after(code)
    assert "avmatch" in loaded
    assert not HEAVY & loaded


def test_the_first_use_of_a_name_loads_it_and_never_torch():
    loaded = loaded_after("import avmatch; avmatch.match; avmatch.sync; avmatch.plot_sync")
    assert "avmatch.notebook.jobs" in loaded
    assert not {"torch", "matplotlib", "pandas", "pyarrow", "narwhals"} & loaded


def test_an_answer_is_read_back_without_what_makes_one():
    """Reading it takes less time than these need to be imported."""
    loaded = loaded_after(
        "import avmatch; avmatch.match; avmatch.write_match; "
        "import avmatch.pipelines.answers, avmatch.pipelines.delivery"
    )
    assert not {"scipy", "cv2", "av", "onnxruntime"} & loaded


def test_help_comes_at_once():
    """In processor time, the best of three: what else the machine does must not count."""
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-m", "avmatch", "--help"], capture_output=True, check=True, timeout=60)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < 0.4


def test_an_import_has_no_effects():
    """Neither the environment nor threads nor logging; OpenCV's own edit of LD_LIBRARY_PATH isn't ours."""
    code = (
        "import cv2, logging, os, threading; before = dict(os.environ); import avmatch; avmatch.match; "
        "import avmatch.pipelines.match; assert dict(os.environ) == before; "
        "assert threading.active_count() == 1; assert not logging.root.handlers"
    )
    assert "avmatch.pipelines.match" in loaded_after(code)


def test_version_and_help_and_doctor(avmatch):
    assert avmatch("--version").stdout.strip() == package.__version__
    overview = avmatch("--help").stdout
    assert all(name in overview for name in ("match", "sync", "train", "evaluate", "synth", "doctor"))
    doctor = avmatch("doctor").stdout
    assert package.__version__ in doctor
    assert "h264 decoding" in doctor
    assert "models:" in doctor
