// The product of an affine map in WebAssembly, four points in each vector: 150 instructions that the page assembles.

const [GET, SET, CONST, ADD, MUL, LESS] = [0x20, 0x21, 0x41, 0x6a, 0x6c, 0x49];
const [LOOP, END, BRANCH_IF] = [0x03, 0x0b, 0x0d];
const [LOAD, LOAD_SPLAT, STORE, ADD_4, MUL_4] = [0, 9, 11, 228, 230]; // of vectors, behind 0xfd
const [I32, V128, EMPTY] = [0x7f, 0x7b, 0x40];

const [X, W, B, OUT, INPUTS, PAIRS] = [0, 1, 2, 3, 4, 5]; // parameters
const [P, XP, WP, I] = [6, 7, 8, 9]; // other integers
const [U, V, VECTOR, SUMS] = [10, 11, 12, 13]; // vectors; eight sums

const unsigned = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...unsigned(number >> 7)]);
function signed(number) {
  const rest = number >> 7;
  const low = number & 127;
  return (rest === 0 && low < 64) || (rest === -1 && low >= 64) ? [low] : [low | 128, ...signed(rest)];
}
const get = (local) => [GET, local];
const set = (local) => [SET, local];
const constant = (number) => [CONST, ...signed(number)];
const grown = (local, number) => [...get(local), ...constant(number), ADD, ...set(local)];
const repeated = (...body) => [LOOP, EMPTY, ...body.flat(), END];
const vector = (code, ...rest) => [0xfd, ...unsigned(code), ...rest];
const memory = (code, offset) => vector(code, 2, ...unsigned(offset));
const section = (id, bytes) => [id, ...unsigned(bytes.length), ...bytes];
const name = (text) => [text.length, ...[...text].map((letter) => letter.charCodeAt(0))];

/**
 * A module with `memory` and `affine(x, w, b, out, inputs, pairs)`: places of floats in bytes. Inputs and outputs are
 * (feature, point) with `points` points, weights (pair of outputs, input, 2), biases (pair, 2).
 */
export function kernelOf(points) {
  const row = 4 * points;
  const four = [0, 1, 2, 3];
  const summed = (sum, weight) => [...get(sum), ...get(weight), ...get(VECTOR), ...vector(MUL_4), ...vector(ADD_4), ...set(sum)];
  const input = repeated(
    [...get(WP), ...memory(LOAD_SPLAT, 0), ...set(U), ...get(WP), ...memory(LOAD_SPLAT, 4), ...set(V)],
    ...four.map((k) => [...get(XP), ...memory(LOAD, 16 * k), ...set(VECTOR), ...summed(SUMS + k, U), ...summed(SUMS + 4 + k, V)]),
    [...grown(WP, 8), ...grown(XP, row), ...grown(I, -1), ...get(I), BRANCH_IF, 0],
  );
  const stored = (k, offset) => [...get(OUT), ...get(P), ADD, ...get(SUMS + k), ...memory(STORE, offset)];
  const sixteen = repeated(
    [...get(X), ...get(P), ADD, ...set(XP), ...get(W), ...set(WP), ...get(INPUTS), ...set(I)],
    ...[0, 4].flatMap((at) => four.map((k) => [...get(B), ...memory(LOAD_SPLAT, at), ...set(SUMS + at + k)])),
    input,
    ...four.flatMap((k) => [stored(k, 16 * k), stored(4 + k, row + 16 * k)]),
    [...grown(P, 64), ...get(P), ...constant(row), LESS, BRANCH_IF, 0],
  );
  const pair = repeated(
    [...constant(0), ...set(P)],
    sixteen,
    [...get(INPUTS), ...constant(8), MUL, ...get(W), ADD, ...set(W), ...grown(B, 8), ...grown(OUT, 2 * row)],
    [...grown(PAIRS, -1), ...get(PAIRS), BRANCH_IF, 0],
  );
  const body = [2, 4, I32, 11, V128, ...pair, END];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 6, ...Array(6).fill(I32), 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name("affine"), 0, 0, ...name("memory"), 2, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}
