// Evaluates a field by WebGPU, layer by layer: a register is a buffer of vectors, one after another for all points, and
// a thread of an affine map computes 16 features of 4 points.

import { TILE, Pace, Turns, chunkOf, costOf, placed, split } from "./field.js";

const MOST_BYTES = 2 ** 26; // of all registers
const PARAMETER_BYTES = 48;
const THREADS = 64;
const POINTS = 4; // of a thread
const VECTORS = 4; // of four outputs each, of a thread

const HEAD = `
struct Parameters {
  origin: vec4f, // x, y as float32, and what is left of them
  edge: vec2f,
  pitch: f32,
  weight: f32,
  width: u32,
  count: u32,
  part: u32,
  row: u32,
}
@group(0) @binding(0) var<uniform> parameters: Parameters;
fn place(n: u32) -> vec2f { return vec2f(f32(n % parameters.width), f32(n / parameters.width)) + 0.5; }
fn point(n: u32) -> vec2f {
  let p = parameters.origin.xy + (parameters.origin.zw + place(n) * parameters.pitch);
  return clamp(p, -parameters.edge, parameters.edge);
}
`;

const BINDINGS = {
  numbers: "@group(0) @binding(1) var<storage, read> numbers: array<f32>;",
  weights: "@group(0) @binding(2) var<storage, read> weights: array<vec4f>;",
  source: "@group(0) @binding(3) var<storage, read> source: array<vec4f>;",
  times: "@group(0) @binding(4) var<storage, read> times: array<vec4f>;",
  output: "@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;",
  sum: "@group(0) @binding(6) var<storage, read_write> sum: array<vec4f>;",
  pixels: "@group(0) @binding(7) var<storage, read_write> pixels: array<u32>;",
};
const NUMBER = Object.fromEntries(Object.keys(BINDINGS).map((name, index) => [name, index + 1]));
const declared = (...names) => HEAD + names.map((name) => BINDINGS[name]).join("\n");

// (-1)^k sin(r) for z = k pi + r: the sines of GPUs are of some 10 bits, and of fewer for large arguments
const SINES = `
fn halfWaves(z: vec4f, turn: f32) -> vec4f {
  let k = round(z * 0.3183098861837907 - turn);
  let q = k + turn;
  var r = ((z - q * 3.140625) - q * 9.67502593994140625e-4) - q * 1.509957990978376432e-7;
  r = clamp(r, vec4f(-1.5709), vec4f(1.5709));
  let s = r * r;
  let series = ((2.605780537123792e-6 * s - 1.9809602235909551e-4) * s + 8.33306647837162e-3) * s - 0.16666659712791443;
  return (r + r * s * series) * (1.0 - 2.0 * (k - 2.0 * floor(k * 0.5)));
}
fn sine(z: vec4f) -> vec4f { return halfWaves(z, 0.0); }
fn cosine(z: vec4f) -> vec4f { return -halfWaves(z, 0.5); }
fn sine1(z: f32) -> f32 { return sine(vec4f(z)).x; }
fn cosine1(z: f32) -> f32 { return cosine(vec4f(z)).x; }
`;

const ACTIVATIONS = {
  linear: "z",
  sine: "sine(z)",
  finer: "sine((abs(z) / P + 1.0) * z)",
  leaky_relu: "max(z, P * z)",
  squareplus: "0.5 * (z + sqrt(z * z + P))",
  gauss: "exp(-z * z)",
  tanh: "tanh(clamp(z, vec4f(-15.0), vec4f(15.0)))",
  sigmoid: "0.5 * tanh(clamp(0.5 * z, vec4f(-15.0), vec4f(15.0))) + 0.5",
  softplus: "max(z, vec4f(0.0)) + log(1.0 + exp(-abs(z)))",
  silu: "z * (0.5 * tanh(clamp(0.5 * z, vec4f(-15.0), vec4f(15.0))) + 0.5)",
  exponential: "exp(z)",
};

const float = (number) => (Number.isInteger(number) ? `${number}.0` : `${number}`);
const list = (name, type, items) =>
  `var<private> ${name}: array<${type}, ${items.length}> = array<${type}, ${items.length}>(${items.join(", ")});`;

const INTERPOLATION = `
fn between(cell: vec2f, t: vec2f) -> f32 {
  let v = vec2i(cell);
  return (1.0 - t.x) * (1.0 - t.y) * entry(v) + t.x * (1.0 - t.y) * entry(v + vec2i(1, 0))
    + (1.0 - t.x) * t.y * entry(v + vec2i(0, 1)) + t.x * t.y * entry(v + vec2i(1, 1));
}`;

const HASHED = "bitcast<i32>((u32(v.x) * 1958374283u) ^ (u32(v.y) * 2654435761u))";
const AT = `fn at(n: u32, j: i32) -> f32 { return source[u32(j / 4) * parameters.count + n][j % 4]; }`;

/** WGSL `value(n, j)`, output j of an operation that is no affine map, and the bindings that it needs. */
function valueOf(operation) {
  const { op, width } = operation;
  if (op === "waves") {
    return {
      needs: "numbers",
      code: `fn value(n: u32, j: i32) -> f32 {
        let p = point(n);
        let z = p.x * numbers[${operation.rows} + j] + p.y * numbers[${operation.rows + width} + j];
        let kind = numbers[${operation.rows + 2 * width} + j];
        if (kind == 0.0) { return z; }
        if (kind == 1.0) { return sine1(z); }
        return cosine1(z);
      }`,
    };
  }
  if (op === "window") {
    const row = (k) => `numbers[${operation.rows + k * width} + j]`;
    return {
      needs: "numbers",
      code: `fn value(n: u32, j: i32) -> f32 {
        let p = point(n);
        let d = p - vec2f(${row(4)}, ${row(5)});
        return sine1(p.x * ${row(0)} + p.y * ${row(1)} + ${row(2)}) * exp(-0.5 * ${row(3)} * (d.x * d.x + d.y * d.y));
      }`,
    };
  }
  if (op === "gabor") {
    return {
      needs: "source",
      code: `${AT} fn value(n: u32, j: i32) -> f32 {
        let r = at(n, j + ${width}) * ${float(operation.scale)};
        return cosine1(${float(operation.omega)} * at(n, j)) * exp(-r * r);
      }`,
    };
  }
  if (op === "complex_gabor") {
    const units = width / 2;
    const [scale, omega] = [float(operation.scale), float(operation.omega)];
    return {
      needs: "source",
      code: `${AT} fn value(n: u32, j: i32) -> f32 {
        let k = j % ${units};
        let p = at(n, k);
        let q = ${operation.real ? "0.0" : `at(n, k + ${units})`};
        let bump = exp(-${scale} * ${scale} * (p * p + q * q) - ${omega} * q);
        if (j < ${units}) { return bump * cosine1(${omega} * p); }
        return bump * sine1(${omega} * p);
      }`,
    };
  }
  if (op === "grid") return { needs: "numbers", code: gridValue(operation) };
  if (op === "cells") return { needs: "numbers", code: cellsValue(operation) };
  throw new Error(`This page does not know the operation "${op}": export it again.`);
}

function gridValue({ levels, table, features, smooth, side }) {
  const kinds = { dense: 0, hash: 1, tiled: 2 };
  return `
    ${list("CELLS", "i32", levels.map((level) => level.cells))}
    ${list("FIRST", "i32", levels.map((level) => table + level.first * features))}
    ${list("ENTRIES", "i32", levels.map((level) => level.entries))}
    ${list("KINDS", "i32", levels.map((level) => kinds[level.kind]))}
    var<private> level: i32;
    var<private> feature: i32;
    fn entry(v: vec2i) -> f32 {
      var i = v.x + v.y * (CELLS[level] + 1);
      if (KINDS[level] == 1) { i = ${HASHED} & (ENTRIES[level] - 1); }
      if (KINDS[level] == 2) { i = v.x % ${side} + v.y % ${side} * ${side}; }
      return numbers[FIRST[level] + i * ${features} + feature];
    }
    ${INTERPOLATION}
    fn value(n: u32, j: i32) -> f32 {
      level = j / ${features};
      feature = j % ${features};
      let position = clamp(point(n) * 0.5 + 0.5, vec2f(0.0), vec2f(1.0)) * f32(CELLS[level]);
      let cell = min(floor(position), vec2f(f32(CELLS[level] - 1)));
      var t = position - cell;
      ${smooth ? "t = t * t * t * (t * (t * 6.0 - 15.0) + 10.0);" : ""}
      return between(cell, t);
    }`;
}

function cellsValue({ levels, table, pixels, append }) {
  const [rows, columns] = pixels;
  const kinds = { dense: 0, fold: 1, source: 2 };
  const of = levels.flatMap((level, l) => Array.from({ length: level.features }, (_, f) => [l, f]));
  const last = `vec2f(${float(columns - 1)}, ${float(rows - 1)})`;
  const scale = float(Math.max(rows, columns) / 2);
  const appended = append === "position" ? "position" : `((position - ${last} * 0.5) / ${scale})`;
  return `
    ${list("SIZES", "f32", levels.map((level) => float(level.size)))}
    ${list("COLUMNS", "i32", levels.map((level) => level.columns))}
    ${list("ROWS", "i32", levels.map((level) => level.rows))}
    ${list("FIRST", "i32", levels.map((level) => table + level.first))}
    ${list("FEATURES", "i32", levels.map((level) => level.features))}
    ${list("ENTRIES", "i32", levels.map((level) => level.entries))}
    ${list("KINDS", "i32", levels.map((level) => kinds[level.kind]))}
    ${list("LEVEL", "i32", of.map(([l]) => l))}
    ${list("FEATURE", "i32", of.map(([, f]) => f))}
    var<private> level: i32;
    var<private> feature: i32;
    fn product(x: u32, y: u32) -> vec2u { // 64 bits, the lower 32 first
      let xl = x & 65535u; let xh = x >> 16u; let yl = y & 65535u; let yh = y >> 16u;
      let low = xl * yl; let a = xl * yh; let b = xh * yl;
      let middle = (low >> 16u) + (a & 65535u) + (b & 65535u);
      return vec2u((low & 65535u) | (middle << 16u), xh * yh + (a >> 16u) + (b >> 16u) + (middle >> 16u));
    }
    fn sourceEntry(v: vec2i) -> i32 {
      let x = u32(v.x);
      var h = product(x ^ (x >> 16u), 0x85EBCA6Bu);
      h = vec2u(h.x ^ ((h.x >> 13u) | (h.y << 19u)), h.y ^ (h.y >> 13u));
      let y = product(u32(v.y), 0xC2B2AE35u);
      let low = h.x + y.x;
      let high = h.y + y.y + select(0u, 1u, low < h.x);
      return bitcast<i32>(low ^ ((low >> 16u) | (high << 16u)));
    }
    fn entry(v: vec2i) -> f32 {
      var i = v.x + v.y * COLUMNS[level];
      if (KINDS[level] == 1) {
        let h = ${HASHED};
        i = (h ^ (h >> 14u)) & (ENTRIES[level] - 1);
      }
      if (KINDS[level] == 2) { i = sourceEntry(v) & (ENTRIES[level] - 1); }
      return numbers[FIRST[level] + i * FEATURES[level] + feature];
    }
    ${INTERPOLATION}
    fn value(n: u32, j: i32) -> f32 {
      let position = clamp(point(n) * ${scale} + ${last} * 0.5, vec2f(0.0), ${last});
      ${append ? `if (j >= ${of.length}) { let appended = ${appended}; return select(appended.y, appended.x, j == ${of.length}); }` : ""}
      level = LEVEL[j];
      feature = FEATURE[j];
      if (KINDS[level] == 2) { return entry(vec2i(floor(round(position * 64.0) / 64.0 / SIZES[level]))); }
      let at = position / SIZES[level];
      let cell = min(floor(at), vec2f(f32(COLUMNS[level] - 2), f32(ROWS[level] - 2)));
      return between(cell, at - cell);
    }`;
}

function affineShader(operation, inputs) {
  const coords = operation.from === 0;
  const quads = coords ? 1 : Math.ceil(inputs / 4);
  const vectors = Math.ceil(operation.width / 4);
  const outputs = [...Array(Math.min(VECTORS, vectors)).keys()];
  const points = [...Array(POINTS).keys()];
  const needs = ["weights", "output", ...(coords ? [] : ["source"]), ...(operation.times == null ? [] : ["times"])];
  const size = (4 * quads + 1) * outputs.length;
  const activation = ACTIVATIONS[operation.activation].replaceAll("P", float(operation.parameter));
  const each = (write) => points.flatMap((p) => outputs.map((k) => write(p, k))).join("\n");
  const factor = (p, k) =>
    operation.times == null ? "" : ` * times[(first + ${k}u) * parameters.count + n${p}]`;
  const code = `${declared(...needs)}${SINES}
    fn activated(z: vec4f) -> vec4f { return ${activation}; }
    @compute @workgroup_size(${THREADS})
    fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
      let base = group.y * ${size}u;
      let first = group.y * ${outputs.length}u;
      let last = parameters.count - 1u;
      let start = group.x * ${THREADS * POINTS}u + local.x;
      ${points.map((p) => `let n${p} = start + ${p * THREADS}u; let m${p} = min(n${p}, last);`).join("\n")}
      ${each((p, k) => `var z${p}_${k} = weights[base + ${4 * quads * outputs.length + k}u];`)}
      for (var i = 0u; i < ${quads}u; i++) {
        ${points
          .map((p) => `let v${p} = ${coords ? `vec4f(point(m${p}), 0.0, 0.0)` : `source[i * parameters.count + m${p}]`};`)
          .join("\n")}
        let row = base + i * ${4 * outputs.length}u;
        ${[0, 1, 2, 3]
          .map((c) =>
            outputs
              .map((k) => {
                const weight = `w${c}_${k}`;
                const sums = points.map((p) => `z${p}_${k} += v${p}[${c}] * ${weight};`).join(" ");
                return `let ${weight} = weights[row + ${c * outputs.length + k}u]; ${sums}`;
              })
              .join("\n"),
          )
          .join("\n")}
      }
      ${points
        .map(
          (p) => `if (n${p} <= last) { ${outputs
            .map(
              (k) =>
                `if (first + ${k}u < ${vectors}u) { output[(first + ${k}u) * parameters.count + n${p}] = activated(z${p}_${k})${factor(p, k)}; }`,
            )
            .join("\n")} }`,
        )
        .join("\n")}
    }`;
  return { code, needs };
}

function valueShader(operation) {
  const found = valueOf(operation);
  const needs = [found.needs, "output"];
  const code = `${declared(...needs)}${SINES}${found.code}
    @compute @workgroup_size(${THREADS})
    fn main(@builtin(global_invocation_id) id: vec3u) {
      let n = id.x;
      if (n >= parameters.count) { return; }
      var result = vec4f(0.0);
      for (var c = 0; c < 4; c++) {
        let j = 4 * i32(id.y) + c;
        if (j < ${operation.width}) { result[c] = value(n, j); }
      }
      output[id.y * parameters.count + n] = result;
    }`;
  return { code, needs };
}

const ADD = {
  needs: ["source", "sum"],
  code: `${declared("source", "sum")}
    @compute @workgroup_size(${THREADS})
    fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x >= parameters.count) { return; }
      let added = parameters.weight * source[id.x];
      if (parameters.part == 0u) { sum[id.x] = added; } else { sum[id.x] += added; }
      _ = parameters.origin;
    }`,
};

const packShader = (channels, floats) => {
  const colour = ["v.rrr", "v.rrr", "v.rgb", "v.rgb"][channels - 1];
  const alpha = ["1.0", "v.g", "1.0", "v.a"][channels - 1];
  const place = "id.x + parameters.row * parameters.width";
  const write = floats
    ? `for (var c = 0u; c < 4u; c++) { pixels[4u * (${place}) + c] = bitcast<u32>(v[c]); }`
    : `let codes = vec4u(floor(clamp(vec4f(${colour}, ${alpha}), vec4f(0.0), vec4f(1.0)) * 255.0 + 0.5));
       pixels[${place}] = codes.r | (codes.g << 8u) | (codes.b << 16u) | (codes.a << 24u);`;
  return {
    needs: ["sum", "pixels"],
    code: `${declared("sum", "pixels")}
      @compute @workgroup_size(${THREADS})
      fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x >= parameters.count) { return; }
        let v = sum[id.x];
        ${write}
      }`,
  };
};

export class WebGPUEvaluator {
  name = "WebGPU";

  static async create(field, adapter) {
    if (!adapter) throw new Error("This browser has no WebGPU: without ?backend=webgpu the page does without it.");
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
    const evaluator = new WebGPUEvaluator(adapter, device, field);
    await evaluator.#build(field.operations);
    return evaluator;
  }

  constructor(adapter, device, field) {
    this.gpu = device;
    this.field = field;
    const { vendor = "", architecture = "", description = "" } = adapter.info ?? {};
    this.device = [vendor, architecture, description].filter(Boolean).join(" ");
    this.turns = new Turns();
    this.pace = new Pace(costOf(field));
    device.lost.then(() => (this.lost = new Error("The GPU was lost: load the page again.")));
  }

  async #build(operations) {
    const { field } = this;
    const { slots, slotOf } = placed(operations);
    const vectors = slots.reduce((sum, slot) => sum + slot.vectors, 0);
    this.rows = Math.max(1, Math.min(TILE, Math.floor(MOST_BYTES / (16 * TILE * vectors))));
    const most = this.rows * TILE;
    this.parameters = this.gpu.createBuffer({ size: PARAMETER_BYTES, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.numbers = this.#filled(field.numbers);
    this.slots = slots.map((slot) => this.#buffer(16 * most * slot.vectors));
    this.sum = this.#buffer(16 * most);
    this.pixels = this.#buffer(16 * TILE * TILE);
    this.values = this.slots[slotOf.get(operations.at(-1).to)];
    this.passes = await Promise.all(operations.map((operation) => this.#passOf(operation, slotOf)));
    this.adding = await this.#pass(ADD, { source: this.values, sum: this.sum }, 1, 1);
    const packing = (floats) => this.#pass(packShader(field.channels, floats), { sum: this.sum, pixels: this.pixels }, 1, 1);
    this.packing = new Map([[false, await packing(false)], [true, await packing(true)]]);
  }

  #buffer(size) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    if (size > this.gpu.limits.maxStorageBufferBindingSize) {
      throw new Error("This field has more weights than this browser's WebGPU holds in one buffer.");
    }
    return this.gpu.createBuffer({ size, usage });
  }

  #filled(numbers) {
    const buffer = this.#buffer(Math.max(16, numbers.byteLength));
    this.gpu.queue.writeBuffer(buffer, 0, numbers);
    return buffer;
  }

  #passOf(operation, slotOf) {
    const { field } = this;
    const inputs = field.widths[operation.from];
    const all = Math.ceil(operation.width / 4);
    const buffers = {
      numbers: this.numbers,
      source: this.slots[slotOf.get(operation.from)],
      times: this.slots[slotOf.get(operation.times)],
      output: this.slots[slotOf.get(operation.to)],
    };
    if (operation.op !== "affine") return this.#pass(valueShader(operation), buffers, all, 1);
    const vectors = Math.min(VECTORS, all);
    const chunks = [];
    for (let first = 0; first < all; first += vectors) {
      chunks.push(chunkOf(field.numbers, operation, inputs, first, vectors));
    }
    const weights = new Float32Array(chunks.length * chunks[0].length);
    chunks.forEach((chunk, index) => weights.set(chunk, index * chunk.length));
    buffers.weights = this.#filled(weights);
    return this.#pass(affineShader(operation, inputs), buffers, chunks.length, POINTS);
  }

  async #pass({ code, needs }, buffers, chunks, points) {
    const module = this.gpu.createShaderModule({ code });
    const pipeline = await this.gpu.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
    const group = this.gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: { buffer: this.parameters } },
        ...needs.map((name) => ({ binding: NUMBER[name], resource: { buffer: buffers[name] } })),
      ],
    });
    return { pipeline, group, chunks, points };
  }

  /** See WebGLEvaluator. */
  async evaluate(request, signal) {
    const release = await this.turns.take();
    let reading;
    try {
      signal?.throwIfAborted();
      const { width, height } = request;
      const rows = Math.max(1, Math.min(this.rows, height, Math.floor(this.pace.points / width)));
      for (let top = 0; top < height; top += rows) await this.#strip(request, top, Math.min(rows, height - top), signal);
      reading = this.#startReading(request);
    } finally {
      release();
    }
    return this.#read(reading, request);
  }

  async #strip(request, top, rows, signal) {
    const { width, across, down } = request;
    const parts = across * down;
    const together = Math.max(1, Math.floor(this.pace.points / (width * rows)));
    for (let done = 0; done < parts; done += together) {
      if (this.lost) throw this.lost;
      const until = Math.min(parts, done + together);
      const started = performance.now();
      for (let part = done; part < until; part++) this.#part(request, top, rows, part, part === parts - 1);
      if (until === parts && top + rows === request.height && top === 0 && done === 0) return; // `evaluate` waits
      await this.gpu.queue.onSubmittedWorkDone();
      this.pace.learn(width * rows * (until - done), performance.now() - started);
      signal?.throwIfAborted();
    }
  }

  /** One point of each pixel of a strip, added to the sum; after the last one the sum becomes pixels. */
  #part(request, top, rows, part, isLast) {
    const count = request.width * rows;
    this.#writeParameters(request, top, count, part);
    const encoder = this.gpu.createCommandEncoder();
    const work = encoder.beginComputePass();
    const packing = isLast ? [this.packing.get(Boolean(request.floats))] : [];
    for (const { pipeline, group, chunks, points } of [...this.passes, this.adding, ...packing]) {
      work.setPipeline(pipeline);
      work.setBindGroup(0, group);
      work.dispatchWorkgroups(Math.ceil(count / (THREADS * points)), chunks);
    }
    work.end();
    this.gpu.queue.submit([encoder.finish()]);
  }

  #writeParameters(request, top, count, part) {
    const { width, across, down, step } = request;
    const x = request.x0 + (((part % across) + 0.5) / across - 0.5) * step;
    const y = request.y0 + (top + (Math.floor(part / across) + 0.5) / down - 0.5) * step;
    const [rows, columns] = this.field.picture;
    const longer = Math.max(rows, columns);
    const bytes = new ArrayBuffer(PARAMETER_BYTES);
    const [floats, integers] = [new Float32Array(bytes), new Int32Array(bytes)];
    const [[highX, lowX], [highY, lowY]] = [split(x), split(y)];
    floats.set([highX, highY, lowX, lowY, columns / longer, rows / longer, step, 1 / (across * down)]);
    integers.set([width, count, part, top], 8);
    this.gpu.queue.writeBuffer(this.parameters, 0, bytes);
  }

  #startReading({ width, height, floats }) {
    const size = (floats ? 16 : 4) * width * height;
    const buffer = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(this.pixels, 0, buffer, 0, size);
    this.gpu.queue.submit([encoder.finish()]);
    return { buffer, started: performance.now() };
  }

  async #read({ buffer, started }, { width, height, floats, across, down }) {
    await buffer.mapAsync(GPUMapMode.READ);
    const points = width * height * across * down;
    if (points <= this.pace.points) this.pace.learn(points, performance.now() - started);
    const pixels = new (floats ? Float32Array : Uint8ClampedArray)(buffer.getMappedRange().slice(0));
    buffer.destroy();
    return pixels;
  }
}
