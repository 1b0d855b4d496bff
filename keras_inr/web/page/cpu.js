// Evaluates a field by the processor, in workers beside the page, where a browser offers no GPU.

import { costOf } from "./field.js";
import { kernelOf } from "./kernel.js";

const MOST_WORKERS = 8;
const POINTS = 64; // of a block, through all layers
const AT_A_TIME = 5e8; // multiplications that a worker is sent: it cannot be interrupted

/** What a worker does. Its text is all that it gets, so that everything it needs is in here. */
function work() {
  let N; // points of a block
  let field;
  let registers;
  let product; // of the kernel

  /** sin(z) = (-1)^k sin(r) for z = k pi + r: several times as quick as Math.sin, and within 1e-8. */
  function sine(z) {
    const k = Math.round(z * 0.3183098861837907);
    const r = z - k * Math.PI;
    const s = r * r;
    const series = ((2.605780537123792e-6 * s - 1.9809602235909551e-4) * s + 8.33306647837162e-3) * s - 0.16666659712791443;
    return (r + r * s * series) * (1 - 2 * (k & 1));
  }

  // each with a loop of its own, which the compiler then knows
  const activations = {
    linear: () => {},
    sine: (z) => {
      for (let i = 0; i < z.length; i++) z[i] = sine(z[i]);
    },
    finer: (z, p) => {
      for (let i = 0; i < z.length; i++) z[i] = sine((Math.abs(z[i]) / p + 1) * z[i]);
    },
    leaky_relu: (z, p) => {
      for (let i = 0; i < z.length; i++) z[i] = z[i] > 0 ? z[i] : p * z[i];
    },
    squareplus: (z, p) => {
      for (let i = 0; i < z.length; i++) z[i] = 0.5 * (z[i] + Math.sqrt(z[i] * z[i] + p));
    },
    gauss: (z) => {
      for (let i = 0; i < z.length; i++) z[i] = Math.exp(-z[i] * z[i]);
    },
    tanh: (z) => {
      for (let i = 0; i < z.length; i++) z[i] = Math.tanh(z[i]);
    },
    sigmoid: (z) => {
      for (let i = 0; i < z.length; i++) z[i] = 1 / (1 + Math.exp(-z[i]));
    },
    softplus: (z) => {
      for (let i = 0; i < z.length; i++) z[i] = Math.max(z[i], 0) + Math.log1p(Math.exp(-Math.abs(z[i])));
    },
    silu: (z) => {
      for (let i = 0; i < z.length; i++) z[i] /= 1 + Math.exp(-z[i]);
    },
    exponential: (z) => {
      for (let i = 0; i < z.length; i++) z[i] = Math.exp(z[i]);
    },
  };

  /** Lays registers and weights into the kernel's memory, weights in pairs of outputs. */
  function prepare({ kernel, points, description }) {
    [N, field] = [points, description];
    const { memory, affine } = new WebAssembly.Instance(new WebAssembly.Module(kernel)).exports;
    product = affine;
    const even = (width) => width + (width % 2);
    const affines = field.operations.filter(({ op }) => op === "affine");
    const inputsOf = ({ from }) => field.widths[from];
    const sizes = [
      ...field.widths.map((width) => even(width) * N),
      ...affines.map((operation) => even(operation.width) * (inputsOf(operation) + 1)),
    ];
    memory.grow(Math.ceil((4 * sizes.reduce((sum, size) => sum + size, 0)) / 65536));
    let place = 0;
    const arrays = sizes.map((size) => new Float32Array(memory.buffer, 4 * (place += size) - 4 * size, size));
    registers = arrays.slice(0, field.widths.length);
    affines.forEach((operation, index) => {
      const [inputs, weights] = [inputsOf(operation), arrays[field.widths.length + index]];
      const { width, kernel: first, bias } = operation;
      operation.weights = weights.byteOffset;
      operation.biases = weights.byteOffset + 4 * even(width) * inputs;
      for (let j = 0; j < width; j++) {
        const pair = (j - (j % 2)) * inputs + (j % 2);
        for (let i = 0; i < inputs; i++) weights[pair + 2 * i] = field.numbers[first + i * width + j];
        weights[even(width) * inputs + j] = field.numbers[bias + j];
      }
    });
  }

  function affine({ from, width, weights, biases, activation, parameter, times }, x, out) {
    product(x.byteOffset, weights, biases, out.byteOffset, field.widths[from], Math.ceil(width / 2));
    activations[activation](out, parameter);
    if (times != null) for (let i = 0; i < width * N; i++) out[i] *= registers[times][i];
  }

  const each = (value) => (operation, x, out) => {
    for (let j = 0; j < operation.width; j++) for (let p = 0; p < N; p++) out[j * N + p] = value(operation, x, j, p);
  };

  const operations = {
    affine,
    waves: each(({ rows, width }, x, j, p) => {
      const { numbers } = field;
      const z = x[p] * numbers[rows + j] + x[N + p] * numbers[rows + width + j];
      const kind = numbers[rows + 2 * width + j];
      return kind === 0 ? z : kind === 1 ? Math.sin(z) : Math.cos(z);
    }),
    window: each(({ rows, width }, x, j, p) => {
      const row = (k) => field.numbers[rows + k * width + j];
      const squares = (x[p] - row(4)) ** 2 + (x[N + p] - row(5)) ** 2;
      return Math.sin(x[p] * row(0) + x[N + p] * row(1) + row(2)) * Math.exp(-0.5 * row(3) * squares);
    }),
    gabor: each(({ omega, scale, width }, x, j, p) => {
      return Math.cos(omega * x[j * N + p]) * Math.exp(-((scale * x[(j + width) * N + p]) ** 2));
    }),
    complex_gabor: each(({ omega, scale, real, width }, x, j, p) => {
      const units = width / 2;
      const k = j % units;
      const [a, b] = [x[k * N + p], real ? 0 : x[(k + units) * N + p]];
      const bump = Math.exp(-scale * scale * (a * a + b * b) - omega * b);
      return bump * (j < units ? Math.cos(omega * a) : Math.sin(omega * a));
    }),
    grid(operation, x, out) {
      const { levels, table, features, smooth, side } = operation;
      const unit = (number) => Math.min(1, Math.max(0, Math.fround(number * 0.5 + 0.5)));
      const ease = (t) => (smooth ? t * t * t * (t * (t * 6 - 15) + 10) : t);
      levels.forEach(({ cells, first, entries, kind }, level) => {
        const entry = (a, b) => {
          if (kind === "dense") return a + b * (cells + 1);
          if (kind === "tiled") return (a % side) + (b % side) * side;
          return (Math.imul(a, 1958374283) ^ Math.imul(b, 2654435761)) & (entries - 1);
        };
        for (let p = 0; p < N; p++) {
          const [a, b] = [Math.fround(unit(x[p]) * cells), Math.fround(unit(x[N + p]) * cells)];
          const [c, d] = [Math.min(Math.floor(a), cells - 1), Math.min(Math.floor(b), cells - 1)];
          interpolate(entry, c, d, ease(a - c), ease(b - d), table + first * features, features, out, level * features, p);
        }
      });
    },
    cells(operation, x, out) {
      const { levels, table, pixels, append } = operation;
      const [rows, columns] = pixels;
      const scale = Math.max(rows, columns) / 2;
      const place = (number, side) => {
        const at = Math.fround(Math.fround(number * scale) + (side - 1) / 2);
        return Math.min(side - 1, Math.max(0, at));
      };
      for (let p = 0; p < N; p++) {
        const [a, b] = [place(x[p], columns), place(x[N + p], rows)];
        let to = 0;
        for (const level of levels) {
          const { size, features, entries, kind } = level;
          const start = table + level.first;
          if (kind === "source") {
            const [c, d] = [a, b].map((at) => Math.floor(roundEven(at * 64) / 64 / size));
            const row = Number(sourceHash(BigInt(c), BigInt(d)) % BigInt(entries));
            for (let f = 0; f < features; f++) out[(to + f) * N + p] = field.numbers[start + row * features + f];
          } else {
            const entry = (c, d) => {
              if (kind === "dense") return c + d * level.columns;
              const hashed = Math.imul(c, 1958374283) ^ Math.imul(d, 2654435761);
              return (hashed ^ (hashed >> 14)) & (entries - 1);
            };
            const [u, v] = [Math.fround(a / size), Math.fround(b / size)];
            const [c, d] = [Math.min(Math.floor(u), level.columns - 2), Math.min(Math.floor(v), level.rows - 2)];
            interpolate(entry, c, d, u - c, v - d, start, features, out, to, p);
          }
          to += features;
        }
        if (append === "position") [out[to * N + p], out[(to + 1) * N + p]] = [a, b];
        if (append === "coordinates") {
          out[to * N + p] = (a - (columns - 1) / 2) / scale;
          out[(to + 1) * N + p] = (b - (rows - 1) / 2) / scale;
        }
      }
    },
  };

  function interpolate(entry, c, d, s, t, start, features, out, to, p) {
    const { numbers } = field;
    const r0 = start + entry(c, d) * features, r1 = start + entry(c + 1, d) * features;
    const r2 = start + entry(c, d + 1) * features, r3 = start + entry(c + 1, d + 1) * features;
    const w0 = (1 - s) * (1 - t), w1 = s * (1 - t), w2 = (1 - s) * t, w3 = s * t;
    for (let f = 0; f < features; f++) {
      out[(to + f) * N + p] = w0 * numbers[r0 + f] + w1 * numbers[r1 + f] + w2 * numbers[r2 + f] + w3 * numbers[r3 + f];
    }
  }

  function roundEven(number) {
    const below = Math.floor(number);
    return number - below === 0.5 ? below + (below % 2) : Math.round(number);
  }

  function sourceHash(x, y) {
    let hashed = (x ^ (x >> 16n)) * 0x85ebca6bn;
    hashed = (hashed ^ (hashed >> 13n)) + y * 0xc2b2ae35n;
    return hashed ^ (hashed >> 16n);
  }

  /** Values of a block of points, into the last register. */
  function evaluateBlock() {
    for (const operation of field.operations) {
      operations[operation.op](operation, registers[operation.from], registers[operation.to]);
    }
    return registers.at(-1);
  }

  /** RGBA of rows of a raster, see WebGLEvaluator. */
  function evaluate({ x0, y0, step, width, height, across, down, floats }) {
    const points = across * down;
    const { channels } = field;
    const [rows, columns] = field.picture;
    const longer = Math.max(rows, columns);
    const within = (number, edge) => Math.fround(Math.min(edge, Math.max(-edge, number)));
    const sums = new Float64Array(4 * width * height);
    const total = width * height * points;
    for (let start = 0; start < total; start += N) {
      const count = Math.min(N, total - start);
      for (let p = 0; p < count; p++) {
        const pixel = Math.floor((start + p) / points);
        const part = (start + p) % points;
        const x = x0 + ((pixel % width) + ((part % across) + 0.5) / across) * step;
        const y = y0 + (Math.floor(pixel / width) + (Math.floor(part / across) + 0.5) / down) * step;
        registers[0][p] = within(x, columns / longer);
        registers[0][N + p] = within(y, rows / longer);
      }
      const values = evaluateBlock();
      for (let p = 0; p < count; p++) {
        const to = 4 * Math.floor((start + p) / points);
        for (let c = 0; c < channels; c++) sums[to + c] += values[c * N + p] / points;
      }
    }
    if (floats) return new Float32Array(sums);
    const pixels = new Uint8ClampedArray(sums.length); // clamps, and rounds half to even
    for (let i = 0; i < sums.length; i += 4) {
      for (let c = 0; c < 3; c++) pixels[i + c] = 255 * sums[channels < 3 ? i : i + c];
      pixels[i + 3] = channels % 2 === 1 ? 255 : 255 * sums[i + channels - 1];
    }
    return pixels;
  }

  onmessage = ({ data }) => {
    if (data.kernel) {
      prepare(data);
    } else {
      const pixels = evaluate(data.request);
      postMessage(pixels, [pixels.buffer]);
    }
  };
}

export class CPUEvaluator {
  name = "the processor";

  static async create(field) {
    const kernel = kernelOf(POINTS);
    if (!WebAssembly.validate(kernel)) {
      throw new Error("This browser has no WebGPU, no WebGL 2 and no vectors in WebAssembly: one of 2023 or later has.");
    }
    return new CPUEvaluator(field, kernel);
  }

  constructor(field, kernel) {
    this.field = field;
    this.cost = costOf(field);
    const count = Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 2);
    this.device = `${count} workers`;
    const code = URL.createObjectURL(new Blob([`(${work})();`], { type: "text/javascript" }));
    this.workers = Array.from({ length: count }, () => new Worker(code));
    this.free = [...this.workers];
    this.queue = [];
    for (const worker of this.workers) worker.postMessage({ kernel, points: POINTS, description: field });
  }

  /** See WebGLEvaluator. */
  async evaluate(request, signal) {
    const { width, height, across, down, step, floats } = request;
    const affordable = Math.floor(AT_A_TIME / (this.cost * width * across * down));
    const rows = Math.max(1, Math.min(affordable, Math.ceil(height / this.workers.length)));
    const pixels = new (floats ? Float32Array : Uint8ClampedArray)(4 * width * height);
    const strips = [];
    for (let top = 0; top < height; top += rows) {
      const strip = { ...request, y0: request.y0 + top * step, height: Math.min(rows, height - top) };
      strips.push(this.#sent(strip, signal).then((part) => pixels.set(part, 4 * top * width)));
    }
    await Promise.all(strips);
    return pixels;
  }

  #sent(request, signal) {
    return new Promise((resolve, reject) => {
      this.queue.push({ request, signal, resolve, reject });
      this.#next();
    });
  }

  #next() {
    while (this.free.length > 0 && this.queue.length > 0) {
      const { request, signal, resolve, reject } = this.queue.shift();
      if (signal?.aborted) {
        reject(signal.reason);
        continue;
      }
      const worker = this.free.pop();
      const answered = (settle) => (event) => {
        this.free.push(worker);
        settle(event);
        this.#next();
      };
      worker.onmessage = answered(({ data }) => resolve(data));
      worker.onerror = answered((event) => reject(new Error(event.message)));
      worker.postMessage({ request });
    }
  }
}
