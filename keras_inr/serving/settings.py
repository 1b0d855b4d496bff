"""What a server is told: models.config, a model base, a run folder; and the bounds of requests."""

import dataclasses
import pathlib
from typing import Any

from keras_inr.errors import InputError
from keras_inr.export.models_config import MODELS_CONFIG, read_models_config
from keras_inr.serving.models import ModelSettings


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What one request may be, and how many at a time.

    Args:
        body_bytes: most bytes of a request, decompressed.
        seconds: most that a request computes.
        concurrency: most requests that compute at a time; others wait.
        waiting: most requests that wait; further ones are refused with UNAVAILABLE.
    """

    body_bytes: int = 64 * 2**20
    seconds: float = 30.0
    concurrency: int = 4
    waiting: int = 256


def settings_of_base(base: pathlib.Path) -> dict[str, ModelSettings]:
    """Name -> settings of a model base.

    Base paths are those inside a container: here a model's folder is the one of that name in the base, or the base
    path itself where there is none and it exists.

    Raises:
        InputError: for a folder without models.config, or one that lists no model.
    """
    if not (base / MODELS_CONFIG).is_file():
        raise InputError(f"base must be a folder with {MODELS_CONFIG}, received {str(base)!r}")
    found = settings_of_config(read_models_config(base))
    if not found:  # as while an editor writes it: nobody wants all models to go then
        raise InputError(f"{base / MODELS_CONFIG} must list a model, received none")
    for name, entry in found.items():
        here = base / entry.base_path.name
        if here.is_dir() or not entry.base_path.is_dir():
            found[name] = dataclasses.replace(entry, base_path=here)
    return found


def settings_of_config(config: Any) -> dict[str, ModelSettings]:
    """Name -> settings of a `ModelServerConfig`.

    Raises:
        InputError: for entries without a name or an absolute base path, two of one name, and custom configurations.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise InputError("a models.config must have a model_config_list, received a custom_model_config")
    found: dict[str, ModelSettings] = {}
    for entry in config.model_config_list.config:
        if not entry.name or entry.name in found:
            raise InputError(f"each model must have a name of its own, received {entry.name!r}")
        if not entry.base_path.startswith("/"):
            raise InputError(f"base_path of {entry.name!r} must be absolute, received {entry.base_path!r}")
        if entry.model_platform not in ("", "tensorflow"):
            raise InputError(
                f"model_platform of {entry.name!r} must be 'tensorflow', received {entry.model_platform!r}"
            )
        found[entry.name] = ModelSettings(
            pathlib.Path(entry.base_path), _policy(entry.model_version_policy), dict(entry.version_labels)
        )
    return found


def _policy(policy):
    choice = policy.WhichOneof("policy_choice")
    if choice == "specific":
        return ("specific", frozenset(policy.specific.versions))
    return ("all", None) if choice == "all" else ("latest", max(1, policy.latest.num_versions))
