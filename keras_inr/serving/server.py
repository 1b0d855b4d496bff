"""A server of models: REST, gRPC, and a watch over the folders."""

import dataclasses
import pathlib
import threading
from collections.abc import Callable, Sequence

import grpc
from starlette.routing import BaseRoute

from keras_inr.errors import InputError
from keras_inr.serving.admission import Admission
from keras_inr.serving.application import application
from keras_inr.serving.http_server import HttpServer, bound_socket
from keras_inr.serving.measures import Measures
from keras_inr.serving.models import Models, ModelSettings, Version
from keras_inr.serving.rest import rest_routes
from keras_inr.serving.rpc import grpc_server
from keras_inr.serving.servable import Servable
from keras_inr.serving.settings import Bounds
from keras_inr.serving.status import RequestError

GRACE_SECONDS = 30
"""That requests have to end in when a server is stopped."""


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
        reload_allowed: whether a gRPC call may name other models; settings are then called once.
        tells_health: whether gRPC's health service answers.
        poll_seconds: between two looks at the settings and the folders.
        on_change: called with name, number and `Version` after each change of a version's state.
        on_problem: called with a sentence when the settings cannot be followed, and with None when they can again.
        routes: called with the server for further routes of its REST port.

    Raises:
        InputError: if a port cannot be listened at.
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
        tells_health: bool = False,
        poll_seconds: float = 1.0,
        on_change: Callable[[str, int, Version], object] = lambda name, number, version: None,
        on_problem: Callable[[str | None], object] = lambda problem: None,
        routes: Callable[["Server"], Sequence[BaseRoute]] = lambda server: (),
    ) -> None:
        self.measures = Measures()

        def changed(name, number, version):
            self.measures.version_changed(name, number, version)
            on_change(name, number, version)

        self.models = Models(Servable, changed)
        self.admission = Admission(bounds)
        self._settings, self._poll_seconds, self._on_problem = settings, poll_seconds, on_problem
        self._reload_allowed = reload_allowed
        self._stopping = threading.Event()
        self._grpc: grpc.Server | None = None
        self._rest: HttpServer | None = None
        self.grpc_port: int | None = None
        self.problem: str | None = None
        if addresses.grpc_port is not None:
            self._grpc = grpc_server(
                self.models, self.admission, self.measures, token, as_content, reload_allowed, tells_health
            )
            host = f"[{addresses.host}]" if ":" in addresses.host else addresses.host
            try:
                self.grpc_port = self._grpc.add_insecure_port(f"{host}:{addresses.grpc_port}")
            except RuntimeError:  # gRPC does not say why
                bound_socket(addresses.host, addresses.grpc_port).close()
                raise InputError(f"port {addresses.grpc_port} of {addresses.host} cannot be listened at") from None
        if addresses.rest_port is not None:
            further = routes(self)
            app = application(rest_routes(self.models, self.admission, self.measures, token, further), cors)
            self._rest = HttpServer(app, addresses.host, addresses.rest_port, GRACE_SECONDS, self.stop)

    @property
    def rest_port(self) -> int | None:
        """That is listened at; None without REST."""
        return None if self._rest is None else self._rest.port

    def run(self) -> None:
        """Loads the models and answers until a signal or `stop`; returns when the last request is answered."""
        self._follow(self._configure)
        watch = threading.Thread(target=self._watch, name="watch", daemon=True)
        watch.start()
        if self._grpc is not None:
            self._grpc.start()
        try:
            if self._rest is not None:
                self._rest.run()
            else:
                self._stopping.wait()
        finally:
            self._stopping.set()
            if self._grpc is not None:
                self._grpc.stop(GRACE_SECONDS).wait()
            watch.join()
            self.models.close()

    def stop(self) -> None:
        """Lets `run` end: nothing new is taken, and what is there is answered."""
        self._stopping.set()
        if self._grpc is not None:
            self._grpc.stop(GRACE_SECONDS)
        if self._rest is not None:
            self._rest.stop()

    def _watch(self):
        """Looks at settings and folders; what cannot be read leaves what is served as it is."""
        while not self._stopping.wait(self._poll_seconds):
            self._follow(self.models.poll if self._reload_allowed else self._configure)

    def _configure(self):
        self.models.configure(self._settings())

    def _follow(self, step):
        problem = None
        try:
            step()
        except RequestError as error:  # of labels that wait for a version
            problem = error.message
        except (InputError, OSError) as error:
            problem = str(error)
            self.models.poll()
        except Exception as error:  # the watch goes on whatever happens
            problem = f"{type(error).__name__}: {error}"
        if problem != self.problem:
            self.problem = problem
            self._on_problem(problem)


def run_settings(name: str, base_path: pathlib.Path) -> Callable[[], dict[str, ModelSettings]]:
    """The settings of one model whose versions lie in a folder."""
    settings = {name: ModelSettings(base_path)}
    return lambda: settings
