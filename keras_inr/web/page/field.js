// Loads a field: field.json says what is computed, field.bin holds the numbers.

export const TILE = 256; // the most points along a side of one request

/** A field from the folder of the page, or from what the page has inside; told(share) hears how far it is. */
export async function loadField(told) {
  const inside = document.getElementById("embedded-field");
  if (inside) {
    const description = JSON.parse(inside.textContent);
    const binary = atob(document.getElementById("embedded-numbers").textContent);
    return finished(description, Uint8Array.from(binary, (letter) => letter.charCodeAt(0)).buffer);
  }
  const description = await (await fetched("field.json")).json();
  return finished(description, await bytesOf(await fetched(description.file), description.bytes, told));
}

async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} cannot be loaded: the server answers ${answer.status}.`);
  return answer;
}

async function bytesOf(answer, size, told) {
  const bytes = new Uint8Array(size);
  const reader = answer.body.getReader();
  let place = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (place + part.value.length > size) break;
    bytes.set(part.value, place);
    place += part.value.length;
    told(place / size);
  }
  if (place !== size) throw new Error("The field's numbers are not whole: load the page again.");
  return bytes.buffer;
}

function finished(description, buffer) {
  const { count, exact, half } = description;
  const view = new DataView(buffer);
  const numbers = new Float32Array(count);
  for (let i = 0; i < exact; i++) numbers[i] = view.getFloat32(4 * i, true);
  for (let i = exact; i < count; i++) {
    numbers[i] = half ? float16(view.getUint16(4 * exact + 2 * (i - exact), true)) : view.getFloat32(4 * i, true);
  }
  return { ...description, numbers };
}

function float16(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const rest = bits & 1023;
  if (exponent === 0) return sign * rest * 2 ** -24;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (1 + rest / 1024) * 2 ** (exponent - 15);
}

/** Where registers lie: a slot is taken over once its register is not read any more. */
export function placed(operations) {
  const lastUse = new Map();
  operations.forEach((operation, index) => {
    for (const register of [operation.from, operation.times]) lastUse.set(register, index);
  });
  const slots = []; // {vectors, until}
  const slotOf = new Map();
  operations.forEach((operation, index) => {
    const vectors = Math.ceil(operation.width / 4);
    let slot = slots.findIndex((taken) => taken.until < index);
    if (slot < 0) slot = slots.push({ vectors: 0, until: 0 }) - 1;
    slots[slot].vectors = Math.max(slots[slot].vectors, vectors);
    slots[slot].until = lastUse.get(operation.to) ?? Infinity;
    slotOf.set(operation.to, slot);
  });
  return { slots, slotOf };
}

/** Multiplications that a point costs, for a first guess of how many points to send at a time. */
export function costOf({ operations, widths }) {
  return operations.reduce((sum, { op, from, width }) => sum + width * (op === "affine" ? widths[from] : 20), 0);
}

/** Weights of an affine map for `vectors` outputs of four from output 4 * first on: inputs, then the bias. */
export function chunkOf(numbers, operation, inputs, first, vectors) {
  const rows = 4 * Math.ceil(inputs / 4);
  const chunk = new Float32Array((rows + 1) * vectors * 4);
  for (let j = 0; j < 4 * vectors && 4 * first + j < operation.width; j++) {
    const output = 4 * first + j;
    for (let i = 0; i < inputs; i++) {
      chunk[i * vectors * 4 + j] = numbers[operation.kernel + i * operation.width + output];
    }
    chunk[rows * vectors * 4 + j] = numbers[operation.bias + output];
  }
  return chunk;
}

/** A float64 as two float32 whose sum it is. */
export function split(number) {
  const high = Math.fround(number);
  return [high, number - high];
}

/** How many points are sent to the GPU at a time: so many that it is busy for about a frame, and not much longer. */
export class Pace {
  constructor(cost) {
    this.points = Math.min(2 ** 18, Math.max(4096, 1e9 / cost));
    this.milliseconds = 24;
  }

  learn(points, milliseconds) {
    const factor = Math.min(2, Math.max(0.5, this.milliseconds / Math.max(milliseconds, 1)));
    if (factor < 1 || points > this.points / 2) this.points = Math.min(2 ** 22, Math.max(2048, this.points * factor));
  }
}

/** Lets one evaluation after another send its work. */
export class Turns {
  #last = Promise.resolve();

  async take() {
    let release;
    const before = this.#last;
    this.#last = new Promise((resolve) => (release = resolve));
    await before;
    return release;
  }
}

export const pause = () => new Promise((resolve) => setTimeout(resolve, 0));
