"""On Ray: the same bytes as here, whatever dies. Each test is a program of its own, as Ray belongs to a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import CRASHING

import avmatch
from avmatch.core.errors import AvmatchError, MissingExtraError
from avmatch.pipelines.embed import EmbedTask
from avmatch.pipelines.on_ray import answers_on_ray
from avmatch.synth import SynthConfig, synthesise

pytestmark = pytest.mark.slow
#: Nothing here takes nearly as long.
TIMEOUT_SECONDS = 900
SOURCE = Path(avmatch.__file__).parents[1]

#: Jobs are numbers: 3 kills its worker each time, 5 the first time only.
PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path

marks = Path(sys.argv[1])

class Task:
    def prepared(self):
        import ray
        def work(job):
            with (marks / f"tries-{job}").open("a") as file:
                file.write("x")
            if job == 3 or (job == 5 and (marks / "tries-5").stat().st_size == 1):
                os.kill(os.getpid(), signal.SIGSEGV)
            if job == 98:
                raise ValueError("no such job")
            node = ray.get_runtime_context().get_node_id()
            (marks / f"node-{node}").touch()
            deadline = time.monotonic() + 120
            while job > 103 and len(list(marks.glob("node-*"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            return job * 10, node
        return work
"""


def run(program, *arguments, **environment):
    """The last line that a program prints, read as JSON."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    given = os.environ | {"PYTHONPATH": str(SOURCE)} | environment
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_job_that_kills_its_worker_is_tried_twice_and_answers_keep_their_order(tmp_path):
    program = PROGRAM + (
        "from avmatch.pipelines.on_ray import answers_on_ray\n"
        "done = []\n"
        "report = lambda *said: done.append(said)\n"
        "found = answers_on_ray(Task(), range(12), lambda job: (-job, ''), 'jobs', report, 2)\n"
        "print(json.dumps([[answer for answer, _ in found], done[-1]]))"
    )
    answers, last = run(program, tmp_path)
    assert answers == [0, 10, 20, -3, *range(40, 120, 10)]
    assert last == ["jobs", 12, 12]
    tries = {job: len((tmp_path / f"tries-{job}").read_text()) for job in range(12)}
    assert tries == {job: 2 if job in (3, 5) else 1 for job in range(12)}


def test_a_node_that_joins_is_used(tmp_path):
    program = PROGRAM + (
        "import ray\n"
        "from ray.cluster_utils import Cluster\n"
        "from avmatch.pipelines.on_ray import answers_on_ray\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False})\n"
        "ray.init(address=cluster.address, log_to_driver=False)\n"
        "def joined(stage, done, total):\n"
        "    if done == 2:\n"
        "        cluster.add_node(num_cpus=1)\n"
        "found = answers_on_ray(Task(), range(100, 110), lambda job: None, 'jobs', joined)\n"
        "print(json.dumps([[answer for answer, _ in found], len({node for _, node in found})]))"
    )
    answers, num_nodes = run(program, tmp_path, RAY_USAGE_STATS_ENABLED="0")
    assert answers == list(range(1000, 1100, 10))
    assert num_nodes == 2


def test_what_a_job_raises_is_raised_here(tmp_path):
    program = PROGRAM + (
        "from avmatch.pipelines.on_ray import answers_on_ray\n"
        "try:\n"
        "    answers_on_ray(Task(), [0, 98], lambda job: None, 'jobs')\n"
        "except ValueError as error:\n"
        "    print(json.dumps(str(error)))"
    )
    assert run(program, tmp_path) == "no such job"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    synthesise(folder, SynthConfig(5, seed=3, duration_seconds=1.5, sizes=((96, 72),), kinds=("drums",)))
    return folder


def embedding(clips, out, cache, *options, path=SOURCE):
    command = [sys.executable, "-m", "avmatch", "embed", clips, "-o", out, "--cache", cache, *options]
    environment = os.environ | {"PYTHONPATH": str(path)}
    return subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process):
    """Its exit code and what it said, once it is over."""
    _, said = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, said


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_embed_on_ray_writes_the_same_bytes_and_names_the_file_that_crashes(clips, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    assert ended(embedding(clips, here, tmp_path / "cache"))[0] == 0
    crashing = tmp_path / "site"
    crashing.mkdir()
    (crashing / "sitecustomize.py").write_text(CRASHING)
    crash = clips / "videos" / "crash.mp4"
    crash.write_bytes(next((clips / "videos").glob("*.mp4")).read_bytes() + b"!")
    process = embedding(
        clips, there, tmp_path / "other", "--on", "ray", path=os.pathsep.join([str(crashing), str(SOURCE)])
    )
    code, said = ended(process)
    crash.unlink()
    assert code == 0, said
    assert f"{crash}: left out: the process that read it died, 2 times" in said
    assert contents(there) == contents(here)
    assert contents(tmp_path / "other") == contents(tmp_path / "cache")


def test_eight_processes_on_one_cache_some_of_them_killed(clips, tmp_path):
    alone, cache = tmp_path / "alone", tmp_path / "cache"
    assert ended(embedding(clips, alone, tmp_path / "own"))[0] == 0
    processes = [embedding(clips, tmp_path / f"out-{number}", cache) for number in range(8)]
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not list(cache.rglob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in processes[:3]:
        process.send_signal(signal.SIGKILL)
    codes = [ended(process)[0] for process in processes]
    assert codes == [-signal.SIGKILL] * 3 + [0] * 5
    for number in range(3, 8):
        assert contents(tmp_path / f"out-{number}") == contents(alone)
    kept = {name: content for name, content in contents(cache).items() if not name.name.startswith(".avmatch-")}
    assert kept == contents(tmp_path / "own")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'avmatch\[ray\]'"):
        answers_on_ray(EmbedTask("semantic", "both", None), ["a.mp4"], lambda job: job, "jobs")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_named_at_once(monkeypatch, scheme):
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(AvmatchError, match=f"RAY_ADDRESS is {address}: start the cluster or unset it"):
        answers_on_ray(EmbedTask("semantic", "video", None), ["a.mp4"], str, "files")
