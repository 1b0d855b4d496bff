"""A local Ray cluster of two nodes fits the blocks that this process fits alone, whatever is lost on the way."""

import os
import signal

import numpy as np
import pytest

from keras_inr.blocks.work import fit_block
from keras_inr.fleet.cluster import ray_cluster
from keras_inr.models.field_files import read_field

from .small_blocks import fit_cat

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
def test_a_cluster_fits_the_same_field_though_a_worker_is_killed(cluster, tmp_path):
    marker = tmp_path / "killed"

    def mortal(task, plan):
        """Fits; the first process that comes by is killed."""
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return fit_block(task, plan)
        os.kill(os.getpid(), signal.SIGKILL)

    with ray_cluster(cluster.address, 1, mortal) as execute:
        assert execute.places == 2
        folder, metrics = fit_cat(tmp_path, tmp_path / "cluster", execute=execute)
    assert marker.exists()
    alone, expected = fit_cat(tmp_path, tmp_path / "alone")
    fields = [read_field(place / "model.keras") for place in (folder, alone)]
    for weight, other in zip(*(field.get_weights() for field in fields), strict=True):
        np.testing.assert_array_equal(weight, other)
    assert metrics["psnr_db"] == expected["psnr_db"]
