"""The public surface is a tested list."""

import subprocess
import sys

import avmatch


def test_all_is_sorted_and_everything_in_it_is_there():
    assert avmatch.__all__ == sorted(avmatch.__all__)
    for name in avmatch.__all__:
        assert getattr(avmatch, name) is not None
    assert set(dir(avmatch)) == set(avmatch.__all__)


def test_sync_stays_the_function_whatever_is_imported():
    import avmatch.alignment.offset
    import avmatch.pipelines.answers
    import avmatch.pipelines.match
    import avmatch.pipelines.sync

    assert avmatch.sync is avmatch.pipelines.sync.sync
    assert avmatch.match is avmatch.pipelines.answers.match


def test_importing_has_no_effects():
    code = (
        "import sys, threading, logging; before = set(sys.modules); import avmatch;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "assert threading.active_count() == 1 and not logging.root.handlers;"
        "print(*sorted(new & {'av', 'cv2', 'matplotlib', 'numpy', 'onnxruntime', 'scipy', 'torch'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
