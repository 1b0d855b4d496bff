// The cubic spline through a field's values at its picture's pixel centres, for fields that are noise between them: a
// tile evaluates the pixels around it, and no others.

const MARGIN = 12; // pixels around a tile, by which the spline does not know where the tile ends
const POLE = Math.sqrt(3) - 2;
const LEAST_SIDE = 4;

/** Whether there is a spline: Field.render has a lower one for pictures of less than four pixels. */
export const canSpline = ([rows, columns]) => Math.min(rows, columns) >= LEAST_SIDE;

/** An evaluator that knows the way "spline", by another one. */
export class WithSpline {
  constructor(evaluator, field) {
    Object.assign(this, { evaluator, field, name: evaluator.name, device: evaluator.device });
  }

  /** See WebGLEvaluator. */
  async evaluate(request, signal) {
    if (request.way !== "spline") return this.evaluator.evaluate(request, signal);
    const [rows, columns] = this.field.picture;
    const longer = Math.max(rows, columns);
    const step = (request.step * longer) / 2; // in pixels of the picture, whose centres are whole
    const across = axisOf((request.x0 * longer + columns - 1) / 2, step, request.width, columns);
    const down = axisOf((request.y0 * longer + rows - 1) / 2, step, request.height, rows);
    const pixels = await this.evaluator.evaluate(
      {
        x0: (2 * across.first - columns) / longer,
        y0: (2 * down.first - rows) / longer,
        step: 2 / longer,
        width: across.inside,
        height: down.inside,
        across: 1,
        down: 1,
        floats: true,
      },
      signal,
    );
    const values = interpolated(pixels, across, down, this.field.channels);
    return request.floats ? values : packed(values, this.field.channels);
  }
}

/** Along an axis: which pixels are evaluated, how they are repeated at the picture's border, taps and weights. */
function axisOf(start, step, count, side) {
  const places = Array.from({ length: count }, (_, i) => start + (i + 0.5) * step);
  const lower = places.map((place) => Math.floor(place) - 1);
  const begin = lower[0] - MARGIN;
  const size = lower[count - 1] + 4 + MARGIN - begin;
  const clamped = (pixel) => Math.min(side - 1, Math.max(0, pixel));
  const [first, last] = [clamped(begin), clamped(begin + size - 1)];
  return {
    first,
    inside: last - first + 1,
    count,
    size,
    sources: Array.from({ length: size }, (_, i) => clamped(begin + i) - first),
    taps: lower.map((pixel) => pixel - begin),
    weights: places.map((place) => weightsAt(place - Math.floor(place))),
  };
}

function weightsAt(t) {
  const s = 1 - t;
  return [s ** 3, 3 * t ** 3 - 6 * t * t + 4, 3 * s ** 3 - 6 * s * s + 4, t ** 3].map((weight) => weight / 6);
}

/** RGBA floats: lines are filtered and interpolated across, then down. */
function interpolated(pixels, across, down, channels) {
  const result = new Float32Array(4 * across.count * down.count);
  const line = new Float64Array(Math.max(across.size, down.size));
  const between = new Float64Array(down.inside * across.count);
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < down.inside; row++) {
      for (let i = 0; i < across.size; i++) line[i] = pixels[4 * (row * across.inside + across.sources[i]) + c];
      interpolate(line, across, between, row * across.count, 1);
    }
    for (let column = 0; column < across.count; column++) {
      for (let i = 0; i < down.size; i++) line[i] = between[down.sources[i] * across.count + column];
      interpolate(line, down, result, 4 * column + c, 4 * across.count);
    }
  }
  return result;
}

function interpolate(line, { size, taps, weights, count }, out, start, stride) {
  filter(line, size);
  for (let i = 0; i < count; i++) {
    const [tap, [a, b, c, d]] = [taps[i], weights[i]];
    out[start + i * stride] = a * line[tap] + b * line[tap + 1] + c * line[tap + 2] + d * line[tap + 3];
  }
}

/** Values become the coefficients of the cubic B-splines through them, as if the first and last went on for ever. */
function filter(line, size) {
  const last = (6 * line[size - 1]) / (1 - POLE);
  line[0] *= 6 / (1 - POLE);
  for (let i = 1; i < size; i++) line[i] = 6 * line[i] + POLE * line[i - 1];
  line[size - 1] = -POLE * (last / (1 - POLE) + (line[size - 1] - last) / (1 - POLE * POLE));
  for (let i = size - 2; i >= 0; i--) line[i] = POLE * (line[i + 1] - line[i]);
}

function packed(values, channels) {
  const pixels = new Uint8ClampedArray(values.length); // clamps and rounds
  for (let i = 0; i < values.length; i += 4) {
    for (let c = 0; c < 3; c++) pixels[i + c] = 255 * values[channels < 3 ? i : i + c];
    pixels[i + 3] = channels % 2 === 1 ? 255 : 255 * values[i + channels - 1];
  }
  return pixels;
}
