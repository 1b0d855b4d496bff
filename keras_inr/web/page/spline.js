// The cubic spline through a field's values at its picture's pixel centres, for fields that are noise between them.

import { TILE, pause } from "./field.js";

const BORDER = 12; // as the evaluators have it: pixels that the picture's border is repeated by
const POLE = Math.sqrt(3) - 2;
const LEAST_SIDE = 4;
const MOST_PIXELS = 2 ** 24;

/** Whether a spline can be made here: the picture must be neither tiny nor too large for a texture. */
export function canSpline(evaluator, [rows, columns]) {
  return Math.min(rows, columns) >= LEAST_SIDE && rows * columns <= MOST_PIXELS && evaluator.canSpline(rows, columns);
}

/** Evaluates the picture's pixels and gives the evaluator the spline through them. */
export async function makeSpline(evaluator, [rows, columns]) {
  const longer = Math.max(rows, columns);
  const [across, down] = [columns + 2 * BORDER, rows + 2 * BORDER];
  const planes = new Float32Array(4 * across * down);
  const step = 2 / longer;
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < columns; left += TILE) {
      const [height, width] = [Math.min(TILE, rows - top), Math.min(TILE, columns - left)];
      const [x0, y0] = [(2 * left - columns) / longer, (2 * top - rows) / longer];
      const request = { x0, y0, step, width, height, across: 1, down: 1, floats: true, way: "field" };
      const values = await evaluator.evaluate(request);
      for (let row = 0; row < height; row++) {
        const place = 4 * ((top + row + BORDER) * across + left + BORDER);
        planes.set(values.subarray(4 * row * width, 4 * (row + 1) * width), place);
      }
    }
  }
  repeatBorder(planes, across, down);
  for (let row = 0; row < down; row++) {
    for (let c = 0; c < 4; c++) filtered(planes, 4 * row * across + c, 4, across);
    if (row % 64 === 63) await pause();
  }
  for (let column = 0; column < across; column++) {
    for (let c = 0; c < 4; c++) filtered(planes, 4 * column + c, 4 * across, down);
    if (column % 64 === 63) await pause();
  }
  await evaluator.setSpline(planes, rows, columns);
}

function repeatBorder(planes, across, down) {
  for (let row = 0; row < down; row++) {
    const inner = Math.min(Math.max(row, BORDER), down - 1 - BORDER);
    for (let column = 0; column < across; column++) {
      const from = Math.min(Math.max(column, BORDER), across - 1 - BORDER);
      if (inner === row && from === column) continue;
      const [source, target] = [4 * (inner * across + from), 4 * (row * across + column)];
      planes.copyWithin(target, source, source + 4);
    }
  }
}

/** Values on a line become the coefficients of the cubic B-splines through them (Unser et al. 1993). */
function filtered(line, start, stride, count) {
  const at = (i) => start + i * stride;
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = 6 * line[at(i)];
  values[0] /= 1 - POLE; // as if the first value went on for ever
  for (let i = 1; i < count; i++) values[i] += POLE * values[i - 1];
  const steady = (6 * line[at(count - 1)]) / (1 - POLE); // and the last one
  const beyond = values[count - 1] - steady;
  values[count - 1] = -POLE * (steady / (1 - POLE) + beyond / (1 - POLE * POLE));
  for (let i = count - 2; i >= 0; i--) values[i] = POLE * (values[i + 1] - values[i]);
  for (let i = 0; i < count; i++) line[at(i)] = values[i];
}
