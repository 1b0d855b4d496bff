"""An ASGI application at a port, until it is stopped."""

import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from keras_inr.errors import InputError

MOST_CONNECTIONS = 1024
KEEP_ALIVE_SECONDS = 30


class _Uvicorn(uvicorn.Server):
    """Tells of a signal before it stops itself."""

    def __init__(self, config: uvicorn.Config, on_signal: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_signal = on_signal

    def handle_exit(self, number: int, frame: Any) -> None:
        """What a signal does."""
        self._on_signal()
        super().handle_exit(number, frame)


class HttpServer:
    """Answers HTTP requests.

    Args:
        app: the application.
        host: name or address of an interface.
        port: 0 for any free one.
        grace_seconds: that requests have to end in when it is stopped.
        on_signal: called when a signal stops it.

    Attributes:
        port: that is listened at.

    Raises:
        InputError: if the port cannot be listened at.
    """

    def __init__(
        self, app: Any, host: str, port: int, grace_seconds: int, on_signal: Callable[[], object] = lambda: None
    ) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=grace_seconds,
        )
        self._server = _Uvicorn(config, on_signal)
        self._socket = bound_socket(host, port)
        self.port: int = self._socket.getsockname()[1]

    def run(self) -> None:
        """Answers until a signal or `stop`; returns when the last request is answered."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Lets `run` end."""
        self._server.should_exit = True


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at the address; InputError with the reason if there can be none, as where another one has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # by the name of its protocol, or asyncio leaves out TCP_NODELAY and small answers wait 40 ms for an acknowledgement
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(f"port {port} of {host} cannot be listened at: {error}") from None
    return listening
