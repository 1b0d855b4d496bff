// A picture on a canvas that can be moved and zoomed for ever, drawn from tiles that are evaluated when they are seen.
// Tiles of level L have pixels of 2^-L of the picture's. Where nothing is known yet, drafts with a sixteenth of the
// points come first.

import { TILE } from "./field.js";

const AT_A_TIME = 2; // one is computed while another is read
const MOST_TILES = 384;
const DRAFT = 4; // a draft's pixel, in pixels of its tile
const FINEST = 2 ** -20; // of the longer side: smaller pixels mean nothing in float32
const MOST_POINTS = 64; // along a side of a pixel, as in Field.render
const LARGEST = 1.32; // a tile's pixel may be shown so large before the next level is taken
const STEP = Math.SQRT2;

export class View {
  constructor(canvas, field, evaluator) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.field = field;
    this.evaluator = evaluator;
    this.changed = () => {}; // hears of every change of the view, of work and of an error
    this.started = false;
    [this.rows, this.columns] = field.picture;
    const longer = Math.max(this.rows, this.columns);
    this.finestLevel = Math.floor(Math.log2(1 / (longer * FINEST)));
    this.coarsestLevel = Math.min(0, -Math.ceil(Math.log2(longer / TILE)));
    this.between = "field";
    this.tiles = new Map();
    this.running = new Map();
    this.evaluated = []; // keys, for those who ask what was drawn
    this.idlers = [];
    this.place = { x: this.columns / 2, y: this.rows / 2, scale: 1 }; // the centre, and canvas pixels per pixel
    this.fitted = true;
    this.resize();
    this.#listen();
  }

  /** Begins to evaluate and draw what is seen. */
  start() {
    this.started = true;
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.#moved();
  }

  // ---- where the view is

  resize() {
    const { canvas } = this;
    this.density = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * this.density));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * this.density));
    if (this.fitted) this.fit();
    else this.#moved();
  }

  get fittingScale() {
    return Math.min(this.canvas.width / this.columns, this.canvas.height / this.rows);
  }

  fit() {
    this.go({ x: this.columns / 2, y: this.rows / 2, scale: this.fittingScale });
    this.fitted = true;
  }

  /** Shows the place with its centre at pixel (x, y) of the picture, `scale` canvas pixels for each. */
  go({ x, y, scale }) {
    const clamped = (number, least, most) => Math.min(Math.max(number, least), most);
    this.fitted = false;
    this.place = {
      x: clamped(x, 0, this.columns),
      y: clamped(y, 0, this.rows),
      scale: clamped(scale, Math.min(1, this.fittingScale) / 4, 2 ** this.finestLevel),
    };
    this.#moved();
  }

  zoom(factor, at = [this.canvas.width / 2, this.canvas.height / 2]) {
    const before = this.pixelAt(at);
    const scale = Math.min(this.place.scale * factor, 2 ** this.finestLevel);
    this.go({
      x: before[0] - (at[0] - this.canvas.width / 2) / scale,
      y: before[1] - (at[1] - this.canvas.height / 2) / scale,
      scale,
    });
  }

  pan(right, down) {
    const { x, y, scale } = this.place;
    this.go({ x: x + right / scale, y: y + down / scale, scale });
  }

  /** The place in the picture, in its pixels, of a place on the canvas. */
  pixelAt([left, top]) {
    const { x, y, scale } = this.place;
    return [x + (left - this.canvas.width / 2) / scale, y + (top - this.canvas.height / 2) / scale];
  }

  /** Coordinates of the field of a place in the picture. */
  coordsAt([x, y]) {
    const longer = Math.max(this.rows, this.columns);
    return [(2 * x - this.columns) / longer, (2 * y - this.rows) / longer];
  }

  isInside([x, y]) {
    return x >= 0 && y >= 0 && x <= this.columns && y <= this.rows;
  }

  get level() {
    const level = Math.ceil(Math.log2(this.place.scale / LARGEST));
    return Math.min(Math.max(level, this.coarsestLevel), this.finestLevel);
  }

  setBetween(way) {
    this.between = way;
    this.#moved();
  }

  wayOf(level) {
    return level > 0 ? this.between : "field";
  }

  /** Resolves once everything that is seen has been drawn. */
  idle() {
    if (!this.busy) return Promise.resolve();
    return new Promise((resolve) => this.idlers.push(resolve));
  }

  get busy() {
    return this.running.size > 0 || this.#wanted().length > 0;
  }

  // ---- tiles

  #moved() {
    this.#pump();
    this.redraw();
  }

  #tilesInView(level) {
    const side = TILE / 2 ** level;
    const [left, top] = this.pixelAt([0, 0]);
    const [right, bottom] = this.pixelAt([this.canvas.width, this.canvas.height]);
    const found = [];
    const last = [Math.ceil(this.columns / side) - 1, Math.ceil(this.rows / side) - 1];
    for (let row = Math.max(0, Math.floor(top / side)); row <= Math.min(last[1], Math.floor(bottom / side)); row++) {
      for (let c = Math.max(0, Math.floor(left / side)); c <= Math.min(last[0], Math.floor(right / side)); c++) {
        const away = Math.hypot((c + 0.5) * side - this.place.x, (row + 0.5) * side - this.place.y);
        found.push({ level, row, column: c, away, key: `${this.wayOf(level)}/${level}/${row}/${c}` });
      }
    }
    return found.sort((a, b) => a.away - b.away);
  }

  /** What is still to be evaluated, first what is wanted most. */
  #wanted() {
    if (this.failed || !this.started) return [];
    const missing = this.#tilesInView(this.level).filter(({ key }) => !this.tiles.has(key));
    const drafts = missing.filter((tile) => !this.#isCovered(tile)).map((tile) => this.#draftOf(tile));
    const jobs = [];
    if (drafts.length > 0 && this.tiles.size === 0) {
      jobs.push(this.#draftOf({ level: this.coarsestLevel, row: 0, column: 0, key: `field/${this.coarsestLevel}/0/0` }));
    }
    return [...jobs, ...drafts, ...missing];
  }

  #draftOf(tile) {
    return { ...tile, draft: true, key: `${tile.key}/draft` };
  }

  /** Whether a draft of the tile, or a tile with at least its pixels, is there already. */
  #isCovered({ level, row, column, key }) {
    if (this.tiles.has(`${key}/draft`)) return true;
    for (let up = 1; up <= Math.log2(DRAFT); up++) {
      const [r, c] = [row >> up, column >> up];
      if (this.tiles.has(`${this.wayOf(level - up)}/${level - up}/${r}/${c}`)) return true;
    }
    return false;
  }

  #pump() {
    const wanted = this.#wanted();
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, abort] of this.running) if (!keys.has(key)) abort.abort();
    for (const job of wanted) {
      if (this.running.size >= AT_A_TIME) break;
      if (!this.running.has(job.key)) this.#evaluate(job);
    }
    if (!this.busy) for (const resolve of this.idlers.splice(0)) resolve();
    this.changed();
  }

  async #evaluate(job) {
    const abort = new AbortController();
    this.running.set(job.key, abort);
    try {
      const request = this.requestOf(job);
      const pixels = await this.evaluator.evaluate(request, abort.signal);
      const data = new ImageData(pixels, request.width, request.height);
      const image = await createImageBitmap(data);
      const coarse = job.draft ? DRAFT : 1;
      this.tiles.set(job.key, { ...job, image, pixel: coarse / 2 ** job.level, way: this.wayOf(job.level) });
      this.evaluated.push(job.key);
      if (!job.draft) this.#forget(`${job.key}/draft`);
      this.#forgetOldest();
    } catch (error) {
      if (!abort.signal.aborted) this.failed = error;
    }
    this.running.delete(job.key);
    this.redraw();
    this.#pump();
  }

  /** What the evaluator is asked for a tile. */
  requestOf({ level, row, column, draft }) {
    const longer = Math.max(this.rows, this.columns);
    const pixel = (draft ? DRAFT : 1) / 2 ** level;
    const side = TILE / 2 ** level;
    const points = draft ? 1 : Math.min(MOST_POINTS, Math.max(1, Math.ceil(pixel - 0.01)));
    const [x0, y0] = this.coordsAt([column * side, row * side]);
    return {
      x0,
      y0,
      step: (2 * pixel) / longer,
      width: Math.ceil(Math.min(side, this.columns - column * side) / pixel),
      height: Math.ceil(Math.min(side, this.rows - row * side) / pixel),
      across: points,
      down: points,
      way: this.wayOf(level),
    };
  }

  #forget(key) {
    this.tiles.get(key)?.image.close();
    this.tiles.delete(key);
  }

  #forgetOldest() {
    const seen = new Set(this.#tilesInView(this.level).map(({ key }) => key));
    for (const key of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) break;
      if (!seen.has(key) && this.tiles.get(key).level !== this.coarsestLevel) this.#forget(key);
    }
  }

  // ---- drawing

  redraw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const { context, canvas, level } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    const wanted = this.#tilesInView(level);
    const whole = wanted.every(({ key }) => this.tiles.has(key));
    const drawn = whole ? wanted.map(({ key }) => this.tiles.get(key)) : this.#inOrder();
    for (const tile of drawn) this.#drawTile(tile);
    if (drawn.length > 0 && !this.firstPicture) {
      this.firstPicture = performance.now();
      performance.mark("first-picture");
    }
  }

  /** All tiles of the way that is shown, the best last: coarse ones, finer ones than wanted, those of the level. */
  #inOrder() {
    const rank = (tile) => (tile.level === this.level && !tile.draft ? 1e3 : -Math.log2(tile.pixel));
    const shown = [...this.tiles.values()].filter((tile) => tile.way === this.wayOf(tile.level));
    return shown.sort((a, b) => rank(a) - rank(b));
  }

  #drawTile({ image, level, row, column, pixel }) {
    const { context, canvas } = this;
    const { x, y, scale } = this.place;
    const side = TILE / 2 ** level;
    const onCanvas = (at, centre, size) => Math.round((at - centre) * scale + size / 2);
    const [right, bottom] = [Math.min((column + 1) * side, this.columns), Math.min((row + 1) * side, this.rows)];
    const left = onCanvas(column * side, x, canvas.width);
    const top = onCanvas(row * side, y, canvas.height);
    const width = onCanvas(right, x, canvas.width) - left;
    const height = onCanvas(bottom, y, canvas.height) - top;
    if (left > canvas.width || top > canvas.height || left + width < 0 || top + height < 0) return;
    const [across, down] = [(right - column * side) / pixel, (bottom - row * side) / pixel];
    if (this.field.channels % 2 === 0) context.clearRect(left, top, width, height); // with alpha
    context.drawImage(image, 0, 0, across, down, left, top, Math.max(1, width), Math.max(1, height));
  }

  // ---- hands

  #listen() {
    const { canvas } = this;
    const at = (event) => [event.offsetX * this.density, event.offsetY * this.density];
    const fingers = new Map();
    const grip = () => {
      const points = [...fingers.values()];
      const middle = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
      const spread = points.length > 1 ? Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) : 0;
      return { middle, spread };
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      const before = grip();
      fingers.set(event.pointerId, at(event));
      const after = grip();
      if (before.spread > 0 && after.spread > 0) this.zoom(after.spread / before.spread, before.middle);
      this.pan(before.middle[0] - after.middle[0], before.middle[1] - after.middle[1]);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    }
    canvas.addEventListener("dblclick", (event) => this.zoom(2, at(event)));
    const wheel = (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(2 ** ((-event.deltaY * lines) / 200), at(event));
    };
    canvas.addEventListener("wheel", wheel, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const [right, down] = [canvas.width / 8, canvas.height / 8];
      const actions = {
        ArrowLeft: () => this.pan(-right, 0),
        ArrowRight: () => this.pan(right, 0),
        ArrowUp: () => this.pan(0, -down),
        ArrowDown: () => this.pan(0, down),
        "+": () => this.zoom(STEP),
        "=": () => this.zoom(STEP),
        "-": () => this.zoom(1 / STEP),
        0: () => this.fit(),
        Home: () => this.fit(),
      };
      if (!actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    });
  }
}
