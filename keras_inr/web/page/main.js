// Puts the page together: the field, an evaluator, the view, and what is told around it.

import { loadField } from "./field.js";
import { canSpline, WithSpline } from "./spline.js";
import { View } from "./view.js";

const part = (name) => document.getElementById(name);
const isEmbedded = Boolean(part("embedded-field"));

/**
 * The evaluator that ?backend= asks for, or else the quickest that is there; only its code is loaded. A GPU that is
 * software is slower than the processor without it.
 */
async function evaluatorOf(field, adapter) {
  const asked = new URLSearchParams(location.search).get("backend");
  const isSoftware = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter;
  const ways = [
    ["webgpu", adapter && !isSoftware, async () => (await import("./webgpu.js")).WebGPUEvaluator.create(field, adapter)],
    ["webgl", hasWebGL(), async () => (await import("./webgl.js")).WebGLEvaluator.create(field)],
    ["cpu", true, async () => (await import("./cpu.js")).CPUEvaluator.create(field)],
  ];
  const wanted = ways.find(([name]) => name === asked);
  if (wanted) return wanted[2]();
  for (const [name, isThere, create] of ways) {
    try {
      if (isThere) return await create();
    } catch (error) {
      if (name === "cpu") throw error;
      console.info(`${name} is not used: ${error.message}`);
    }
  }
}

/** Whether there is a GPU behind WebGL 2: not every browser says so when it is asked for a context without caveats. */
function hasWebGL() {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return false;
  const named = gl.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER;
  const isSoftware = /swiftshader|llvmpipe|softpipe|basic render|software/i.test(gl.getParameter(named));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !isSoftware;
}

/** The GPU as WebGPU has it, or null. */
async function adapterOf() {
  try {
    return (await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" })) ?? null;
  } catch (error) {
    return null;
  }
}

function told(text, isError = false) {
  part("status").textContent = text;
  part("status").hidden = !text;
  part("status").classList.toggle("error", isError);
}

function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function bytesOnTheWire(field) {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const bytes = entries.reduce((sum, entry) => sum + (entry.transferSize || entry.encodedBodySize || 0), 0);
  return isEmbedded ? field.bytes : bytes;
}

function describe(field, evaluator) {
  const [height, width] = field.picture;
  const facts = [
    `${width} × ${height} pixels`,
    field.psnr_db == null ? null : `PSNR ${field.psnr_db.toFixed(2)} dB`,
    `${field.network}, ${field.parameters.toLocaleString("en")} parameters`,
    `${megabytes(bytesOnTheWire(field))} loaded`,
    `drawn by ${evaluator.name}`,
  ];
  part("title").textContent = document.title = field.title;
  part("facts").replaceChildren(
    ...facts.filter(Boolean).map((fact) => Object.assign(document.createElement("li"), { textContent: fact })),
  );
  part("facts").lastChild.id = "evaluator";
  part("facts").lastChild.title = evaluator.device;
}

/** "#x,y,scale": the centre in coordinates, and CSS pixels for each pixel of the picture. */
function hashOf(view) {
  const { x, y, scale } = view.place;
  const coords = view.coordsAt([x, y]).map((number) => number.toFixed(9).replace(/\.?0+$/, "") || "0");
  return `#${coords.join(",")},${Number((scale / view.density).toPrecision(7))}`;
}

function goToHash(view) {
  const numbers = location.hash.slice(1).split(",").map(Number);
  if (numbers.length !== 3 || !numbers.every(Number.isFinite) || numbers[2] <= 0) return;
  const [x, y, scale] = numbers;
  const longer = Math.max(view.rows, view.columns);
  const pixel = [(x * longer + view.columns) / 2, (y * longer + view.rows) / 2];
  view.go({ x: pixel[0], y: pixel[1], scale: scale * view.density });
}

/** Tells coordinates and values under the pointer; the newest place is asked for when the last one is answered. */
function readOut(view, evaluator) {
  let place = null;
  let asking = false;
  const ask = async () => {
    if (asking || !place) return;
    asking = true;
    const pixel = place;
    place = null;
    const [x, y] = view.coordsAt(pixel);
    const step = 2 ** -22;
    const request = { x0: x - step / 2, y0: y - step / 2, step, width: 1, height: 1, across: 1, down: 1, floats: true };
    try {
      const values = await evaluator.evaluate({ ...request, way: view.wayOf(view.level) });
      const shown = [...values.slice(0, view.field.channels)].map((value) => value.toFixed(3));
      const pixels = pixel.map((number) => number.toFixed(1));
      part("readout").textContent = `(${x.toFixed(6)}, ${y.toFixed(6)})  pixel (${pixels.join(", ")})  ${shown.join(" ")}`;
    } catch (error) {
      console.info(error.message); // the picture itself tells what is wrong
    }
    asking = false;
    ask();
  };
  view.canvas.addEventListener("pointermove", (event) => {
    const pixel = view.pixelAt([event.offsetX * view.density, event.offsetY * view.density]);
    place = view.isInside(pixel) ? pixel : null;
    if (!place) part("readout").textContent = "";
    ask();
  });
  view.canvas.addEventListener("pointerleave", () => {
    place = null;
    part("readout").textContent = "";
  });
}

/** The way between the picture's pixels: the field's own values, or the spline through those at pixel centres. */
function chooseBetween(view, field) {
  const choice = part("between");
  part("between-label").hidden = !canSpline(field.picture);
  choice.value = canSpline(field.picture) ? field.between : "field";
  choice.addEventListener("change", () => view.setBetween(choice.value));
  view.setBetween(choice.value);
}

function zoomOf(view) {
  const factor = view.place.scale / view.density;
  return factor < 1e4 ? `${Number((100 * factor).toPrecision(3))} %` : `${factor.toExponential(1)} ×`;
}

async function start() {
  told("Loading the field …");
  const loading = (share) => told(`Loading the field … ${Math.round(100 * share)} %`);
  const [field, adapter] = await Promise.all([loadField(loading), adapterOf()]);
  told("Preparing the GPU …");
  const evaluator = new WithSpline(await evaluatorOf(field, adapter), field);
  describe(field, evaluator);
  const view = new View(part("picture"), field, evaluator);
  chooseBetween(view, field);
  goToHash(view);
  let hashTimer = 0;
  view.changed = () => {
    if (view.failed) return told(view.failed.message, true);
    told(view.busy ? "Drawing …" : "");
    part("zoom").textContent = zoomOf(view);
    clearTimeout(hashTimer);
    if (!isEmbedded && !view.fitted) hashTimer = setTimeout(() => history.replaceState(null, "", hashOf(view)), 200);
  };
  view.start();
  window.addEventListener("hashchange", () => goToHash(view));
  part("closer").addEventListener("click", () => view.zoom(2));
  part("farther").addEventListener("click", () => view.zoom(0.5));
  part("whole").addEventListener("click", () => view.fit());
  readOut(view, evaluator);
  return { field, evaluator, view };
}

window.page = start();
window.page.catch((error) => told(error.message, true));
