"""A local Ray cluster of two nodes does what this process does alone, whatever is lost on the way."""

import os
import signal
import time

import pyarrow.parquet
import pytest

from fleet.small_fleets import figures, small_settings, write_pictures
from keras_inr.datasets.pictures import list_pictures
from keras_inr.errors import InputError, InterruptedRunError, MachineError
from keras_inr.fleet.cluster import RayExecutor, ray_cluster
from keras_inr.fleet.run import run_fleet
from keras_inr.fleet.work import fit_task

pytestmark = pytest.mark.slow

ray = pytest.importorskip("ray")
SETTINGS = small_settings(pictures_per_task=2)


@pytest.fixture(scope="module")
def cluster(request):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"), 6)


@pytest.fixture(scope="module")
def alone(source, tmp_path_factory):
    """Rows and weights of the embedded run."""
    folder, rows = run_fleet(list_pictures(str(source)), SETTINGS, tmp_path_factory.mktemp("alone"), progress=False)
    return figures(rows), weights(folder, rows)


def weights(folder, rows):
    import keras

    fields = [keras.saving.load_model(folder / row["model"]) for row in rows]
    return [[weight.numpy().tobytes() for weight in field.weights] for field in fields]


def on_cluster(cluster, source, out, work=fit_task):
    with ray_cluster(cluster.address, cpus_per_task=1) as execute:
        assert execute.places == 2
        executor = RayExecutor(ray, 1, work)
        folder, rows = run_fleet(list_pictures(str(source)), SETTINGS, out, execute=executor, progress=False)
    return figures(rows), weights(folder, rows)


def test_equals_the_embedded_run(cluster, source, alone, tmp_path):
    assert on_cluster(cluster, source, tmp_path / "out") == alone


def test_a_killed_worker_loses_nothing(cluster, source, alone, tmp_path):
    marker = tmp_path / "killed"

    def mortal(task, settings):
        """Fits; the first process that comes by is killed while it does."""
        import threading

        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return fit_task(task, settings)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()
        while True:
            fit_task(task, settings)

    assert on_cluster(cluster, source, tmp_path / "out", mortal) == alone
    assert marker.exists()


def test_a_lost_node_loses_nothing(cluster, source, alone, tmp_path):
    third = cluster.add_node(num_cpus=1)
    marker, its_id = tmp_path / "here", third.node_id

    def slow(task, settings):
        """Fits, but waits where another node will be taken away."""
        if ray.get_runtime_context().get_node_id() == its_id:
            marker.touch()
            time.sleep(100)
        return fit_task(task, settings)

    def watched(tasks, settings, should_stop):
        taken = False
        for outcomes in RayExecutor(ray, 1, slow)(tasks, settings, should_stop):
            if marker.exists() and not taken:
                cluster.remove_node(third, allow_graceful=False)
                taken = True
            yield outcomes

    with ray_cluster(cluster.address, cpus_per_task=1):
        folder, rows = run_fleet(
            list_pictures(str(source)), SETTINGS, tmp_path / "out", execute=watched, progress=False
        )
    assert (figures(rows), weights(folder, rows)) == alone
    assert marker.exists()


def test_a_task_that_always_dies_is_told(cluster, source, tmp_path):
    def hopeless(task, settings):
        if "000.png" in task.names:
            os.kill(os.getpid(), signal.SIGKILL)
        return fit_task(task, settings)

    with ray_cluster(cluster.address, cpus_per_task=1):
        executor = RayExecutor(ray, 1, hopeless)
        _, rows = run_fleet(list_pictures(str(source)), SETTINGS, tmp_path / "out", execute=executor, progress=False)
    assert [row["status"] for row in rows] == ["failed"] * 2 + ["fitted"] * 4
    assert all(row["reason"].startswith("the task was lost 4 times: ") for row in rows[:2])


def test_an_interrupt_keeps_what_came_back(cluster, source, alone, tmp_path):
    def interrupted(tasks, settings, should_stop):
        for outcomes in RayExecutor(ray, 1)(tasks, settings, should_stop):
            yield outcomes
            os.kill(os.getpid(), signal.SIGINT)

    with ray_cluster(cluster.address, cpus_per_task=1):
        with pytest.raises(InterruptedRunError, match="of 6 pictures fitted"):
            run_fleet(list_pictures(str(source)), SETTINGS, tmp_path / "out", execute=interrupted, progress=False)
        rows = pyarrow.parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
        done = [row["name"] for row in rows if row["status"] == "fitted"]
        assert 2 <= len(done) < 6
    folder, rows = run_fleet(list_pictures(str(source)), SETTINGS, tmp_path / "out", resume=True, progress=False)
    assert (figures(rows), weights(folder, rows)) == alone


def test_what_a_task_raises_is_told_and_no_loss(cluster, source, tmp_path):
    def broken(task, settings):
        raise ModuleNotFoundError("No module named 'keras_inr'")

    with ray_cluster(cluster.address, cpus_per_task=1):
        executor = RayExecutor(ray, 1, broken)
        _, rows = run_fleet(list_pictures(str(source)), SETTINGS, tmp_path / "out", execute=executor, progress=False)
    assert {row["reason"] for row in rows} == {"the task failed on its machine: No module named 'keras_inr'"}


def test_a_machine_without_room_is_not_the_pictures_fault(cluster, source, alone, tmp_path):
    """The task is tried again, as it is after a loss; where that never helps its pictures tell it."""
    marker = tmp_path / "full"

    def full(task, settings):
        if "002.png" in task.names:
            raise MachineError(28, "no folder can be made in the temporary folder", "/scratch")
        if not marker.exists():
            marker.touch()
            raise MachineError(28, "no folder can be made in the temporary folder", "/scratch")
        return fit_task(task, settings)

    with ray_cluster(cluster.address, cpus_per_task=1):
        executor = RayExecutor(ray, 1, full)
        _, rows = run_fleet(list_pictures(str(source)), SETTINGS, tmp_path / "out", execute=executor, progress=False)
    assert [row["status"] for row in rows] == ["fitted", "fitted", "failed", "failed", "fitted", "fitted"]
    told = "the task failed on its machine: [Errno 28] no folder can be made in the temporary folder: '/scratch'"
    assert {row["reason"] for row in rows[2:4]} == {told}


def test_pictures_that_cannot_be_sent(cluster, source, tmp_path):
    class Full:
        def remote(self, task, settings):
            raise ray.exceptions.ObjectStoreFullError("no room")

    with ray_cluster(cluster.address, cpus_per_task=1):
        executor = RayExecutor(ray, 1)
        executor.remote = Full()
        _, rows = run_fleet(list_pictures(str(source)), SETTINGS, tmp_path / "out", execute=executor, progress=False)
    assert all(row["reason"].startswith("the task cannot be sent: no room") for row in rows)


class FakeRay:
    """Resources of machines that are not there."""

    def __init__(self, cpus, gpus):
        self.resources = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
        self.asked = None

    def cluster_resources(self):
        return self.resources

    def nodes(self):
        return [{"Alive": True, "Resources": self.resources}]

    def remote(self, **options):
        self.asked = options
        return lambda work: work


@pytest.mark.parametrize(
    ("gpus", "places", "needs"), [(3, 3, {"num_gpus": 1}), (0, 4, {"num_cpus": 2})], ids=["gpus", "cores"]
)
def test_a_task_takes_a_gpu_or_cores(gpus, places, needs):
    machines = FakeRay(8, gpus)
    executor = RayExecutor(machines, 2)
    assert executor.places == places
    assert {name: machines.asked[name] for name in needs} == needs
    assert (executor.remote is fit_task) == bool(gpus)


def test_more_cores_than_a_machine_has(cluster):
    context = ray_cluster(cluster.address, cpus_per_task=5)
    with pytest.raises(InputError, match=r"cpus_per_task must be at most 1, .* received 5"):
        context.__enter__()


def test_no_cluster(monkeypatch):
    context = ray_cluster("127.0.0.1:1")
    with pytest.raises(InputError, match=r"no Ray cluster answers at '127\.0\.0\.1:1'"):
        context.__enter__()
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(InputError, match=r"answers at 'auto': none runs on this machine; start one with `ray start"):
        ray_cluster("auto").__enter__()


def refuse(**kwargs):
    raise ConnectionError("Could not find any running Ray instance.")
