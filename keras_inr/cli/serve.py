"""Serves exported pictures: a page to look at them, tiles, and TensorFlow Serving's API: keras-inr serve --base=models

    keras-inr serve --base=models          a model base, as keras-inr export --to makes it
    keras-inr serve --run=runs/0001        what a run exported
    keras-inr serve --model_name=fox --model_base_path=/srv/fox

It listens on this machine only, unless --host says otherwise. New versions are served as soon as they are complete.
Where the environment has KERAS_INR_TOKEN, clients must send "Authorization: Bearer" and that token.
Flags are called as those of tensorflow_model_server where it has them.
"""

import gc
import os
import urllib.parse
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from absl import flags

from keras_inr._arguments import servable_path
from keras_inr._cores import usable_cores
from keras_inr.cli import messages
from keras_inr.cli.help import group
from keras_inr.errors import InputError
from keras_inr.export.models_config import checked_name

FLAGS = flags.FLAGS
TOKEN = "KERAS_INR_TOKEN"
"""Of the environment: what clients must send."""


@group("Serving")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("base", None, "model base: a folder of models with models.config")
    flags.DEFINE_string("run", None, "run folder, whose saved_model/ is served as one model")
    flags.DEFINE_string("model_base_path", None, "folder of the versions of one model")
    flags.DEFINE_string("model_name", None, "name of the model of --run or --model_base_path")
    flags.DEFINE_string("host", "127.0.0.1", "interface to listen at; 0.0.0.0 for all, which other machines reach")
    flags.DEFINE_integer("port", 8500, "of gRPC; 0 for none", lower_bound=0, upper_bound=65535)
    flags.DEFINE_integer("rest_api_port", 8501, "of REST; 0 for none", lower_bound=0, upper_bound=65535)
    flags.DEFINE_bool("rest_api_enable_cors_support", False, "let pages of other origins ask")
    flags.DEFINE_integer("rest_api_timeout_in_ms", 30_000, "most that a request takes", lower_bound=1)
    flags.DEFINE_float(
        "file_system_poll_wait_seconds", 1.0, "between two looks at models.config and the folders", lower_bound=0.05
    )
    flags.DEFINE_bool("allow_reload", False, "let gRPC calls name other models, by folders of this machine")
    flags.DEFINE_bool("enable_serialization_as_tensor_content", False, "send gRPC tensors as bytes")
    flags.DEFINE_bool("enable_grpc_healthcheck_service", False, "answer grpc.health.v1.Health, by model or for all")
    flags.DEFINE_integer("max_body_mb", 64, "most megabytes of a request", lower_bound=1, upper_bound=2047)
    flags.DEFINE_integer(
        "concurrency", 0, "requests that compute at a time; as many as cores by default", lower_bound=0
    )
    flags.DEFINE_integer("max_waiting", 256, "requests that wait for these; more are refused", lower_bound=0)
    flags.DEFINE_bool("page", True, "show the pictures at the REST port: a page at /, tiles, Deep Zoom, IIIF")
    flags.DEFINE_integer("cache_mb", 256, "most megabytes of drawn tiles that are kept", lower_bound=0)
    flags.DEFINE_string("public_url", None, "of this server's root, where requests do not say it, as behind a proxy")


def main(argv: list[str]) -> int:
    """Serves until it is stopped by a signal; the exit code."""
    from keras_inr.serving.server import Addresses, Server
    from keras_inr.serving.settings import Bounds

    tf.get_logger().setLevel("ERROR")  # what loads SavedModels into sessions is called deprecated
    settings = chosen_settings(FLAGS)
    checked_public_url(FLAGS.public_url)
    ports = {"rest_port": FLAGS.rest_api_port or None, "grpc_port": FLAGS.port or None}
    if not any(ports.values()):
        raise InputError("--port and --rest_api_port must not both be 0: nothing would be served")
    bounds = Bounds(
        FLAGS.max_body_mb * 2**20,
        FLAGS.rest_api_timeout_in_ms / 1000,
        FLAGS.concurrency or usable_cores(),
        FLAGS.max_waiting,
    )
    settings()  # what cannot be read is told before anything is loaded
    server = Server(
        settings,
        Addresses(FLAGS.host, **ports),
        bounds,
        token=os.environ.get(TOKEN) or None,
        cors=FLAGS.rest_api_enable_cors_support,
        as_content=FLAGS.enable_serialization_as_tensor_content,
        poll_seconds=FLAGS.file_system_poll_wait_seconds,
        reload_allowed=FLAGS.allow_reload,
        tells_health=FLAGS.enable_grpc_healthcheck_service,
        on_change=tell,
        on_problem=lambda problem: messages.tell(problem or "models.config can be followed again"),
        routes=picture_routes if FLAGS.page else lambda server: (),
    )
    for name, port in (("REST", server.rest_port), ("gRPC", server.grpc_port)):
        if port is not None:
            messages.tell(f"{name} at {FLAGS.host}:{port}")
    if FLAGS.page and server.rest_port is not None:
        messages.tell(f"look at the pictures at http://{shown_host(FLAGS.host)}:{server.rest_port}/")
    gc.collect()
    gc.freeze()  # what is there by now stays: collections after a version went need not look at it
    server.run()
    return 0


def picture_routes(server: Any) -> Any:
    """What shows the pictures of a server."""
    from keras_inr.gateway.backends import Embedded
    from keras_inr.gateway.gateway import Gateway
    from keras_inr.gateway.pictures import Pictures
    from keras_inr.gateway.routes import gateway_routes

    pictures = Pictures(Embedded(server.models), server.models.folder, server.models.labels)
    gateway = Gateway(pictures, server.admission, server.measures, FLAGS.cache_mb * 2**20)
    return gateway_routes(gateway, os.environ.get(TOKEN) or None, checked_public_url(FLAGS.public_url))


def checked_public_url(value: str | None) -> str | None:
    """The URL of a server's root, without a slash at its end; None stays.

    >>> checked_public_url("https://example.org/fields/")
    'https://example.org/fields'
    """
    if value is None:
        return None
    try:
        parts = urllib.parse.urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
        fits = fits and value.isascii() and value.isprintable() and not set(value) & set(' ?#"<>\\')
    except ValueError:  # of a port, or a bracket
        fits = False
    if not fits:
        raise InputError(f"public_url must be http://HOST or https://HOST, with a path or none, received {value!r}")
    return value.rstrip("/")


def shown_host(host: str) -> str:
    """The host in a URL that a browser on this machine opens.

    >>> shown_host("0.0.0.0"), shown_host("::1")
    ('127.0.0.1', '[::1]')
    """
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def chosen_settings(values: flags.FlagValues) -> Callable[[], dict[str, Any]]:
    """What gives the models' settings, by the flags."""
    from keras_inr.serving.server import run_settings
    from keras_inr.serving.settings import settings_of_base

    chosen = [name for name in ("base", "run", "model_base_path") if getattr(values, name) is not None]
    if len(chosen) != 1:
        raise InputError(
            f"one of --base, --run and --model_base_path is required, received {', '.join(chosen) or 'none'}"
        )
    if values.base is not None:
        if values.model_name is not None:
            raise InputError("--model_name goes with --run and --model_base_path: names of --base are in models.config")
        base = servable_path("base", values.base).resolve()
        return lambda: settings_of_base(base)
    path = servable_path(chosen[0], values.run or values.model_base_path).resolve()
    path = path / "saved_model" if values.run is not None else path
    if not path.is_dir():
        raise InputError(f"--{chosen[0]} must have a folder of versions, received {str(path)!r}")
    return run_settings(checked_name("model_name", values.model_name or "field"), path)


def tell(name: str, number: int, version: Any) -> None:
    """Says what happened to a version."""
    if version.error:
        messages.tell(f"{name} version {number} could not be loaded: {version.error}")
    elif version.state in ("AVAILABLE", "END"):
        messages.tell(f"{name} version {number} is {'served' if version.state == 'AVAILABLE' else 'unloaded'}")
