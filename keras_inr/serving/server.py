"""A server of models: REST, gRPC, and a watch over the folders."""

import dataclasses
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import grpc
import uvicorn

from keras_inr.errors import InputError
from keras_inr.serving.measures import Measures
from keras_inr.serving.models import Models, ModelSettings, Version
from keras_inr.serving.predictor import Predictor
from keras_inr.serving.rest import rest_app
from keras_inr.serving.rpc import grpc_server
from keras_inr.serving.servable import Servable
from keras_inr.serving.settings import Bounds
from keras_inr.serving.status import RequestError


@dataclasses.dataclass(frozen=True)
class Addresses:
    """Where a server listens.

    Args:
        host: name or address of an interface; loopback by default, which only this machine reaches.
        rest_port, grpc_port: 0 for any free one, None for no such server.
    """

    host: str = "127.0.0.1"
    rest_port: int | None = 8501
    grpc_port: int | None = 8500


class Server:
    """Serves models until it is stopped.

    Args:
        settings: called now and at each poll: name -> `ModelSettings`.
        addresses: where it listens.
        bounds: of requests.
        token: that requests need; None for none.
        cors: whether pages of other origins may ask.
        as_content: whether gRPC sends tensors as bytes.
        reload_allowed: whether a gRPC call may name other models.
        poll_seconds: between two looks at the folders.
        config_seconds: between two readings of the settings.
        on_change: called with name, number and `Version` after each change of a version's state.

    Raises:
        InputError: if a port is taken.
    """

    def __init__(
        self,
        settings: Callable[[], dict[str, ModelSettings]],
        addresses: Addresses = Addresses(),
        bounds: Bounds = Bounds(),  # noqa: B008  frozen
        *,
        token: str | None = None,
        cors: bool = False,
        as_content: bool = False,
        reload_allowed: bool = False,
        poll_seconds: float = 1.0,
        config_seconds: float = 10.0,
        on_change: Callable[[str, int, Version], object] = lambda name, number, version: None,
    ) -> None:
        self.measures = Measures()

        def changed(name, number, version):
            self.measures.version_changed(name, number, version)
            on_change(name, number, version)

        self.models = Models(Servable, changed)
        self.predictor = Predictor(self.models, bounds)
        self._settings, self._poll_seconds, self._config_seconds = settings, poll_seconds, config_seconds
        self._stopping = threading.Event()
        self._grpc: grpc.Server | None = None
        self._rest: uvicorn.Server | None = None
        self.grpc_port: int | None = None
        self.problem: str | None = None
        if addresses.grpc_port is not None:
            self._grpc = grpc_server(self.predictor, self.measures, token, as_content, reload_allowed)
            try:
                self.grpc_port = self._grpc.add_insecure_port(f"{addresses.host}:{addresses.grpc_port}")
            except RuntimeError:
                raise InputError(
                    f"port {addresses.grpc_port} of {addresses.host} cannot be listened at: it is taken"
                ) from None
        if addresses.rest_port is not None:
            app = rest_app(self.predictor, self.measures, token, cors)
            config = uvicorn.Config(
                app,
                host=addresses.host,
                port=addresses.rest_port,
                log_level="warning",
                access_log=False,
                lifespan="off",
                limit_concurrency=1024,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=30,
            )
            self._rest = uvicorn.Server(config)
            self._socket = _bound(config)
            self.rest_port: int | None = self._socket.getsockname()[1]
        else:
            self.rest_port = None

    def run(self) -> None:
        """Loads the models and answers until a signal or `stop`; returns when the last request is answered."""
        self._load()
        watch = threading.Thread(target=self._watch, name="watch", daemon=True)
        watch.start()
        if self._grpc is not None:
            self._grpc.start()
        try:
            if self._rest is not None:
                self._rest.run(sockets=[self._socket])
            else:
                self._stopping.wait()
        finally:
            self._stopping.set()
            if self._grpc is not None:
                self._grpc.stop(grace=30).wait()
            watch.join()
            self.models.close()

    def stop(self) -> None:
        """Lets `run` end."""
        self._stopping.set()
        if self._rest is not None:
            self._rest.should_exit = True

    def _load(self):
        try:
            self.models.configure(self._settings())
        except RequestError as error:
            self.problem = error.message

    def _watch(self):
        """Looks at folders and settings; a settings file that cannot be read leaves what is served as it is."""
        known, waited = None, 0.0
        while not self._stopping.wait(self._poll_seconds):
            waited += self._poll_seconds
            if waited >= self._config_seconds:
                waited = 0.0
                try:
                    found = self._settings()
                except (InputError, OSError) as error:
                    self.problem = str(error)
                    found = known
                if found is not None and found != known:
                    known = self._configured(found)
            self.models.poll()

    def _configured(self, found):
        try:
            self.models.configure(found)
        except RequestError as error:
            self.problem = error.message
            return None  # labels that wait for a version: tried again
        self.problem = None
        return found


def _bound(config: Any) -> Any:
    """A socket at the address; InputError if that is taken."""
    import socket

    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(f"port {config.port} of {config.host} cannot be listened at: {error}") from None
    return listening


def run_settings(name: str, base_path: pathlib.Path) -> Callable[[], dict[str, ModelSettings]]:
    """The settings of one model whose versions lie in a folder."""
    settings = {name: ModelSettings(base_path)}
    return lambda: settings
