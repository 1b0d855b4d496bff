"""How a model base is served and asked: the lines that a person pastes into a shell."""

import json
import shlex
from typing import Any

from keras_inr.export.model_base import MONITORING_CONFIG, BaseVersion
from keras_inr.export.models_config import MODELS_CONFIG

REST = "http://localhost:8501/v1/models"
POLL_SECONDS = 10
DECODE = (
    'import base64, json, sys; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["predictions"][0]["b64"]))'
)
"""Python that writes the first picture of an answer in JSON to its output."""


def docker_command(made: BaseVersion) -> str:
    """The command that serves a model base with TensorFlow Serving's image.

    The server looks for new versions every second and reads models.config again every ten.
    """
    container_path = made.container_path
    flags = [
        f"--model_config_file={container_path}/{MODELS_CONFIG}",
        f"--model_config_file_poll_wait_seconds={POLL_SECONDS}",
        f"--monitoring_config_file={container_path}/{MONITORING_CONFIG}",
        "--allow_version_labels_for_unavailable_models=true",  # a server that starts has no version yet, but labels
    ]
    mount = shlex.quote(f"{made.base.resolve()}:{container_path}:ro")
    return " \\\n  ".join(
        [f"docker run --rm -p 8500:8500 -p 8501:8501 -v {mount} tensorflow/serving", *map(shlex.quote, flags)]
    )


def curl_commands(made: BaseVersion) -> dict[str, str]:
    """signature -> a command that asks it something, of the latest version."""
    commands = {}
    for model, signatures in made.signatures.items():
        for signature in signatures:
            if signature == "info" and model != made.name:
                continue
            commands[signature] = curl_command(model, signature)
    return commands


def curl_command(model: str, signature: str, url: str = REST) -> str:
    """A command that asks a signature something.

    >>> print(curl_command("fox", "serving_default"))
    curl -s http://localhost:8501/v1/models/fox:predict -d '{"instances": [[0.0, 0.0]]}'
    """
    instances = {
        "render": [{"box": [-0.5, -0.5, 0.5, 0.5], "size": [2, 2]}],
        "render_png": [{"box": [-0.5, -0.5, 0.5, 0.5], "size": [256, 256]}],
        "info": ["?"],
    }
    body: dict[str, Any] = {} if signature == "serving_default" else {"signature_name": signature}
    body["instances"] = instances.get(signature, [[0.0, 0.0]])
    command = f"curl -s {shlex.quote(f'{url}/{model}:predict')} -d {shlex.quote(json.dumps(body))}"
    return f"{command} | python3 -c {shlex.quote(DECODE)} > view.png" if signature == "render_png" else command
