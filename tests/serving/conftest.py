"""A server of small models in a thread, or the one that --server_url and --grpc_url name."""

import json
import threading
import types
import urllib.error
import urllib.request

import grpc
import pytest
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from keras_inr.serving.server import Addresses, Server
from keras_inr.serving.settings import settings_of_base
from serving.models import make_base

ANY = Addresses(rest_port=0, grpc_port=0)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The model base, see models.py."""
    return make_base(tmp_path_factory.mktemp("served") / "models")


class Running:
    """A server in a thread."""

    def __init__(self, settings, **arguments):
        arguments = {"addresses": ANY, "poll_seconds": 0.05, **arguments}
        self.server = Server(settings, **arguments)
        self.url = f"http://127.0.0.1:{self.server.rest_port}"
        self.address = f"127.0.0.1:{self.server.grpc_port}"
        self._thread = threading.Thread(target=self.server.run)

    def __enter__(self):
        self._thread.start()
        for _ in range(600):
            if (reply := try_ask(f"{self.url}/health")) is not None and reply.status == 200:
                return self
            threading.Event().wait(0.05)
        raise TimeoutError("the server did not start")

    def __exit__(self, *error):
        self.server.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def running(request, base):
    """url and address of a server of the base."""
    url, address = request.config.getoption("--server_url"), request.config.getoption("--grpc_url")
    if url or address:
        yield types.SimpleNamespace(url=url, address=address)
    else:
        with Running(lambda: settings_of_base(base)) as started:
            yield started


def ask(url, body=None, method=None, headers=None):
    """status, headers, text and (if it is that) JSON of a reply."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            status, headers, content = reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        status, headers, content = error.code, error.headers, error.read()
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    return types.SimpleNamespace(status=status, headers=headers, content=content, json=value)


def try_ask(url):
    """As `ask`; None while nobody listens."""
    try:
        return ask(url)
    except OSError:
        return None


@pytest.fixture(scope="session")
def rest(running):
    """rest(path, body) -> the reply."""
    return lambda path, body=None, **further: ask(f"{running.url}/v1/models/{path}", body, **further)


@pytest.fixture(scope="session")
def stubs(running):
    """PredictionService and ModelService of the server."""
    with grpc.insecure_channel(running.address, [("grpc.max_receive_message_length", -1)]) as channel:
        yield types.SimpleNamespace(
            predict=prediction_service_pb2_grpc.PredictionServiceStub(channel),
            manage=model_service_pb2_grpc.ModelServiceStub(channel),
        )
