"""Shows pictures that TensorFlow Serving serves: keras-inr gateway --base=models --backend=grpc://127.0.0.1:8500

    keras-inr gateway --base=models --backend=grpc://server:8500
    keras-inr gateway --models=fox,fox_pictures --backend=http://server:8501

A page to look at them, XYZ tiles, Deep Zoom and IIIF. It holds no state but a cache: any number of gateways may stand
before any number of TensorFlow Servings. keras-inr serve does the same in one process. Of the environment,
KERAS_INR_TOKEN is what clients must send as "Authorization: Bearer", and KERAS_INR_BACKEND_TOKEN what the gateway sends
to the backend.
"""

import os
import urllib.parse
from typing import Any

from absl import flags

from keras_inr._arguments import servable_path
from keras_inr._cores import usable_cores
from keras_inr.cli import messages
from keras_inr.cli.help import group
from keras_inr.cli.serve import TOKEN, checked_public_url, shown_host
from keras_inr.errors import InputError
from keras_inr.export.models_config import checked_name

FLAGS = flags.FLAGS
BACKEND_TOKEN = "KERAS_INR_BACKEND_TOKEN"
"""Of the environment: what the gateway sends to the backend."""


@group("Gateway")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("backend", None, "TensorFlow Serving: grpc://HOST:PORT, or http://HOST:PORT for REST")
    flags.DEFINE_string("base", None, "model base with models.config, which names the models; has the originals too")
    flags.DEFINE_list("models", [], "names of the models instead, with commas between: NAME and NAME_pictures")
    flags.DEFINE_string("host", "127.0.0.1", "interface to listen at; 0.0.0.0 for all, which other machines reach")
    flags.DEFINE_integer("port", 8080, "of HTTP; 0 for any free one", lower_bound=0, upper_bound=65535)
    flags.DEFINE_bool("rest_api_enable_cors_support", False, "let pages of other origins ask")
    flags.DEFINE_integer("timeout_in_ms", 30_000, "most that a request takes", lower_bound=1)
    flags.DEFINE_integer(
        "concurrency", 0, "pictures that are drawn at a time; twice the cores by default", lower_bound=0
    )
    flags.DEFINE_integer("max_waiting", 256, "requests that wait for these; more are refused", lower_bound=0)
    flags.DEFINE_integer("cache_mb", 256, "most megabytes of drawn tiles that are kept", lower_bound=0)
    flags.DEFINE_string("public_url", None, "of this server's root, where requests do not say it, as behind a proxy")


def main(argv: list[str]) -> int:
    """Shows pictures until it is stopped by a signal; the exit code."""
    from keras_inr.gateway.gateway import Gateway
    from keras_inr.gateway.routes import gateway_routes, health_route
    from keras_inr.serving.admission import Admission
    from keras_inr.serving.application import application, document_route, metrics_route
    from keras_inr.serving.http_server import HttpServer
    from keras_inr.serving.measures import Measures
    from keras_inr.serving.server import GRACE_SECONDS
    from keras_inr.serving.settings import Bounds

    pictures = chosen_pictures(FLAGS)
    public_url = checked_public_url(FLAGS.public_url)
    concurrency = FLAGS.concurrency or 2 * usable_cores()  # most of them wait for the backend
    bounds = Bounds(seconds=FLAGS.timeout_in_ms / 1000, concurrency=concurrency, waiting=FLAGS.max_waiting)
    measures, token = Measures(), os.environ.get(TOKEN) or None
    gateway = Gateway(pictures, Admission(bounds), measures, FLAGS.cache_mb * 2**20)
    routes = [
        health_route(gateway),
        metrics_route(measures, token),
        document_route(),
        *gateway_routes(gateway, token, public_url),
    ]
    app = application(routes, FLAGS.rest_api_enable_cors_support)
    server = HttpServer(app, FLAGS.host, FLAGS.port, GRACE_SECONDS)
    messages.tell(f"look at the pictures at http://{shown_host(FLAGS.host)}:{server.port}/")
    server.run()
    return 0


def chosen_pictures(values: flags.FlagValues) -> Any:
    """The `Pictures` of the flags."""
    from keras_inr.gateway.backends import OverGrpc, OverRest
    from keras_inr.gateway.base_folder import BaseFolder
    from keras_inr.gateway.pictures import Pictures

    if (values.base is None) == (not values.models):
        raise InputError("one of --base and --models is required: TensorFlow Serving does not list its models")
    names = [checked_name("models", name) for name in values.models]
    token = os.environ.get(BACKEND_TOKEN) or None
    kind, address = checked_backend(values.backend)
    over = OverGrpc if kind == "grpc" else OverRest
    if values.base is None:
        return Pictures(over(address, lambda: names, token))
    folder = BaseFolder(servable_path("base", values.base).resolve())
    return Pictures(over(address, folder.models, token), folder.folder_of, folder.labels_of)


def checked_backend(value: str | None) -> tuple[str, str]:
    """The scheme of a backend, and its address as that one wants it.

    >>> checked_backend("grpc://localhost:8500"), checked_backend("http://localhost:8501/")
    (('grpc', 'localhost:8500'), ('http', 'http://localhost:8501'))
    """
    parts = urllib.parse.urlsplit(value or "")
    try:
        known = (
            parts.scheme in ("grpc", "http", "https") and parts.hostname and parts.port and not parts.path.strip("/")
        )
    except ValueError:  # of a port
        known = False
    if not known:
        raise InputError(f"backend must be grpc://HOST:PORT or http://HOST:PORT, received {value!r}")
    return parts.scheme, parts.netloc if parts.scheme == "grpc" else f"{parts.scheme}://{parts.netloc}"
