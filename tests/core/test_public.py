"""The public surface is a tested list."""

import ast
import pydoc
import subprocess
import sys
from pathlib import Path

import avmatch


def listed():
    """`__all__`, which only type checkers read."""
    tree = ast.parse(Path(avmatch.__file__).read_text(encoding="utf-8"))
    (names,) = [
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    return names


def test_all_is_sorted_and_everything_in_it_is_there():
    assert listed() == sorted(listed()) == dir(avmatch)
    for name in dir(avmatch):
        assert getattr(avmatch, name) is not None


def test_help_fits_a_few_screens_and_names_everything():
    text = pydoc.render_doc(avmatch, renderer=pydoc.plaintext)
    assert len(text.splitlines()) <= 100
    story = text.partition("PACKAGE CONTENTS")[0]
    assert all(name in story for name in dir(avmatch) if name != "__version__")
    assert max(map(len, story.partition("DESCRIPTION")[2].splitlines())) <= 80


def test_sync_stays_the_function_whatever_is_imported():
    import avmatch.alignment.offset
    import avmatch.notebook.evaluate
    import avmatch.notebook.jobs
    import avmatch.pipelines.match
    import avmatch.pipelines.sync

    assert avmatch.sync is avmatch.notebook.jobs.sync
    assert avmatch.match is avmatch.notebook.jobs.match
    assert avmatch.evaluate is avmatch.notebook.evaluate


def test_importing_has_no_effects():
    code = (
        "import sys, threading, logging; before = set(sys.modules); import avmatch;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "assert threading.active_count() == 1 and not logging.root.handlers;"
        "print(*sorted(new & {'av', 'cv2', 'matplotlib', 'numpy', 'onnxruntime', 'scipy', 'torch'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
