"""The same work on a Ray cluster: tasks go to its machines, models come back, and one process writes them."""

import collections
import contextlib
import math
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from keras_inr.errors import InputError, MachineError
from keras_inr.fleet.work import Outcome, failed, fit_task, limit_threads, reason_of

RETRIES = 3
"""How often a task is started again that was lost with its machine, or whose machine has no room for it."""

MOST_AHEAD = 2
"""Tasks per place that may wait in the cluster, so that no machine waits for pictures to be read."""

Work = Callable[[Any, Any], list[Outcome]]
"""A function of a task, which has `names`, and a plan, such as `fit_task`."""


@contextlib.contextmanager
def ray_cluster(address: str, cpus_per_task: int = 2, work: Work = fit_task) -> Iterator["RayExecutor"]:
    """Connects to a Ray cluster; gives the `execute` that `run_fleet` takes, and disconnects in the end.

    A task is a pure function of its pictures, so that one which was lost with a worker or a machine is simply started
    again: nothing is written but by the process that called, and so nothing is written twice. Where the cluster has
    GPUs a task takes one, else `cpus_per_task` cores. On a machine that has no room for temporary files it is tried
    again as if it were lost; where that does not help its pictures fail with that machine's words.

    Args:
        address: "auto", "host:port" or "ray://host:port", as of `ray.init`.
        cpus_per_task: cores that a task reserves on a machine without GPUs.
        work: what is called with each task and the plan.

    Raises:
        InputError: without the package ray, or where no cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise InputError("ray_address needs the package ray: pip install 'keras_inr[cluster]'") from None
    try:
        check_listens(address)
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, whatever an address makes it raise
        reason = " ".join(str(error).split())
        if address == "auto" and isinstance(error, ConnectionError):  # Ray's own advice is about flags of its own
            reason = "none runs on this machine; start one with `ray start --head`, or give its host:port"
        raise InputError(f"no Ray cluster answers at {address!r}: {reason}") from None
    try:
        yield RayExecutor(ray, cpus_per_task, work)
    finally:
        ray.shutdown()


def check_listens(address: str) -> None:
    """Raises an OSError at once where nothing listens at "host:port"; Ray would try for ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()


class RayExecutor:
    """Calls `fit_task` on a cluster.

    Args:
        ray: the connected package.
        cpus_per_task: cores that a task reserves on a machine without GPUs.
        work: what is called in the place of `fit_task`.
    """

    def __init__(self, ray: Any, cpus_per_task: int, work: Work = fit_task) -> None:
        self.ray = ray
        resources = ray.cluster_resources()
        gpus = resources.get("GPU", 0)
        needs = {"num_gpus": 1} if gpus else {"num_cpus": cpus_per_task}
        self.places = max(1, math.floor(gpus or resources.get("CPU", 0) / cpus_per_task))
        if not gpus and max(_cpus(ray), default=0) < cpus_per_task:
            raise InputError(
                f"cpus_per_task must be at most {max(_cpus(ray), default=0)}, the cores of the largest machine, "
                f"received {cpus_per_task!r}"
            )
        # counted against max_retries: a lost worker or machine, and one without room; nothing else that a task raises
        again = {"max_retries": RETRIES, "retry_exceptions": [MachineError]}
        self.remote = ray.remote(**again, **needs)(work if gpus else on_cores(work, cpus_per_task))

    def __call__(self, tasks: Iterable[Any], plan: Any, should_stop: Callable[[], bool]) -> Iterator[list[Outcome]]:
        """Yields the outcomes of each task, in the order in which they come back."""
        tasks = iter(tasks)
        running: collections.OrderedDict[Any, Sequence[str]] = collections.OrderedDict()
        shared = self.ray.put(plan)
        while not should_stop():
            task = next(tasks, None) if len(running) < MOST_AHEAD * self.places else None
            if task is not None:
                try:
                    running[self.remote.remote(task, shared)] = task.names
                except self.ray.exceptions.RayError as error:  # no room for the pictures on the way
                    yield lost(task.names, f"the task cannot be sent: {error}")
            if not running:
                if task is None:
                    break
                continue
            # as long as there is room the next pictures are read, and what has come back is looked at in between
            ready, _ = self.ray.wait(list(running), timeout=0.5 if task is None else 0)
            for reference in ready:
                yield self.outcomes(reference, running.pop(reference))
        for reference in running:
            self.ray.cancel(reference, force=True)

    def outcomes(self, reference: Any, names: Sequence[str]) -> list[Outcome]:
        """What a task came to; all its pictures have failed where it was lost more often than it is tried again."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            return lost(names, f"the task failed on its machine: {reason_of(error.cause)}")
        except self.ray.exceptions.RayError as error:
            return lost(names, f"the task was lost {RETRIES + 1} times: {last_line(error)}")


def lost(names: Sequence[str], reason: object) -> list[Outcome]:
    """The outcomes of a task of which nothing came back."""
    return [failed(name, reason) for name in names]


def last_line(error: Exception) -> str:
    """What Ray's long errors come to."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def on_cores(work: Work, cores: int) -> Work:
    """A task's work with as many threads as it has reserved cores."""

    def limited(task: Any, plan: Any) -> list[Outcome]:
        limit_threads(cores)
        return work(task, plan)

    return limited


def _cpus(ray):
    """Cores of each machine that is alive."""
    return [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
