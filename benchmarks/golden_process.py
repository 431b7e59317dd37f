"""`python -m avmatch …` without waiting for the libraries: each command is a fork of a server that has loaded them.

Of the ten seconds of a tiny training eight are imports. The server (multiprocessing's) imports what others wrote, never
avmatch, and has no threads when it forks. One thread in numerical libraries: sums have one order.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

#: COLUMNS: wide, so that no table is cut.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "COLUMNS": "250",
    "NO_COLOR": "1",
    "CUDA_VISIBLE_DEVICES": "",
}
#: What isn't there is passed over by the server.
LIBRARIES = """
    av cv2 jaxtyping onnx onnxruntime rich.console rich.table rich.progress safetensors.torch typer
    matplotlib.figure matplotlib.backends.backend_agg onnxscript
    scipy.linalg scipy.optimize scipy.signal scipy.special scipy.stats
    sklearn.cluster sklearn.linear_model sklearn.preprocessing sklearn.svm
    torch torch._dynamo torch.export torch.onnx torch.optim torch.utils.data torch.utils.tensorboard
    torch.onnx._internal.exporter._compat torch.onnx._internal.exporter._core torch.onnx.ops
"""


def command_context(cache: Path) -> ForkServerContext:
    """What starts commands; once a process, before its first command."""
    os.environ.update(ENVIRONMENT | {"XDG_CACHE_HOME": str(cache)})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES.split())
    return context


def started(
    context: ForkServerContext, arguments: tuple[str, ...], folder: Path, stdout: Path, stderr: Path
) -> ForkServerProcess:
    """Begin a command in `folder`."""
    for path in (stdout, stderr):
        path.parent.mkdir(parents=True, exist_ok=True)
    process = context.Process(target=_command, args=(arguments, folder, stdout, stderr))
    process.start()
    return process


def _command(arguments: tuple[str, ...], folder: Path, stdout: Path, stderr: Path) -> None:
    os.chdir(folder)
    for path, number in ((stdout, 1), (stderr, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    here = str(Path(__file__).parent)
    sys.path[:] = [place for place in sys.path if place != here]
    sys.argv = ["avmatch", *arguments]
    runpy.run_module("avmatch", run_name="__main__", alter_sys=True)
