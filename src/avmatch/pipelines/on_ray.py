"""Jobs on a Ray cluster. The only importer of ray.

    jobs → workers, one job at a time each → answers, in the order of the jobs

A worker is an actor: it loads its models once. It gets its next job when it has answered, so no queue grows anywhere,
and a worker that dies says by that which job it had. Such a job is tried once more, by another worker; what has killed
NUM_TRIES workers is given up. One more worker than there is room for is always asked for: it starts when a worker dies
or a node joins, and an autoscaler sees that a node would be used.

Where RAY_ADDRESS names no cluster, one is started for these jobs on the cores of this machine, which listens on the
loopback address alone. Neither has a dashboard or reports how it is used.
"""

from __future__ import annotations

import copy
import os
import re
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from avmatch.core.errors import AvmatchError, MissingExtraError
from avmatch.core.log import logger
from avmatch.core.results import Progress

#: Workers that a job may kill.
NUM_TRIES = 2
#: Workers that may die one after another before they have loaded their models.
MAX_FAILED_STARTS = 3
#: What answers wait in until they are fetched: each is small, and fetched at once.
OBJECT_STORE_BYTES = 256 << 20
#: A head node that doesn't take a connection in this time is not there.
CONNECT_SECONDS = 20.0
_HOST_AND_PORT = re.compile(r"(ray://)?(?P<host>[^:/\[\]]+):(?P<port>\d+)")

Job = TypeVar("Job")
Answer = TypeVar("Answer")
Job_contra = TypeVar("Job_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)


@runtime_checkable
class Task(Protocol[Job_contra, Answer_co]):
    """What is to be done; it is sent to every worker, so it holds names and settings, and no models."""

    def prepared(self) -> Callable[[Job_contra], Answer_co]:
        """Load what is needed and return what does a job. Runs once a worker."""


def answers_on_ray(
    task: Task[Job, Answer],
    jobs: Sequence[Job],
    given_up: Callable[[Job], Answer],
    stage: str,
    progress: Progress | None = None,
    num_workers: int = 0,
) -> list[Answer]:
    """Do all jobs; the answers come in the order of `jobs`.

    Args:
        given_up: the answer for a job that has killed NUM_TRIES workers.
        stage: the name of the work, for `progress`.
        num_workers: at most; 0 = one a core of the cluster.

    Raises:
        MissingExtraError: ray is needed.
        AvmatchError: the cluster can't be reached, or workers die before they have anything to do; or what a job
            raises.
    """
    if not jobs:
        return []
    with _cluster(num_workers) as ray:
        pool: _Pool[Job, Answer] = _Pool(ray, task, jobs, given_up, num_workers)
        return pool.run(lambda done: progress(stage, done, len(jobs)) if progress is not None else None)


class _Worker:
    """Runs in a process of its own, on some node."""

    def prepare(self, task: Task[Any, Any], folder: str) -> None:
        """Load the models. Relative names mean what they mean where the command was given, if that folder is here."""
        if Path(folder).is_dir():
            os.chdir(folder)
        self._work = task.prepared()

    def do(self, job: Any) -> Any:
        """Do a job."""
        return self._work(job)


class _Pool(Generic[Job, Answer]):
    """Workers, what each is at, and what is left to do."""

    def __init__(
        self, ray: Any, task: Task[Job, Answer], jobs: Sequence[Job], given_up: Callable[[Job], Answer], limit: int
    ) -> None:
        self._ray, self._task, self._jobs, self._given_up = ray, ray.put(task), jobs, given_up
        self._limit = limit or len(jobs)
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker)
        self._waiting: deque[int] = deque(range(len(jobs)))
        self._tries: Counter[int] = Counter()
        self._answers: dict[int, Answer] = {}
        #: By what they will answer: the worker, and the place of its job; None while it loads its models.
        self._running: dict[Any, tuple[Any, int | None]] = {}
        self._num_failed_starts = 0

    def run(self, report: Callable[[int], None]) -> list[Answer]:
        """Until every job has its answer."""
        num_cores = int(self._ray.cluster_resources().get("CPU", 1))
        self._hire(num_cores)
        try:
            while len(self._answers) < len(self._jobs):
                (answered,), _ = self._ray.wait(list(self._running), num_returns=1)
                before = len(self._answers)
                self._take(answered)
                if len(self._answers) > before:
                    report(len(self._answers))
                self._hire(1)
        finally:
            for worker, _ in self._running.values():
                self._ray.kill(worker)
        return [self._answers[place] for place in range(len(self._jobs))]

    def _hire(self, num: int) -> None:
        """See to it that so many workers are on their way, as far as there is work for them."""
        on_their_way = sum(place is None for _, place in self._running.values())
        room = min(len(self._waiting) - on_their_way, self._limit - len(self._running), num - on_their_way)
        if self._num_failed_starts >= MAX_FAILED_STARTS:
            if not self._running:
                raise AvmatchError(
                    f"{self._num_failed_starts} workers died while they loaded their models: is avmatch installed on "
                    "every node, and is there enough memory?"
                )
            return
        for _ in range(room):
            worker = self._actor.remote()
            self._running[worker.prepare.remote(self._task, str(Path.cwd()))] = (worker, None)

    def _take(self, answered: Any) -> None:
        """Take an answer, or learn that a worker is gone."""
        errors = self._ray.exceptions
        worker, place = self._running.pop(answered)
        try:
            answer = copy.deepcopy(self._ray.get(answered))  # out of Ray's memory, which ends before the answer does
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except errors.RayError as error:
            self._ray.kill(worker)  # it may be alive and out of reach
            self._lost(place, error)
            return
        if place is None:
            self._num_failed_starts = 0
        else:
            self._answers[place] = answer
        if self._waiting:
            following = self._waiting.popleft()
            self._running[worker.do.remote(self._jobs[following])] = (worker, following)
        else:
            self._ray.kill(worker)

    def _lost(self, place: int | None, error: Exception) -> None:
        """A worker is gone, and its job is tried again, soon, or given up."""
        logger.info("a worker is gone: %s", " ".join(str(error).split())[:500])
        if place is None:
            self._num_failed_starts += 1
            return
        self._tries[place] += 1
        if self._tries[place] < NUM_TRIES:
            self._waiting.appendleft(place)
        else:
            self._answers[place] = self._given_up(self._jobs[place])


def _check_answers(address: str | None) -> None:
    """Raises AvmatchError if nobody listens at host:port. Ray itself asks such an address for many minutes."""
    named = _HOST_AND_PORT.fullmatch(address or "")
    if named is None:
        return
    try:
        socket.create_connection((named["host"], int(named["port"])), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        message = f"no Ray cluster (RAY_ADDRESS is {address}: start the cluster or unset it): {error}"
        raise AvmatchError(message) from error


@contextmanager
def _cluster(num_workers: int) -> Iterator[Any]:
    """Ray, connected to the cluster of this process, of RAY_ADDRESS, or of this machine alone."""
    address = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not address:
        # Ray reads this when it is imported: nodes that aren't to be joined have the address 127.0.0.1.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "work on a cluster (--on ray)") from error
    if ray.is_initialized():
        yield ray
        return
    _check_answers(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    alone: dict[str, Any] = {
        "address": "local",
        "num_cpus": num_workers or os.cpu_count(),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    try:
        ray.init(**(quiet if address else quiet | alone))
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = (
            f"RAY_ADDRESS is {address}: start the cluster or unset it" if address else "it could not be started here"
        )
        raise AvmatchError(f"no Ray cluster ({where}): {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()
