"""A server as a whole: bounds, tokens, versions that come and go under load, and what it does not import."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from export.small_fields import small_field
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc

from keras_inr.errors import InputError
from keras_inr.export import export_model_base, retire_versions, set_label
from keras_inr.serving.http_server import HttpServer
from keras_inr.serving.server import Addresses, Server, run_settings
from keras_inr.serving.settings import Bounds, settings_of_base
from serving.conftest import Running, ask, try_ask
from serving.test_contract_grpc import refused, request

COORDS = [[0.0, 0.0]]


@pytest.fixture(scope="module")
def bounded(base):
    """A server with a token and low bounds."""
    bounds = Bounds(body_bytes=20_000, seconds=30.0, concurrency=1, waiting=2)
    with Running(lambda: settings_of_base(base), bounds=bounds, token="sesame", cors=True) as running:
        yield running


@pytest.fixture
def told():
    return {"Authorization": "Bearer sesame"}


class TestBounds:
    def test_requests_need_the_token(self, bounded, told):
        url = f"{bounded.url}/v1/models/fox"
        assert ask(url, headers=told).status == 200
        assert ask(url, headers={"Authorization": "bearer sesame"}).status == 200  # schemes of HTTP have no case
        for headers in (
            {},
            {"Authorization": "Bearer sesam"},
            {"Authorization": "sesame"},
            {"Authorization": "Basic sesame"},
        ):
            reply = ask(url, headers=headers)
            assert reply.status == 401
            assert "Bearer TOKEN" in reply.json["error"]
        assert ask(f"{bounded.url}/monitoring/prometheus/metrics").status == 401
        assert ask(f"{bounded.url}/health").status == 200

    def test_calls_need_the_token(self, bounded):
        with grpc.insecure_channel(bounded.address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert refused(stub.Predict, request())[0] == "UNAUTHENTICATED"
            for scheme in ("Bearer", "bearer"):
                reply = stub.Predict(request(), timeout=60, metadata=[("authorization", f"{scheme} sesame")])
                assert reply.model_spec.version.value == 2

    def test_large_bodies_are_refused(self, bounded, told):
        url = f"{bounded.url}/v1/models/fox:predict"
        body = json.dumps({"instances": COORDS * 5000}).encode()
        assert len(body) > 20_000
        for sent, headers in ((body, told), (gzip.compress(body), {**told, "Content-Encoding": "gzip"})):
            reply = ask(url, sent, headers=headers)
            assert reply.status == 429
            assert reply.json == {"error": "a body must have at most 20000 bytes"}

    def test_a_gzip_bomb_is_not_unpacked(self, bounded, told):
        bomb = gzip.compress(b" " * 200_000_000)  # 194 kB
        reply = ask(f"{bounded.url}/v1/models/fox:predict", bomb, headers={**told, "Content-Encoding": "gzip"})
        assert reply.status == 429

    @pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b'{"instances": [[0, 0]]}', mtime=0)[:-9]])
    def test_a_gzip_that_is_none(self, bounded, told, body):
        reply = ask(f"{bounded.url}/v1/models/fox:predict", body, headers={**told, "Content-Encoding": "gzip"})
        assert reply.status == 400
        assert "gzip" in reply.json["error"]

    def test_another_encoding(self, bounded, told):
        reply = ask(f"{bounded.url}/v1/models/fox:predict", b"{}", headers={**told, "Content-Encoding": "br"})
        assert reply.status == 400
        assert reply.json == {"error": "Content-Encoding must be gzip or identity, received 'br'"}

    def test_too_many_at_a_time_are_refused_and_the_others_answered(self, bounded, told):
        size = [250, 250]
        body = {"signature_name": "render_png", "instances": [{"box": [-1, -1, 1, 1], "size": size}]}
        replies = []

        def send():
            replies.append(ask(f"{bounded.url}/v1/models/fox_pictures:predict", body, headers=told).status)

        threads = [threading.Thread(target=send) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(replies) <= {200, 503}
        assert 503 in replies
        assert replies.count(200) >= 3

    @pytest.mark.slow
    def test_waiting_is_bounded_by_seconds_too(self, base):
        bounds = Bounds(seconds=3.0, concurrency=1, waiting=40)
        with (
            Running(lambda: settings_of_base(base), bounds=bounds) as running,
            running.server.admission.slot(time.monotonic() + 10),  # somebody computes all the time
        ):
            statuses = []
            url = f"{running.url}/v1/models/fox:predict"
            threads = [
                threading.Thread(target=lambda: statuses.append(ask(url, {"inputs": COORDS}).status)) for _ in range(60)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert set(statuses) == {503, 504}
        assert statuses.count(504) >= 41  # more only where some came after others had given up

    def test_what_stands_behind_a_gzip_is_refused(self, bounded, told):
        body = gzip.compress(b'{"instances": [[0, 0]]}') + b" " * 10
        reply = ask(f"{bounded.url}/v1/models/fox:predict", body, headers={**told, "Content-Encoding": "gzip"})
        assert reply.status == 400
        assert "gzip" in reply.json["error"]

    def test_pages_of_other_origins_may_ask_only_if_they_are_let(self, bounded, running):
        origin = {"Origin": "https://example.org"}
        assert ask(f"{bounded.url}/health", headers=origin).headers["Access-Control-Allow-Origin"] == "*"
        assert ask(f"{running.url}/health", headers=origin).headers["Access-Control-Allow-Origin"] is None

    def test_models_are_not_named_by_calls_unless_that_is_let(self, bounded, base):
        sent = model_management_pb2.ReloadConfigRequest()
        sent.config.model_config_list.config.add(name="root", base_path="/", model_platform="tensorflow")
        with grpc.insecure_channel(bounded.address) as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.HandleReloadConfigRequest(sent, timeout=60, metadata=[("authorization", "Bearer sesame")])
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.slow
def test_a_request_that_takes_too_long_is_stopped(base):
    with Running(lambda: settings_of_base(base), bounds=Bounds(seconds=0.001)) as running:
        body = {"signature_name": "render_png", "instances": [{"box": [-1, -1, 1, 1], "size": [256, 256]}]}
        reply = ask(f"{running.url}/v1/models/fox_pictures:predict", body)
        assert reply.status == 504
        assert ask(f"{running.url}/health").status == 200


def test_metrics_count_what_was_asked(running):
    ask(f"{running.url}/v1/models/fox:predict", {"inputs": COORDS})
    ask(f"{running.url}/v1/models/no_such_model_1:predict", {"inputs": COORDS})
    text = ask(f"{running.url}/monitoring/prometheus/metrics").content.decode()
    assert 'keras_inr_requests_total{api="REST",code="OK",method="predict",model="fox"}' in text
    assert 'code="NOT_FOUND",method="predict",model=""' in text
    assert "no_such_model_1" not in text  # names that anybody may invent would fill the server
    assert 'keras_inr_model_versions{model="fox"} 2.0' in text


@pytest.mark.slow
def test_models_change_by_a_call_where_that_is_let(base):
    with Running(lambda: settings_of_base(base), reload_allowed=True) as running:
        sent = model_management_pb2.ReloadConfigRequest()
        entry = sent.config.model_config_list.config.add(name="bird", model_platform="tensorflow")
        entry.base_path = str(base / "hen")
        with grpc.insecure_channel(running.address) as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            assert stub.HandleReloadConfigRequest(sent, timeout=60).status.error_code == 0
            assert ask(f"{running.url}/v1/models/bird").status == 200
            assert ask(f"{running.url}/v1/models/fox:predict", {"inputs": COORDS}).status == 404
            entry.base_path = "relative"
            assert refused(stub.HandleReloadConfigRequest, sent)[0] == "INVALID_ARGUMENT"
            sent.config.model_config_list.config.add(name="bird", base_path="/")
            assert refused(stub.HandleReloadConfigRequest, sent)[0] == "INVALID_ARGUMENT"
            assert ask(f"{running.url}/v1/models/bird").status == 200


@pytest.mark.slow
def test_no_request_fails_while_versions_and_labels_change(tmp_path):
    fields = [small_field("siren", seed=seed) for seed in (1, 2)]
    export_model_base(fields[0], tmp_path, "fox", labels=["stable"])
    failures, done, counts = [], threading.Event(), []
    with Running(lambda: settings_of_base(tmp_path)) as running:

        def over_rest():
            while not done.is_set():
                reply = ask(f"{running.url}/v1/models/fox:predict", {"inputs": COORDS})
                counts.append("REST")
                if reply.status != 200:
                    failures.append(reply.content)

        def over_grpc():
            with grpc.insecure_channel(running.address) as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                while not done.is_set():
                    try:
                        stub.Predict(request(inputs={"coords": np.float32(COORDS)}), timeout=60)
                        counts.append("gRPC")
                    except grpc.RpcError as error:
                        failures.append(error)

        def by_label():
            while not done.is_set():
                reply = ask(f"{running.url}/v1/models/fox/labels/stable:predict", {"inputs": COORDS})
                if reply.status != 200:
                    failures.append(reply.content)

        threads = [threading.Thread(target=target) for target in (over_rest, over_grpc, by_label)]
        for thread in threads:
            thread.start()
        for index in range(4):
            version = export_model_base(fields[index % 2], tmp_path, "fox", add_version=True).version
            _wait(lambda version=version: _latest(running) == version)
            set_label(tmp_path, "fox", "stable", version)
            _wait(lambda version=version: running.server.models.labels("fox") == {"stable": version})
            retire_versions(tmp_path, "fox", keep=1)
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert counts.count("REST") > 10
    assert counts.count("gRPC") > 10


def _latest(running):
    return int(ask(f"{running.url}/v1/models/fox/metadata").json["model_spec"]["version"])


def _wait(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.02)


def test_a_damaged_configuration_leaves_what_is_served(tmp_path):
    export_model_base(small_field("siren"), tmp_path, "fox")
    with Running(lambda: settings_of_base(tmp_path)) as running:
        text = (tmp_path / "models.config").read_text()
        time.sleep(0.2)  # it has been read before
        for damaged, told in (
            ("", "must list a model, received none"),
            ("what", "must be a ModelServerConfig as text"),
        ):
            (tmp_path / "models.config").write_text(damaged)
            _wait(lambda told=told: told in (running.server.problem or ""))
        assert ask(f"{running.url}/v1/models/fox:predict", {"inputs": COORDS}).status == 200
        (tmp_path / "models.config").write_text(text)
        _wait(lambda: not running.server.problem)


def test_a_port_that_is_taken(running, base):
    for name in ("rest_port", "grpc_port"):
        port = int((running.url if name == "rest_port" else running.address).rpartition(":")[2])
        addresses = Addresses(**{"rest_port": None, "grpc_port": None, name: port})
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 cannot be listened at: .*already in use"):
            Server(lambda: settings_of_base(base), addresses)


class TestCommand:
    @pytest.fixture
    def started(self, tmp_path):
        """started(*flags) -> the process and its addresses, once it is ready."""
        processes = []

        def start(*flags):
            command = [sys.executable, "-m", "keras_inr", "serve", *flags, "--rest_api_port=18611", "--port=18612"]
            (tmp_path / "keras").mkdir()
            (tmp_path / "keras" / "__init__.py").write_text("raise SystemExit('Keras is imported in a server')")
            environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
            processes.append(process)
            until = time.monotonic() + 120
            while (reply := try_ask("http://127.0.0.1:18611/health")) is None or reply.status != 200:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.1)
            return process

        yield start
        for process in processes:
            process.kill()
            process.wait()
            process.stderr.close()

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_a_base_until_it_is_told_to_stop(self, started, base, number):
        process = started(f"--base={base}")
        assert ask("http://127.0.0.1:18611/v1/models/hen:predict", {"inputs": COORDS}).status == 200
        process.send_signal(number)
        assert process.wait(60) in (0, 128 + number)
        told = process.stderr.read()
        assert "REST at 127.0.0.1:18611" in told
        assert "hen version 1 is served" in told
        assert "Traceback" not in told


def test_small_answers_do_not_wait_for_acknowledgements():
    """asyncio sets TCP_NODELAY for sockets whose protocol is named, and for no others."""
    with HttpServer(None, "127.0.0.1", 0, 1)._socket as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_settings_of_one_model(base):
    settings = run_settings("bird", base / "hen")()
    assert settings["bird"].aspired() == {1: base / "hen" / "1"}
    with pytest.raises(InputError, match=r"base must be a folder with models\.config"):
        settings_of_base(base / "hen")


def test_tensors_go_as_bytes_where_that_is_asked_for(base):
    with (
        Running(lambda: settings_of_base(base), as_content=True) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        reply = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request(), timeout=60)
        assert len(reply.outputs["values"].tensor_content) == 36
        assert tf.make_ndarray(reply.outputs["values"]).shape == (3, 3)


def test_health_over_grpc(base):
    with (
        Running(lambda: settings_of_base(base), tells_health=True) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        states = health_pb2.HealthCheckResponse
        for service in ("", "fox", "fox_pictures"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60).status == states.SERVING
        assert refused(stub.Check, health_pb2.HealthCheckRequest(service="wolf"))[0] == "NOT_FOUND"


def test_health_is_told_only_if_that_is_asked_for(running):
    with grpc.insecure_channel(running.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert refused(stub.Check, health_pb2.HealthCheckRequest())[0] == "UNIMPLEMENTED"
