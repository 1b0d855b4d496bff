// Evaluates a field by WebGL 2, layer by layer: a register is an array of float textures, a point is a texel, and a pass
// writes up to 16 features of all points of a strip.

import { TILE, Pace, Turns, chunkOf, costOf, pause, placed, split } from "./field.js";

const NO_FLOATS = "This browser's WebGL 2 cannot write float textures: without ?backend=webgl the page does without it.";
const NUMBERS_ACROSS = 2048;
const MOST_BYTES = 2 ** 25; // of all registers

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;
uniform vec4 origin; // x, y as float32, and what is left of them
uniform float pitch;
uniform vec2 edge;
uniform int first; // which four outputs are the first ones of this pass
uniform sampler2D numbers;
uniform sampler2DArray source;
uniform sampler2DArray times;
vec2 point() { return clamp(origin.xy + (origin.zw + gl_FragCoord.xy * pitch), -edge, edge); }
float number(int i) { return texelFetch(numbers, ivec2(i & ${NUMBERS_ACROSS - 1}, i / ${NUMBERS_ACROSS}), 0).r; }
float at(int j) { return texelFetch(source, ivec3(ivec2(gl_FragCoord.xy), j >> 2), 0)[j & 3]; }
`;

// (-1)^k sin(r) for z = k pi + r: the sines of GPUs are of some 10 bits, and of fewer for large arguments
const SINES = `
vec4 halfWaves(vec4 z, float turn) {
  vec4 k = round(z * 0.3183098861837907 - turn);
  vec4 r = ((z - (k + turn) * 3.140625) - (k + turn) * 9.67502593994140625e-4) - (k + turn) * 1.509957990978376432e-7;
  r = clamp(r, -1.5709, 1.5709);
  vec4 s = r * r;
  vec4 series = ((2.605780537123792e-6 * s - 1.9809602235909551e-4) * s + 8.33306647837162e-3) * s - 0.16666659712791443;
  return (r + r * s * series) * (1.0 - 2.0 * (k - 2.0 * floor(k * 0.5)));
}
vec4 sine(vec4 z) { return halfWaves(z, 0.0); }
vec4 cosine(vec4 z) { return -halfWaves(z, 0.5); }
float sine(float z) { return sine(vec4(z)).x; }
float cosine(float z) { return cosine(vec4(z)).x; }
`;

const ACTIVATIONS = {
  linear: "z",
  sine: "sine(z)",
  finer: "sine((abs(z) / P + 1.0) * z)",
  leaky_relu: "max(z, P * z)",
  squareplus: "0.5 * (z + sqrt(z * z + P))",
  gauss: "exp(-z * z)",
  tanh: "tanh(clamp(z, -15.0, 15.0))",
  sigmoid: "0.5 * tanh(clamp(0.5 * z, -15.0, 15.0)) + 0.5",
  softplus: "max(z, 0.0) + log(1.0 + exp(-abs(z)))",
  silu: "z * (0.5 * tanh(clamp(0.5 * z, -15.0, 15.0)) + 0.5)",
  exponential: "exp(z)",
};

const GRIDS = `
float between(vec2 cell, vec2 t) {
  ivec2 v = ivec2(cell);
  return (1.0 - t.x) * (1.0 - t.y) * entry(v) + t.x * (1.0 - t.y) * entry(v + ivec2(1, 0))
    + (1.0 - t.x) * t.y * entry(v + ivec2(0, 1)) + t.x * t.y * entry(v + ivec2(1, 1));
}
`;

const float = (number) => (Number.isInteger(number) ? `${number}.0` : `${number}`);
const list = (type, items) => `${type}[${items.length}](${items.join(", ")})`;

/** GLSL `float value(int j)`, output j of an operation that is no affine map. */
function valueOf(operation) {
  const { op, width } = operation;
  if (op === "waves") {
    return `float value(int j) {
      vec2 p = point();
      float z = p.x * number(${operation.rows} + j) + p.y * number(${operation.rows + width} + j);
      float kind = number(${operation.rows + 2 * width} + j);
      return kind == 0.0 ? z : kind == 1.0 ? sine(z) : cosine(z);
    }`;
  }
  if (op === "window") {
    const row = (k) => `number(${operation.rows + k * width} + j)`;
    return `float value(int j) {
      vec2 p = point();
      vec2 d = p - vec2(${row(4)}, ${row(5)});
      return sine(p.x * ${row(0)} + p.y * ${row(1)} + ${row(2)}) * exp(-0.5 * ${row(3)} * (d.x * d.x + d.y * d.y));
    }`;
  }
  if (op === "gabor") {
    return `float value(int j) {
      float r = at(j + ${width}) * ${float(operation.scale)};
      return cosine(${float(operation.omega)} * at(j)) * exp(-r * r);
    }`;
  }
  if (op === "complex_gabor") {
    const units = width / 2;
    const scale = float(operation.scale);
    const omega = float(operation.omega);
    const q = operation.real ? "0.0" : `at(k + ${units})`;
    return `float value(int j) {
      int k = j < ${units} ? j : j - ${units};
      float p = at(k), q = ${q}, phase = ${omega} * p;
      float bump = exp(-${scale} * ${scale} * (p * p + q * q) - ${omega} * q);
      return bump * (j < ${units} ? cosine(phase) : sine(phase));
    }`;
  }
  if (op === "grid") return gridValue(operation);
  if (op === "cells") return cellsValue(operation);
  throw new Error(`This page does not know the operation "${op}": export it again.`);
}

function gridValue({ levels, table, features, smooth, side }) {
  const kinds = { dense: 0, hash: 1, tiled: 2 };
  return `
    const int CELLS[${levels.length}] = ${list("int", levels.map((level) => level.cells))};
    const int FIRST[${levels.length}] = ${list("int", levels.map((level) => table + level.first * features))};
    const int ENTRIES[${levels.length}] = ${list("int", levels.map((level) => level.entries))};
    const int KINDS[${levels.length}] = ${list("int", levels.map((level) => kinds[level.kind]))};
    int level, feature;
    float entry(ivec2 v) {
      int kind = KINDS[level];
      int i = v.x + v.y * (CELLS[level] + 1);
      if (kind == 1) i = int((uint(v.x) * 1958374283u) ^ (uint(v.y) * 2654435761u)) & (ENTRIES[level] - 1);
      if (kind == 2) i = v.x % ${side} + v.y % ${side} * ${side};
      return number(FIRST[level] + i * ${features} + feature);
    }
    ${GRIDS}
    float value(int j) {
      level = min(j / ${features}, ${levels.length - 1});
      feature = j % ${features};
      vec2 position = clamp(point() * 0.5 + 0.5, 0.0, 1.0) * float(CELLS[level]);
      vec2 cell = min(floor(position), float(CELLS[level] - 1));
      vec2 t = position - cell;
      ${smooth ? "t = t * t * t * (t * (t * 6.0 - 15.0) + 10.0);" : ""}
      return between(cell, t);
    }`;
}

function cellsValue({ levels, table, pixels, append, width }) {
  const [rows, columns] = pixels;
  const kinds = { dense: 0, fold: 1, source: 2 };
  const of = levels.flatMap((level, l) => Array.from({ length: level.features }, (_, f) => [l, f]));
  const last = `vec2(${float(columns - 1)}, ${float(rows - 1)})`;
  const scale = float(Math.max(rows, columns) / 2);
  const each = (type, name, value) =>
    `const ${type} ${name}[${levels.length}] = ${list(type, levels.map(value))};`;
  const appended = append === "position" ? "position" : `((position - ${last} * 0.5) / ${scale})`;
  return `
    ${each("float", "SIZES", (level) => float(level.size))}
    ${each("int", "COLUMNS", (level) => level.columns)}
    ${each("int", "ROWS", (level) => level.rows)}
    ${each("int", "FIRST", (level) => table + level.first)}
    ${each("int", "FEATURES", (level) => level.features)}
    ${each("int", "ENTRIES", (level) => level.entries)}
    ${each("int", "KINDS", (level) => kinds[level.kind])}
    const int LEVEL[${of.length}] = ${list("int", of.map(([l]) => l))};
    const int FEATURE[${of.length}] = ${list("int", of.map(([, f]) => f))};
    int level, feature;
    uvec2 product(uint x, uint y) { // 64 bits, the lower 32 first
      uint xl = x & 65535u, xh = x >> 16, yl = y & 65535u, yh = y >> 16;
      uint low = xl * yl, a = xl * yh, b = xh * yl;
      uint middle = (low >> 16) + (a & 65535u) + (b & 65535u);
      return uvec2((low & 65535u) | (middle << 16), xh * yh + (a >> 16) + (b >> 16) + (middle >> 16));
    }
    int sourceEntry(ivec2 v) {
      uint x = uint(v.x);
      uvec2 h = product(x ^ (x >> 16), 0x85EBCA6Bu);
      h = uvec2(h.x ^ ((h.x >> 13) | (h.y << 19)), h.y ^ (h.y >> 13));
      uvec2 y = product(uint(v.y), 0xC2B2AE35u);
      uint low = h.x + y.x;
      uint high = h.y + y.y + (low < h.x ? 1u : 0u);
      return int(low ^ ((low >> 16) | (high << 16)));
    }
    float entry(ivec2 v) {
      int i = v.x + v.y * COLUMNS[level];
      if (KINDS[level] == 1) {
        int h = int((uint(v.x) * 1958374283u) ^ (uint(v.y) * 2654435761u));
        i = (h ^ (h >> 14)) & (ENTRIES[level] - 1);
      }
      if (KINDS[level] == 2) i = sourceEntry(v) & (ENTRIES[level] - 1);
      return number(FIRST[level] + i * FEATURES[level] + feature);
    }
    ${GRIDS}
    float value(int j) {
      vec2 position = clamp(point() * ${scale} + ${last} * 0.5, vec2(0.0), ${last});
      ${append ? `if (j >= ${of.length}) return j == ${of.length} ? ${appended}.x : ${appended}.y;` : ""}
      level = LEVEL[min(j, ${of.length - 1})];
      feature = FEATURE[min(j, ${of.length - 1})];
      if (KINDS[level] == 2) return entry(ivec2(floor(roundEven(position * 64.0) / 64.0 / SIZES[level])));
      vec2 at = position / SIZES[level];
      vec2 cell = min(floor(at), vec2(COLUMNS[level] - 2, ROWS[level] - 2));
      return between(cell, at - cell);
    }`;
}

function affineShader(operation, inputs, vectors) {
  const coords = operation.from === 0;
  const quads = coords ? 1 : Math.ceil(inputs / 4);
  const outputs = [...Array(vectors).keys()];
  const sum = (k) =>
    ["x", "y", "z", "w"].map((c, n) => `v.${c} * w[(4 * i + ${n}) * ${vectors} + ${k}]`).join(" + ");
  const activation = ACTIVATIONS[operation.activation].replaceAll("P", float(operation.parameter));
  return `${HEAD}${SINES}
    layout(std140) uniform Weights { vec4 w[${(4 * quads + 1) * vectors}]; };
    ${outputs.map((k) => `layout(location = ${k}) out vec4 out${k};`).join("\n")}
    vec4 activated(vec4 z) { return ${activation}; }
    void main() {
      ivec2 p = ivec2(gl_FragCoord.xy);
      ${outputs.map((k) => `vec4 z${k} = w[${4 * quads * vectors + k}];`).join("\n")}
      for (int i = 0; i < ${quads}; i++) {
        vec4 v = ${coords ? "vec4(point(), 0.0, 0.0)" : "texelFetch(source, ivec3(p, i), 0)"};
        ${outputs.map((k) => `z${k} += ${sum(k)};`).join("\n")}
      }
      ${outputs
        .map((k) => {
          const factor = operation.times == null ? "" : ` * texelFetch(times, ivec3(p, first + ${k}), 0)`;
          return `out${k} = activated(z${k})${factor};`;
        })
        .join("\n")}
    }`;
}

function valueShader(operation, vectors) {
  const outputs = [...Array(vectors).keys()];
  const one = (k, c) => {
    const j = `4 * (first + ${k}) + ${c}`;
    return `${j} < ${operation.width} ? value(${j}) : 0.0`;
  };
  return `${HEAD}${SINES}${valueOf(operation)}
    ${outputs.map((k) => `layout(location = ${k}) out vec4 out${k};`).join("\n")}
    void main() {
      ${outputs.map((k) => `out${k} = vec4(${[0, 1, 2, 3].map((c) => one(k, c)).join(", ")});`).join("\n")}
    }`;
}

// the mean over the points of a pixel, one point after another
const ADD = `${HEAD}
  uniform sampler2D sum;
  uniform float weight;
  layout(location = 0) out vec4 out0;
  void main() {
    ivec2 p = ivec2(gl_FragCoord.xy);
    out0 = weight * texelFetch(source, ivec3(p, 0), 0);
    if (first > 0) out0 += texelFetch(sum, p, 0);
  }`;

const packShader = (channels, floats) => {
  const colour = ["v.rrr", "v.rrr", "v.rgb", "v.rgb"][channels - 1];
  const alpha = ["1.0", "v.g", "1.0", "v.a"][channels - 1];
  const shown = floats ? "v" : `floor(clamp(vec4(${colour}, ${alpha}), 0.0, 1.0) * 255.0 + 0.5) / 255.0`;
  return `${HEAD}
    uniform sampler2D sum;
    uniform int row;
    layout(location = 0) out vec4 out0;
    void main() {
      vec4 v = texelFetch(sum, ivec2(gl_FragCoord.xy) - ivec2(0, row), 0);
      out0 = ${shown};
    }`;
};

const VERTICES = `#version 300 es
  void main() { gl_Position = vec4(vec2[3](vec2(-1, -1), vec2(3, -1), vec2(-1, 3))[gl_VertexID], 0, 1); }`;

export class WebGLEvaluator {
  name = "WebGL 2";

  static async create(field) {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("This browser has no WebGL 2: without ?backend=webgl the page does without it.");
    if (!gl.getExtension("EXT_color_buffer_float")) {
      throw new Error(NO_FLOATS);
    }
    const evaluator = new WebGLEvaluator(gl, field);
    await evaluator.#build(field.operations);
    return evaluator;
  }

  constructor(gl, field) {
    this.gl = gl;
    this.field = field;
    this.turns = new Turns();
    this.pace = new Pace(costOf(field));
    const parameter = (name) => gl.getParameter(gl[name]);
    this.vectors = Math.min(4, parameter("MAX_DRAW_BUFFERS"), parameter("MAX_COLOR_ATTACHMENTS"));
    this.blockVectors = parameter("MAX_UNIFORM_BLOCK_SIZE") / 16;
    this.mostSide = parameter("MAX_TEXTURE_SIZE");
    const debug = gl.getExtension("WEBGL_debug_renderer_info");
    this.device = debug ? gl.getParameter(debug.UNMASKED_RENDERER_WEBGL) : gl.getParameter(gl.RENDERER);
    this.parallel = gl.getExtension("KHR_parallel_shader_compile");
    this.programs = new Map();
    this.target = new Map();
  }

  async #build(operations) {
    const { gl, field } = this;
    const { slots, slotOf } = placed(operations);
    const vectors = slots.reduce((sum, slot) => sum + slot.vectors, 0);
    this.rows = Math.max(1, Math.min(TILE, Math.floor(MOST_BYTES / (16 * TILE * vectors))));
    this.numbers = this.#numbersTexture(field.numbers);
    this.slots = slots.map((slot) => this.#texture(gl.TEXTURE_2D_ARRAY, gl.RGBA32F, this.rows, slot.vectors));
    this.sums = [0, 1].map(() => this.#texture(gl.TEXTURE_2D, gl.RGBA32F, this.rows));
    this.sumFrames = this.sums.map((texture) => this.#frame([[texture]]));
    this.passes = operations.flatMap((operation) => this.#passesOf(operation, slotOf));
    this.values = this.slots[slotOf.get(operations.at(-1).to)];
    this.#program(ADD);
    for (const floats of [false, true]) {
      this.#program(packShader(field.channels, floats));
      const texture = this.#texture(gl.TEXTURE_2D, floats ? gl.RGBA32F : gl.RGBA8, TILE);
      this.target.set(floats, this.#frame([[texture]]));
    }
    await this.#compiled();
  }

  #texture(kind, format, rows, layers = 1, columns = TILE) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(kind, texture);
    if (kind === gl.TEXTURE_2D) gl.texStorage2D(kind, 1, format, columns, rows);
    else gl.texStorage3D(kind, 1, format, columns, rows, layers);
    for (const name of ["TEXTURE_MIN_FILTER", "TEXTURE_MAG_FILTER"]) gl.texParameteri(kind, gl[name], gl.NEAREST);
    return texture;
  }

  #numbersTexture(numbers) {
    const { gl } = this;
    const rows = Math.max(1, Math.ceil(numbers.length / NUMBERS_ACROSS));
    if (rows > this.mostSide) throw new Error("This field has more weights than this browser's textures hold.");
    const texture = this.#texture(gl.TEXTURE_2D, gl.R32F, rows, 1, NUMBERS_ACROSS);
    const padded = new Float32Array(rows * NUMBERS_ACROSS);
    padded.set(numbers);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, NUMBERS_ACROSS, rows, gl.RED, gl.FLOAT, padded);
    return texture;
  }

  /** A framebuffer of textures, each perhaps with a layer. */
  #frame(attached) {
    const { gl } = this;
    const frame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    const names = attached.map(([texture, layer], k) => {
      const name = gl.COLOR_ATTACHMENT0 + k;
      if (layer === undefined) gl.framebufferTexture2D(gl.FRAMEBUFFER, name, gl.TEXTURE_2D, texture, 0);
      else gl.framebufferTextureLayer(gl.FRAMEBUFFER, name, texture, 0, layer);
      return name;
    });
    gl.drawBuffers(names);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) {
      throw new Error(NO_FLOATS);
    }
    return frame;
  }

  #passesOf(operation, slotOf) {
    const { gl, field } = this;
    const inputs = field.widths[operation.from];
    const all = Math.ceil(operation.width / 4);
    const affine = operation.op === "affine";
    const rows = operation.from === 0 ? 5 : 4 * Math.ceil(inputs / 4) + 1;
    const vectors = Math.min(this.vectors, all, affine ? Math.floor(this.blockVectors / rows) : Infinity);
    if (vectors < 1) throw new Error("This field has layers that are wider than this browser's WebGL 2 can hold.");
    const shader = affine ? affineShader(operation, inputs, vectors) : valueShader(operation, vectors);
    const program = this.#program(shader);
    const passes = [];
    for (let first = 0; first < all; first += vectors) {
      const attached = [...Array(Math.min(vectors, all - first)).keys()];
      const to = this.slots[slotOf.get(operation.to)];
      let weights = null;
      if (affine) {
        weights = gl.createBuffer();
        gl.bindBuffer(gl.UNIFORM_BUFFER, weights);
        const chunk = chunkOf(field.numbers, operation, inputs, first, vectors);
        const data = new Float32Array(4 * rows * vectors);
        data.set(chunk);
        gl.bufferData(gl.UNIFORM_BUFFER, data, gl.STATIC_DRAW);
      }
      passes.push({
        program,
        first,
        weights,
        frame: this.#frame(attached.map((k) => [to, first + k])),
        source: this.slots[slotOf.get(operation.from)],
        times: this.slots[slotOf.get(operation.times)],
      });
    }
    return passes;
  }

  #program(shader) {
    const { gl } = this;
    if (!this.programs.has(shader)) {
      const program = gl.createProgram();
      for (const [kind, text] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, shader]]) {
        const part = gl.createShader(kind);
        gl.shaderSource(part, text);
        gl.compileShader(part);
        gl.attachShader(program, part);
      }
      gl.linkProgram(program);
      this.programs.set(shader, { program, places: null });
    }
    return this.programs.get(shader);
  }

  /** Waits until all programs are compiled, without a block where the browser compiles beside the page. */
  async #compiled() {
    const { gl } = this;
    for (const made of this.programs.values()) {
      if (made.places) continue;
      while (this.parallel && !gl.getProgramParameter(made.program, this.parallel.COMPLETION_STATUS_KHR)) await pause();
      if (!gl.getProgramParameter(made.program, gl.LINK_STATUS)) {
        const told = gl.getAttachedShaders(made.program).map((shader) => gl.getShaderInfoLog(shader));
        throw new Error(`The shaders cannot be compiled here: ${told.join(" ")} ${gl.getProgramInfoLog(made.program)}`);
      }
      made.places = {};
      const count = gl.getProgramParameter(made.program, gl.ACTIVE_UNIFORMS);
      for (let i = 0; i < count; i++) {
        const { name } = gl.getActiveUniform(made.program, i);
        made.places[name] = gl.getUniformLocation(made.program, name);
      }
      gl.useProgram(made.program);
      ["numbers", "source", "times", "sum"].forEach((name, unit) => {
        if (made.places[name]) gl.uniform1i(made.places[name], unit);
      });
      const block = gl.getUniformBlockIndex(made.program, "Weights");
      if (block !== gl.INVALID_INDEX) gl.uniformBlockBinding(made.program, block, 0);
    }
  }

  /**
   * Pixels of a raster, RGBA from the top left on, or values as floats.
   * x0, y0 are its outer edges in coordinates, step its pixel's side; across x down points are averaged in each pixel.
   */
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

  /** Rows of a raster, into the target; waits for the GPU where that is more than it should have at a time. */
  async #strip(request, top, rows, signal) {
    const { width, across, down } = request;
    const parts = across * down;
    const together = Math.max(1, Math.floor(this.pace.points / (width * rows)));
    for (let done = 0; done < parts; done += together) {
      const until = Math.min(parts, done + together);
      const started = performance.now();
      for (let part = done; part < until; part++) this.#part(request, top, rows, part);
      if (until === parts) this.#pack(request, top, rows, parts);
      if (until === parts && top + rows === request.height && top === 0 && done === 0) return; // `evaluate` waits
      await this.#finished();
      this.pace.learn(width * rows * (until - done), performance.now() - started);
      signal?.throwIfAborted();
    }
  }

  /** One point of each pixel of a strip, added to the sum. */
  #part(request, top, rows, part) {
    const { gl } = this;
    const { width, across, down, step } = request;
    const x = request.x0 + (((part % across) + 0.5) / across - 0.5) * step;
    const y = request.y0 + (top + (Math.floor(part / across) + 0.5) / down - 0.5) * step;
    this.#viewport(0, width, rows);
    this.#bind(0, gl.TEXTURE_2D, this.numbers);
    for (const pass of this.passes) {
      this.#use(pass, [x, y], step);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    const adding = this.programs.get(ADD);
    this.#use({ program: adding, frame: this.sumFrames[part % 2], first: part, source: this.values }, [x, y], step);
    this.#bind(3, gl.TEXTURE_2D, this.sums[(part + 1) % 2]);
    gl.uniform1f(adding.places.weight, 1 / (across * down));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #use({ program, frame, first, source, times, weights }, [x, y], step) {
    const { gl, field } = this;
    const { places } = program;
    gl.useProgram(program.program);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    if (source) this.#bind(1, gl.TEXTURE_2D_ARRAY, source);
    if (times) this.#bind(2, gl.TEXTURE_2D_ARRAY, times);
    if (weights) gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, weights);
    const [[highX, lowX], [highY, lowY]] = [split(x), split(y)];
    const [height, width] = field.picture;
    const longer = Math.max(height, width);
    if (places.origin) gl.uniform4f(places.origin, highX, highY, lowX, lowY);
    if (places.pitch) gl.uniform1f(places.pitch, step);
    if (places.edge) gl.uniform2f(places.edge, width / longer, height / longer);
    if (places.first) gl.uniform1i(places.first, first);
  }

  #pack({ width, floats }, top, rows, parts) {
    const { gl } = this;
    const packing = this.programs.get(packShader(this.field.channels, Boolean(floats)));
    gl.useProgram(packing.program);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target.get(Boolean(floats)));
    this.#bind(3, gl.TEXTURE_2D, this.sums[(parts + 1) % 2]);
    gl.uniform1i(packing.places.row, top);
    this.#viewport(top, width, rows);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #viewport(top, width, rows) {
    const { gl } = this;
    gl.viewport(0, top, width, rows);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, top, width, rows);
  }

  #bind(unit, kind, texture) {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(kind, texture);
  }

  async #finished() {
    const { gl } = this;
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    for (;;) {
      const state = gl.clientWaitSync(fence, 0, 0);
      if (gl.isContextLost() || state === gl.WAIT_FAILED) throw new Error("The GPU was lost: load the page again.");
      if (state !== gl.TIMEOUT_EXPIRED) break;
      await pause();
    }
    gl.deleteSync(fence);
  }

  #startReading({ width, height, floats }) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, (floats ? 16 : 4) * width * height, gl.STREAM_READ);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target.get(Boolean(floats)));
    gl.readPixels(0, 0, width, height, gl.RGBA, floats ? gl.FLOAT : gl.UNSIGNED_BYTE, 0);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    return { buffer, started: performance.now() };
  }

  async #read({ buffer, started }, { width, height, floats, across, down }) {
    const { gl } = this;
    await this.#finished();
    const points = width * height * across * down;
    if (points <= this.pace.points) this.pace.learn(points, performance.now() - started);
    const pixels = new (floats ? Float32Array : Uint8ClampedArray)(4 * width * height);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, pixels);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.deleteBuffer(buffer);
    return pixels;
  }
}
