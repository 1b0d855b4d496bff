"""Gateways over the three backends, before one base of small models."""

import threading

import numpy as np
import pytest
from export.small_fields import small_field
from serving.conftest import Running, ask, try_ask
from serving.models import LIMITS, make_base

from keras_inr.export import export_model_base
from keras_inr.gateway.backends import Embedded, OverGrpc, OverRest
from keras_inr.gateway.base_folder import BaseFolder
from keras_inr.gateway.gateway import Gateway
from keras_inr.gateway.pictures import Pictures
from keras_inr.gateway.routes import gateway_routes, health_route
from keras_inr.serving.admission import Admission
from keras_inr.serving.application import application, document_route, metrics_route
from keras_inr.serving.http_server import HttpServer
from keras_inr.serving.measures import Measures
from keras_inr.serving.settings import Bounds, settings_of_base

ORIGINAL = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
NOISY = {"between_pixels": {"psnr_db": 20.0, "bilinear_psnr_db": 30.0, "shown_by": "spline"}, "psnr_db": 31.5}
BACKENDS = ("embedded", "grpc", "rest")


def embedded_routes(server, token=None, cache_bytes=2**20):
    """What `keras-inr serve` shows pictures with."""
    pictures = Pictures(Embedded(server.models), server.models.folder, server.models.labels)
    return gateway_routes(Gateway(pictures, server.admission, server.measures, cache_bytes), token)


class RunningGateway:
    """A gateway in a thread, as `keras-inr gateway` makes it."""

    def __init__(self, pictures, token=None, cors=False, bounds=Bounds()):  # noqa: B008  frozen
        measures = Measures()
        gateway = Gateway(pictures, Admission(bounds), measures, 2**20)
        routes = [
            health_route(gateway),
            metrics_route(measures, token),
            document_route(),
            *gateway_routes(gateway, token),
        ]
        self._server = HttpServer(application(routes, cors), "127.0.0.1", 0, 10)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self):
        self._thread.start()
        for _ in range(600):
            if try_ask(f"{self.url}/") is not None:
                return self
            threading.Event().wait(0.05)
        raise TimeoutError("the gateway did not start")

    def __exit__(self, *error):
        self._server.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """fox, hen (see serving/models.py), and owl, whose values between pixels are noise, with its original."""
    folder = make_base(tmp_path_factory.mktemp("shown") / "models")
    export_model_base(small_field("siren_256", seed=3), folder, "owl", original=ORIGINAL, info=NOISY, **LIMITS)
    return folder


@pytest.fixture(scope="session")
def fields():
    """Identifier -> the field that it was made from."""
    return {
        "fox": small_field("siren_256", seed=2),
        "fox@1": small_field("siren_256"),
        "fox@2": small_field("siren_256", seed=2),
        "fox@stable": small_field("siren_256"),
        "hen": small_field("multi_hash", channels=1),
        "owl": small_field("siren_256", seed=3),
    }


@pytest.fixture(scope="session")
def embedded(base):
    """A server that shows its pictures itself."""
    with Running(lambda: settings_of_base(base), routes=embedded_routes) as running:
        yield running


@pytest.fixture(scope="session", params=BACKENDS)
def show(request, base, embedded):
    """show(path) -> the reply of a gateway over a backend."""
    if request.param == "embedded":
        yield lambda path, **further: ask(f"{embedded.url}/{path}", **further)
        return
    folder = BaseFolder(base)
    over = {"grpc": (OverGrpc, embedded.address), "rest": (OverRest, embedded.url)}
    kind, address = over[request.param]
    pictures = Pictures(kind(address, folder.models), folder.folder_of, folder.labels_of)
    with RunningGateway(pictures) as running:
        yield lambda path, **further: ask(f"{running.url}/{path}", **further)
