"""A page without a server: a shader made from the layers, or onnxruntime-web. Bytes, first picture, a 1080p view.

Fields of `siren` and `multi_hash`, with the weights that they start from, of a picture of 1080 x 1920, each in headless
Chromium, a new one for each run: the exported page by WebGL 2, by WebGPU and by the processor, and a bare page with
onnxruntime-web by WASM and by WebGPU, which draws the same coarse picture first (a 32nd of the size) and then the whole
one, 65536 points at a time. Times are from the start of the navigation, medians of --rounds; "narrow" is with 20 Mbit/s
and 40 ms as Chromium emulates them. The host compresses by gzip. Run it on an idle machine, with onnx beside this
package, and the files of `npm pack onnxruntime-web` unpacked:

    python benchmarks/bench_web.py --onnxruntime=package/dist --out=benchmarks/results/web.json
"""

import argparse
import contextlib
import gzip
import http.server
import importlib.metadata
import json
import os
import pathlib
import shutil
import statistics
import tempfile
import threading

from playwright.sync_api import Error, sync_playwright

from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name
from keras_inr.web.description import describe
from keras_inr.web.export_web import export_web

PRESETS = ("siren", "multi_hash")
WAYS = (
    "shader, WebGL 2",
    "shader, WebGPU",
    "WebAssembly, workers",
    "onnxruntime-web, WASM",
    "onnxruntime-web, WASM, 2 threads",
    "onnxruntime-web, WebGPU",
)
SIZE = (1080, 1920)
NARROW = {"offline": False, "latency": 40, "downloadThroughput": 20e6 / 8, "uploadThroughput": 20e6 / 8}
CHROMIUM = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
CHROMIUM += ["--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
CHROMIUM += ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html"}
TYPES.update({".css": "text/css", ".json": "application/json"})

ORT_PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><canvas id="picture"></canvas>
<script type="module">
import * as ort from "./MODULE";
const [rows, columns] = [ROWS, COLUMNS];
const canvas = document.getElementById("picture");
[canvas.width, canvas.height] = [columns, rows];
const context = canvas.getContext("2d");
ort.env.wasm.numThreads = THREADS;
async function start() {
  const session = await ort.InferenceSession.create("field.onnx", { executionProviders: ["PROVIDER"] });
  const longer = Math.max(rows, columns);
  const draw = async (height, width, most) => {
    const step = columns / width;
    const together = Math.max(1, Math.floor(most / width));
    for (let top = 0; top < height; top += together) {
      const count = Math.min(together, height - top);
      const coords = new Float32Array(2 * count * width);
      for (let i = 0; i < count * width; i++) {
        coords[2 * i] = (2 * ((i % width) + 0.5) * step - columns) / longer;
        coords[2 * i + 1] = (2 * (top + Math.floor(i / width) + 0.5) * step - rows) / longer;
      }
      const found = await session.run({ coords: new ort.Tensor("float32", coords, [count * width, 2]) });
      const values = await found.values.getData();
      const image = new ImageData(width, count);
      for (let i = 0; i < count * width; i++) {
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * values[3 * i + c];
        image.data[4 * i + 3] = 255;
      }
      const bitmap = await createImageBitmap(image);
      context.drawImage(bitmap, 0, top * step, columns, count * step);
      await new Promise((resolve) => setTimeout(resolve));
    }
  };
  await draw(Math.ceil(rows / 32), columns / 32, 65536);
  await new Promise(requestAnimationFrame);
  const first = performance.now();
  told(first);
  await draw(rows, columns, 65536);
  return { first, whole: performance.now() };
}
let told;
window.first = new Promise((resolve) => (told = resolve));
window.done = start();
</script>
"""

MEASURE = {
    "shader": """async ([whole, limit]) => {
      const { view, evaluator } = await window.page;
      while (!view.firstPicture) await new Promise((resolve) => setTimeout(resolve, 5));
      const late = new Promise((resolve) => setTimeout(() => resolve(true), limit));
      const isLate = whole && (await Promise.race([view.idle(), late]));
      await new Promise(requestAnimationFrame);
      return { first: view.firstPicture, whole: isLate ? null : performance.now(), device: evaluator.device };
    }""",
    "onnxruntime-web": """async ([whole, limit]) => {
      const first = await Promise.race([window.first, window.done]);
      const late = new Promise((resolve) => setTimeout(() => resolve({ first, whole: null }), limit));
      return whole ? await Promise.race([window.done, late]) : { first };
    }""",
}
LONG = 30.0
"""Seconds of a view from which on one run is enough."""

MOST_SECONDS = 100.0
"""That a view is waited for."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnxruntime", type=pathlib.Path, required=True, help="dist/ of the package onnxruntime-web")
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case, whose medians are told")
    parser.add_argument("--size", default="x".join(map(str, SIZE)), help="rows x columns of the picture")
    parser.add_argument("--presets", default=",".join(PRESETS), help="some of these, with commas between")
    arguments = parser.parse_args()
    size = tuple(int(side) for side in arguments.size.split("x"))
    load = os.getloadavg()[0]
    rows, told = [], {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for preset in arguments.presets.split(","):
            pages = write_pages(pathlib.Path(folder) / preset, preset, size, arguments.onnxruntime)
            for way in WAYS:
                rows.append({"preset": preset, "way": way, **measured(playwright, *pages[way], size, arguments.rounds)})
                rows[-1]["load_after"] = round(os.getloadavg()[0], 1)
                told["browser"] = rows[-1].pop("browser", told.get("browser"))
                print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if arguments.out:
        machine = {
            "device": device_name(),
            "load_before": round(load, 2),
            "renderer": "SwiftShader in Chromium, no GPU here",
        }
        known = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "onnx", "playwright")}
        package = json.loads((arguments.onnxruntime.parent / "package.json").read_text())
        about = {
            **machine,
            **told,
            **known,
            "onnxruntime-web": package["version"],
            "size": size,
            "rounds": arguments.rounds,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


def write_pages(folder, preset, size, onnxruntime):
    """Way -> (folder of its page, query, whether its host isolates the page)."""
    from web_onnx import model_of  # onnx is no package that keras_inr needs

    field = from_preset(preset, picture_size=size, seed=0)
    pages = {}
    for way, backend in zip(WAYS, ("webgl", "webgpu", "cpu"), strict=False):
        # a copy each, so that only what was loaded is counted
        pages[way] = (export_web(field, folder / backend, preset), f"?backend={backend}", False)
    variants = (
        ("wasm", "ort.wasm.min.mjs", "ort-wasm-simd-threaded", 1),
        ("wasm", "ort.wasm.min.mjs", "ort-wasm-simd-threaded", 2),
        ("webgpu", "ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify", 1),
    )
    for way, (provider, module, runtime, threads) in zip(WAYS[3:], variants, strict=True):
        place = folder / f"ort-{provider}-{threads}"
        place.mkdir(parents=True)
        (place / "field.onnx").write_bytes(model_of(describe(field)))
        for name in (module, f"{runtime}.mjs", f"{runtime}.wasm"):
            shutil.copy(onnxruntime / name, place / name)
        values = {"MODULE": module, "PROVIDER": provider, "THREADS": threads, "ROWS": size[0], "COLUMNS": size[1]}
        text = ORT_PAGE
        for name, value in values.items():
            text = text.replace(name, str(value))
        (place / "index.html").write_text(text)
        pages[way] = (place, "", threads > 1)
    return pages


def measured(playwright, folder, query, isolated, size, rounds):
    """Bytes and medians of seconds of a page; what went wrong if it does not run."""
    kind = "onnxruntime-web" if "ort-" in folder.name else "shader"
    found = {False: [], True: []}  # by whether the network is narrow
    with static_host(folder, isolated) as host:
        address = f"http://127.0.0.1:{host.server_address[1]}/{query}"
        for _ in range(rounds):
            for narrow in found:
                host.sent.clear()
                browser = playwright.chromium.launch(args=CHROMIUM, executable_path=shutil.which("chromium"))
                try:
                    found[narrow].append(one_run(browser, address, kind, size, narrow))
                except Error as error:
                    return {"failed": str(error).splitlines()[0][:200]}
                finally:
                    version = browser.version
                    browser.close()
            if (found[False][0]["whole"] or 1e9) > 1000 * LONG:
                break
        sent = {name: host.sizes[name] for name in sorted(host.sent)}
    figures = {"first_s": (False, "first"), "narrow_first_s": (True, "first"), "view_s": (False, "whole")}
    seconds = {name: median([run[what] for run in found[narrow]]) for name, (narrow, what) in figures.items()}
    counted = {
        "bytes": sum(whole for whole, _ in sent.values()),
        "bytes_gzip": sum(packed for _, packed in sent.values()),
    }
    told = {"runs": len(found[False]), "device": found[False][0].get("device", "its own"), "browser": version}
    return {**counted, **seconds, "files": len(sent), **told}


def one_run(browser, address, kind, size, narrow):
    """Milliseconds from the start of the navigation, of a page whose canvas has the picture's size."""
    page = browser.new_page(viewport={"width": size[1], "height": size[0]})
    if kind == "shader":  # nothing but the canvas, so that the view is of the picture's size
        page.add_init_script(
            "document.addEventListener('DOMContentLoaded', () => document.head.append(Object.assign("
            "document.createElement('style'), { textContent: 'header, footer { display: none !important }' })))"
        )
    if narrow:
        page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", NARROW)
    page.goto(address)
    return page.evaluate(MEASURE[kind], [not narrow, 1000 * MOST_SECONDS])


def median(milliseconds):
    """Seconds; None where a run was not waited for."""
    return None if None in milliseconds else round(statistics.median(milliseconds) / 1000, 2)


@contextlib.contextmanager
def static_host(folder, isolated):
    """A host of a folder that compresses, while the context lasts; `sizes` and `sent` tell bytes and what was asked."""
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    packed = {name: gzip.compress(content, 9) for name, content in contents.items()}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            name = self.path.partition("?")[0].lstrip("/") or "index.html"
            body = packed.get(name)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", TYPES.get(pathlib.PurePath(name).suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(body or b"")))
            if body is not None:
                self.send_header("Content-Encoding", "gzip")
                self.server.sent.add(name)
            if isolated:
                self.send_header("Cross-Origin-Opener-Policy", "same-origin")
                self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.sizes = {name: (len(content), len(packed[name])) for name, content in contents.items()}
    server.sent = set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def table(rows):
    """The rows for a page of Markdown."""
    lines = ["| field | way | MB | MB, gzip | first picture (s) | at 20 Mbit/s (s) | 1080p view (s) |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        if "failed" in row:
            lines.append(f"| `{row['preset']}` | {row['way']} | does not run: {row['failed']} | | | | |")
            continue
        size = " | ".join(f"{row[name] / 1e6:.2f}" for name in ("bytes", "bytes_gzip"))
        figures = [row[name] for name in ("first_s", "narrow_first_s", "view_s")]
        seconds = " | ".join(f"> {MOST_SECONDS:.0f}" if figure is None else f"{figure:.1f}" for figure in figures)
        lines.append(f"| `{row['preset']}` | {row['way']} | {size} | {seconds} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
