"""models.config: which models of a folder TensorFlow Serving serves, and the labels of their versions."""

import contextlib
import fcntl
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format

from keras_inr._disk_errors import disk_error
from keras_inr._files import atomic_path
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.export.serving_api import protos

MODELS_CONFIG = "models.config"
LOCK = ".lock"
CONTAINER_PATH = "/models"
PICTURES = "_pictures"
"""What the name of a model of pictures ends in, beside that of the points."""

ORIGINAL = pathlib.PurePath("assets.extra", "original.png")
"""Where the folder of a version of pictures keeps the picture that its field was fitted to, if anywhere."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""Names of models and labels: they stand in URLs and paths."""


def checked_name(argument: str, value: Any) -> str:
    """The name of a model or a label; InputError for what does not fit into a URL and a path.

    >>> checked_name("name", "fox_2")
    'fox_2'
    """
    if not isinstance(value, str) or not NAME.fullmatch(value):
        rule = "1 to 100 letters, digits, '_', '-' and '.', the first a letter, a digit or '_'"
        raise InputError(f"{argument} must be {rule}, received {value!r}")
    return value


def checked_label(value: Any) -> str:
    """As `checked_name`; a label of digits is refused, since name@123 is a version.

    >>> checked_label("stable")
    'stable'
    """
    label = checked_name("label", value)
    if label.isdigit():
        raise InputError(f"label must have more than digits, which name a version, received {label!r}")
    return label


def read_models_config(base: pathlib.Path) -> Any:
    """The `ModelServerConfig` of a model base, an empty one if it has none.

    Raises:
        DamagedFileError: if the file is none.
        InputError: if tensorflow-serving-api is not installed.
    """
    config = protos("model_server_config_pb2").ModelServerConfig()
    path = base / MODELS_CONFIG
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return config
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"{path} must be a ModelServerConfig as text, received {error}") from None
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise DamagedFileError(f"{path} must be a ModelServerConfig as text, received one with {error}") from None
    return config


@contextlib.contextmanager
def changed_models_config(base: pathlib.Path) -> Iterator[Any]:
    """The `ModelServerConfig` of a model base, which is written at once when the `with` block ends well.

    Others who change it wait until then.
    """
    is_new = not base.exists()
    try:
        base.mkdir(parents=True, exist_ok=True)
        lock = (base / LOCK).open("w")
    except OSError as error:
        told = f"base must be a folder to write to, received {str(base)!r}: {error.strerror}"
        raise disk_error(error, base) or InputError(told) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            config = read_models_config(base)
            before = config.SerializeToString(deterministic=True)
            yield config
        except BaseException:
            if is_new:
                with contextlib.suppress(OSError):  # others may have begun to use it
                    (base / LOCK).unlink()
                    base.rmdir()
            raise
        if config.SerializeToString(deterministic=True) != before:
            with atomic_path(base / MODELS_CONFIG) as temporary:
                temporary.write_text(text_format.MessageToString(config), "utf-8")


def find_model(config: Any, name: str) -> Any:
    """The entry of a model, None if there is none."""
    return next((model for model in config.model_config_list.config if model.name == name), None)


def put_model(config: Any, name: str, container_path: str | None) -> Any:
    """The entry of a model, added if absent: all versions in its folder are served.

    Args:
        config: a `ModelServerConfig`.
        name: of the model.
        container_path: of the model base, as seen inside the container; None leaves that of an entry that is there.
    """
    model = find_model(config, name)
    if model is None:
        model = config.model_config_list.config.add(name=name, model_platform="tensorflow")
        model.model_version_policy.all.SetInParent()
    if container_path is not None or not model.base_path:
        model.base_path = f"{(container_path or CONTAINER_PATH).rstrip('/')}/{name}"
    return model
