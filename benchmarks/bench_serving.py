"""What a server costs: points over gRPC and REST beside the bare C++ session, tiles, and a soak under new versions.

    python benchmarks/bench_serving.py --out=benchmarks/results/serving.json            # about ten minutes
    python benchmarks/bench_serving.py --parts=soak --soak_seconds=600                  # memory while versions change

Run it on an idle machine. The server is `keras-inr serve` in a process of its own, and so are its clients, on the same
cores. The bare session is TensorFlow's C API with XLA off (tests/export/c_api.py), as TensorFlow Serving loads models.
Fields are untrained: what they answer costs the same.

points   p50 and p99 (ms) of one client's requests of 1, 1024, 16384 points; requests a second of 1, 8, 64 clients
tiles    256 x 256 PNG tiles of multi_hash, none asked for twice: a second, with 8 clients; then p50 of a kept one, over
         a connection that stays open. Beside it the same tiles of the decoded picture by rio-tiler, the reader of
         TiTiler, behind FastAPI (benchmarks/peer_titiler.py), if --titiler names a Python that has titiler.core.
soak     requests by gRPC, REST and tiles while a version is added and one retired every few seconds: how many failed,
         and the server's memory, at the start and at the end
restart  clients that retry while the server is killed (SIGKILL) and started again: how many answers were lost or wrong
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import importlib.metadata
import importlib.util
import itertools
import json
import multiprocessing
import os
import pathlib
import pickle
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRESETS = ("siren_256", "multi_hash")
POINTS = (1, 1024, 16384)
CLIENTS = (1, 8, 64)
PICTURE = (2048, 3072)
TILE_LEVEL = 5  # a tile pixel is 0.375 of the picture's
TILES = [(x, y) for y in range(20) for x in range(30)]
REQUESTS = {1: 400, 1024: 300, 16384: 100}
SECONDS = 3.0
KILLS = 3
SAMPLES = 30
SOAK_CACHE_MB = 32  # full before the memory is looked at first
GRPC_PORT, REST_PORT, PEER_PORT = 18700, 18701, 18702


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--parts", default="points,tiles,soak,restart", help="some of these, with commas between")
    parser.add_argument("--soak_seconds", type=float, default=60.0, help="of the soak")
    parser.add_argument("--titiler", help="a Python that has titiler.core")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder) / "models"
        in_process(make_base, base)
        found = about()
        for part in arguments.parts.split(","):
            found[part] = {"points": points, "tiles": tiles, "soak": soak, "restart": restart}[part](base, arguments)
            print(json.dumps({part: found[part]}, indent=2), flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        arguments.out.write_text(json.dumps({**known, **found}, indent=2) + "\n")


def table(found):
    """The figures of points, as docs/guides/serve.md has them."""
    columns = ("field", "points", "bare session p50 (ms)", "gRPC p50 / p99 (ms)", "REST p50 / p99 (ms)")
    head = f"| {' | '.join(columns)} | gRPC a second, 8 clients |"
    lines = [head, "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for preset, rows in found["points"].items():
        for number, row in rows.items():
            apis = [f"{row[api]['p50']:.1f} / {row[api]['p99']:.1f}" for api in ("grpc", "rest")]
            rate = f"{row['grpc']['per_second']['8']:.0f}"
            lines.append(f"| `{preset}` | {number} | {row['session']['p50']:.1f} | {' | '.join(apis)} | {rate} |")
    return "\n".join(lines) + "\n"


def about():
    names = ("tensorflow", "grpcio", "uvicorn", "starlette")
    model = next(
        line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    )
    versions = {name: importlib.metadata.version(name) for name in names}
    return {"device": f"CPU, {len(os.sched_getaffinity(0))} cores, {model.split(':')[1].strip()}", **versions}


def in_process(function, *arguments):
    """What a function gives in a fresh process, so that this one holds no TensorFlow."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def make_base(base):
    """Both presets, untrained; tables of a size that shows."""
    import numpy as np

    from keras_inr.export import export_model_base
    from keras_inr.presets import from_preset

    for preset in PRESETS:
        field = from_preset(preset, picture_size=PICTURE, seed=0)
        for weight in field.weights:
            if "table" in weight.name:
                weight.assign(np.random.default_rng(0).uniform(-1, 1, weight.shape))
        export_model_base(field, base, preset)


def started(base, *flags):
    """The process of a server, once it is ready."""
    ports = [f"--port={GRPC_PORT}", f"--rest_api_port={REST_PORT}"]
    command = [sys.executable, "-m", "keras_inr", "serve", f"--base={base}", *ports, *flags]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for("/health", REST_PORT)
    return process


@contextlib.contextmanager
def server(base, *flags):
    """A server of the base for a `with` block; its process."""
    process = started(base, *flags)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_for(path, port):
    for _ in range(1200):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(path)


def milliseconds(call, number):
    """p50 and p99 of so many calls, after some that are not counted."""
    for _ in range(max(3, number // 10)):
        call()
    taken = []
    for _ in range(number):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    taken.sort()
    return {"p50": statistics.median(taken), "p99": taken[min(number - 1, round(0.99 * number))]}


def points(base, arguments):
    found = {
        preset: {str(number): {"session": bare_session(base, preset, number)} for number in POINTS}
        for preset in PRESETS
    }
    with server(base):
        for preset, number in itertools.product(PRESETS, POINTS):
            row = found[preset][str(number)]
            for api in ("grpc", "rest"):
                row[api] = in_process(one_client, api, preset, number)
                row[api]["per_second"] = {
                    clients: in_process(many_clients, api, preset, number, clients) for clients in CLIENTS
                }
    return found


def bare_session(base, preset, number):
    """p50 and p99 of the C++ session in a process that holds nothing else."""
    code = "import sys; sys.path[:0] = sys.argv[1:3]; import bench_serving; bench_serving.print_session(*sys.argv[3:])"
    places = [str(ROOT / "benchmarks"), str(ROOT / "tests"), str(base / preset / "1"), str(number)]
    done = subprocess.run([sys.executable, "-c", code, *places], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def print_session(folder, number):
    import numpy as np
    from export.c_api import Session

    library = next(
        iter((pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent).glob("libtensorflow_cc.so*"))
    )
    session = Session(str(library), folder)
    inputs, outputs = in_process(signature_names, folder)
    coords = np.random.default_rng(0).uniform(-1, 1, (int(number), 2)).astype(np.float32)
    print(
        json.dumps(
            milliseconds(lambda: session.run({inputs["coords"]: coords}, list(outputs.values())), REQUESTS[int(number)])
        )
    )


def signature_names(folder):
    """Names of the tensors of serving_default."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    signature = content.meta_graphs[0].signature_def["serving_default"]
    return [{key: info.name for key, info in part.items()} for part in (signature.inputs, signature.outputs)]


def caller(api, preset, number):
    """A function that asks for so many points once, over a connection of its own."""
    import numpy as np

    coords = np.random.default_rng(0).uniform(-1, 1, (number, 2)).astype(np.float32)
    if api == "grpc":
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        stub = prediction_service_pb2_grpc.PredictionServiceStub(
            grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}", options)
        )
        request = predict_pb2.PredictRequest()
        request.model_spec.name = preset
        request.inputs["coords"].CopyFrom(tf.make_tensor_proto(coords))
        return lambda: stub.Predict(request, timeout=60)
    connection = http.client.HTTPConnection("127.0.0.1", REST_PORT, timeout=60)
    body = json.dumps({"inputs": coords.tolist()}).encode()

    def ask():
        connection.request("POST", f"/v1/models/{preset}:predict", body)
        reply = connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise RuntimeError(content[:200])

    return ask


def one_client(api, preset, number):
    return milliseconds(caller(api, preset, number), REQUESTS[number])


def many_clients(api, preset, number, clients):
    """Requests a second of clients that each wait for their answer."""
    calls = [caller(api, preset, number) for _ in range(clients)]
    return per_second([lambda call=call: call() for call in calls])


def per_second(calls, seconds=SECONDS):
    until, counts = time.perf_counter() + seconds, [0] * len(calls)
    start = time.perf_counter()

    def ask_until(index):
        while time.perf_counter() < until:
            calls[index]()
            counts[index] += 1

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(ask_until, range(len(calls))))
    return sum(counts) / (time.perf_counter() - start)


def tiles(base, arguments):
    with server(base) as process:
        found = {"multi_hash": in_process(tile_rates, REST_PORT, "/tiles/multi_hash@1/{z}/{x}/{y}.png")}
        if arguments.titiler:
            picture = base.parent / "picture.tif"
            in_process(decode_picture, REST_PORT, picture)
    if arguments.titiler:
        command = [arguments.titiler, str(ROOT / "benchmarks" / "peer_titiler.py"), str(picture), str(PEER_PORT)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for("/versions", PEER_PORT)
            found["rio-tiler"] = in_process(tile_rates, PEER_PORT, "/tiles/{z}/{x}/{y}.png")
            connection = http.client.HTTPConnection("127.0.0.1", PEER_PORT)
            connection.request("GET", "/versions")
            found["rio-tiler"]["versions"] = json.loads(connection.getresponse().read())
        finally:
            process.kill()
            process.wait()
    return found


def decode_picture(port, path):
    """The whole picture as a server draws it, as a TIFF of tiles with overviews, as tile servers want it."""
    import io

    import numpy as np
    import PIL.Image
    import tifffile

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/pictures/multi_hash/view.png")
    values = np.asarray(PIL.Image.open(io.BytesIO(connection.getresponse().read())))
    shared = {"photometric": "rgb", "tile": (256, 256), "compression": "zlib"}
    with tifffile.TiffWriter(path) as writer:
        writer.write(values, subifds=0, **shared)
        for step in (2, 4, 8):
            writer.write(values[::step, ::step], subfiletype=1, **shared)


def tile_rates(port, template):
    """Tiles that nobody asked for before, a second, and milliseconds of one that was."""
    order = random.Random(0).sample(TILES, len(TILES))
    paths = [template.format(z=TILE_LEVEL, x=x, y=y) for x, y in order]
    local = threading.local()

    def get(path):
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        local.connection.request("GET", path)
        reply = local.connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise RuntimeError(content[:200])
        return len(content)

    for path in paths[:40]:  # the first ones wake everything up
        get(path)
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(get, paths[40:]))
    seconds = time.perf_counter() - start
    alone = milliseconds(iter_calls(get, template), 60)
    kept = milliseconds(lambda: get(paths[0]), 500)
    return {
        "cold_per_second": len(sizes) / seconds,
        "mean_bytes": statistics.mean(sizes),
        "cold_ms": alone,
        "again_ms": kept,
    }


def iter_calls(get, template):
    """Each call gets a tile that nobody asked for, of the next level."""
    places = iter([(x, y) for y in range(40) for x in range(60)])

    def call():
        x, y = next(places)
        get(template.format(z=TILE_LEVEL + 1, x=x, y=y))

    return call


def soak(base, arguments):
    with server(base, "--file_system_poll_wait_seconds=0.5", f"--cache_mb={SOAK_CACHE_MB}") as process:
        in_process(hammer, 20.0)
        before = resident(process.pid)
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            swaps = pool.submit(change_versions, base, arguments.soak_seconds)
            counts = pool.submit(hammer, arguments.soak_seconds)
            samples = []
            while not counts.done():
                time.sleep(1)
                samples.append(resident(process.pid))
            found = {**counts.result(), "versions_added": swaps.result()}
    every = max(1, len(samples) // SAMPLES)
    memory = {"warm": before, "then": samples[::every], "last_quarter": max(samples[-len(samples) // 4 :])}
    return {"seconds": arguments.soak_seconds, **found, "resident_mb": memory}


def resident(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def hammer(seconds):
    """Requests by gRPC, REST and tiles for some seconds; how many there were, and the errors."""
    calls = [caller("grpc", "multi_hash", 1024), caller("rest", "multi_hash", 64)]
    numbers = itertools.count()
    connection = http.client.HTTPConnection("127.0.0.1", REST_PORT, timeout=60)

    def tile():
        number = next(numbers)
        connection.request("GET", f"/tiles/multi_hash/{TILE_LEVEL + 1}/{number % 60}/{number // 60 % 40}.png")
        reply = connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise RuntimeError(content[:200])

    calls.append(tile)
    until, errors, done = time.monotonic() + seconds, [], [0] * len(calls)

    def ask_until(index):
        while time.monotonic() < until:
            try:
                calls[index]()
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}"[:300])
            done[index] += 1

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(ask_until, range(len(calls))))
    return {"grpc": done[0], "rest": done[1], "tiles": done[2], "failed": len(errors), "errors": errors[:5]}


def change_versions(base, seconds):
    """Adds a version of multi_hash every few seconds and retires the oldest; how many were added."""
    from keras_inr.export import export_model_base, retire_versions
    from keras_inr.presets import from_preset

    until, added = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        field = from_preset("multi_hash", picture_size=PICTURE, seed=added + 1)
        export_model_base(field, base, "multi_hash", add_version=True)
        retire_versions(base, "multi_hash", keep=2)
        added += 1
        time.sleep(2)
    return added


def restart(base, arguments):
    """Kills the server three times while eight clients retry each request until it is answered."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    told = base.parent / "told.pickle"
    client = context.Process(target=retrying_clients, args=(stop, told))
    process = started(base)
    client.start()
    for _ in range(KILLS):
        time.sleep(6)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = started(base)
    time.sleep(4)
    stop.set()
    client.join()
    process.terminate()
    process.wait()
    return {"kills": KILLS, **pickle.loads(told.read_bytes())}


def retrying_clients(stop, told):
    """Eight clients over gRPC, each with points of its own; every request is retried until it is answered."""
    import grpc
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_reconnect_backoff_ms", 500)]
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}", options))
    counts = {"answered": 0, "retries": 0, "wrong": 0, "lost": 0}
    lock = threading.Lock()

    def client(index):
        coords = np.random.default_rng(index).uniform(-1, 1, (256, 2)).astype(np.float32)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "siren_256"
        request.inputs["coords"].CopyFrom(tf.make_tensor_proto(coords))
        first = None
        while not stop.is_set():
            answer, until = None, time.monotonic() + 120
            while answer is None and time.monotonic() < until:
                try:
                    answer = tf.make_ndarray(stub.Predict(request, timeout=10, wait_for_ready=True).outputs["values"])
                except grpc.RpcError:
                    with lock:
                        counts["retries"] += 1
                    time.sleep(0.05)
            first = answer if first is None else first
            with lock:
                counts["answered"] += answer is not None
                counts["lost"] += answer is None
                counts["wrong"] += answer is not None and not np.allclose(answer, first, atol=1e-5)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    told.write_bytes(pickle.dumps(counts))


if __name__ == "__main__":
    main()
