"""keras-inr serve and gateway as processes: they show pictures, without Keras, until they are told to stop."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from cli.fit_calls import forked
from serving.conftest import ask, try_ask

from keras_inr.cli import gateway, serve
from keras_inr.cli.gateway import BACKEND_TOKEN, checked_backend
from keras_inr.cli.serve import TOKEN, checked_public_url
from keras_inr.errors import InputError

MOST_SECONDS = 120


@pytest.fixture
def started(tmp_path):
    """started(command, *flags, path) -> the process and its URL, once that path is answered."""
    processes = []
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("raise SystemExit('Keras is imported in a server')")

    def start(*command):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        log = (tmp_path / f"log{len(processes)}").open("w+")
        process = subprocess.Popen([sys.executable, "-m", "keras_inr", *command], stderr=log, env=environment)
        processes.append((process, log))
        until = time.monotonic() + MOST_SECONDS
        while True:
            told = (tmp_path / log.name).read_text()
            found = re.search(r"look at the pictures at (http://127.0.0.1:\d+)/", told)
            if found and (reply := try_ask(f"{found[1]}/pictures")) and "error" not in str(reply.json):
                return process, found[1], log
            assert process.poll() is None, told
            assert time.monotonic() < until, told
            time.sleep(0.1)

    yield start
    for process, log in processes:
        process.kill()
        process.wait()
        log.close()


@pytest.mark.slow
def test_a_server_and_gateways_before_it(started, base):
    server, url, log = started("serve", f"--base={base}", "--rest_api_port=18623", "--port=18622")
    first = ask(f"{url}/tiles/fox/1/0/0.png")
    assert first.status == 200
    for backend in ("grpc://127.0.0.1:18622", url):
        gateway, other, _ = started("gateway", f"--base={base}", f"--backend={backend}", "--port=0")
        assert ask(f"{other}/tiles/fox/1/0/0.png").content == first.content
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(60) in (0, 128 + signal.SIGTERM)
    server.send_signal(signal.SIGINT)
    assert server.wait(60) in (0, 128 + signal.SIGINT)
    assert "Traceback" not in (log.seek(0), log.read())[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backend=grpc://127.0.0.1:1"], "one of --base and --models is required"),
        (["--models=fox"], "backend must be grpc://HOST:PORT or http://HOST:PORT, received None"),
        (["--models=a/b", "--backend=grpc://127.0.0.1:1"], "models must be 1 to 100 letters"),
        (
            ["--models=fox", "--backend=grpc://127.0.0.1:1", "--public_url=example.org"],
            "public_url must be http://HOST",
        ),
        (["--base=nothing", "--backend=grpc://127.0.0.1:1"], "base must be a folder with models.config"),
    ],
)
def test_flags_that_do_not_fit(flags, message, tmp_path):
    done = forked("keras_inr", "gateway", *flags, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["", None, "localhost:8500", "ftp://a:1", "grpc://a", "http://a:b", "http://a:1/v1"])
def test_backends_that_are_none(value):
    with pytest.raises(InputError, match="backend must be grpc://HOST:PORT or http://HOST:PORT, received"):
        checked_backend(value)


@pytest.mark.parametrize("value", ["https://example.org", "http://example.org:8080/a/b/", "http://[::1]:1"])
def test_public_urls(value):
    assert checked_public_url(value) == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        *("", "example.org", "//example.org", "ftp://example.org", "javascript:alert(1)", "http://", "http:///a"),
        *("http://a:b", "http://a:0", "http://a?b", "http://a#b", "http://a b", 'http://a"b', "http://[a"),
    ],
)
def test_public_urls_that_are_none(value):
    with pytest.raises(InputError, match="public_url must be http://HOST or https://HOST"):
        checked_public_url(value)


def test_help_tells_of_the_tokens():
    assert TOKEN in serve.__doc__
    assert TOKEN in gateway.__doc__
    assert BACKEND_TOKEN in gateway.__doc__
