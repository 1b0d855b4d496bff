// Shows the pictures of a gateway: see gateway/routes.py for what it asks.
"use strict";

const TILE = 254;
const OVERLAP = 1;
const COARSEST = 8; // the level whose longer side has 256 pixels: one tile
const POLL_MS = 2000;
const MOST_RETRIES = 3;
const LAYERS = {
  value: "field",
  field: "field, no spline",
  gradient: "gradient",
  laplacian: "Laplacian",
  original: "original",
  bicubic: "original, bicubic",
};
const KEYS = { v: "value", g: "gradient", l: "laplacian" };

const element = (id) => document.getElementById(id);
const state = { picture: null, follows: true, left: "value", right: "", split: 0.5, away: false };
let token = sessionStorage.getItem("token") || "";
let viewer = null;
let opening = 0;

class ServerError extends Error {}

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function reply(url) {
  for (;;) {
    const answer = await fetch(url, { headers: headers() });
    if (answer.ok) return answer;
    if (answer.status === 401) {
      await askForToken();
      continue;
    }
    const document_ = await answer.json().catch(() => ({}));
    throw new ServerError(document_.error || `the server answers ${answer.status}`);
  }
}

const ask = async (url) => (await reply(url)).json();

let asking = null;
function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = element("token-asked");
    dialog.addEventListener(
      "close",
      () => {
        token = element("token").value;
        sessionStorage.setItem("token", token);
        asking = null;
        resolve();
      },
      { once: true },
    );
    dialog.showModal();
  });
  return asking;
}

let messageTimer = 0;
function tell(text, isError = false, seconds = 4) {
  const box = element("message");
  clearTimeout(messageTimer);
  box.textContent = text;
  box.className = isError ? "error" : "";
  box.hidden = !text;
  if (text && seconds) messageTimer = setTimeout(() => (box.hidden = true), seconds * 1000);
}

const clamped = (number, least, most) => Math.min(Math.max(number, least), most);
const identifier = () => `${encodeURIComponent(state.picture.name)}@${state.picture.version}`;
const enlargement = (picture) =>
  2 ** Math.max(0, Math.floor(Math.log2(picture.most_pixels_across / Math.max(picture.width, picture.height))));

// What OpenSeadragon needs to know of a layer: a pyramid that goes on below the picture's pixels.
function tileSource(layer) {
  const by = enlargement(state.picture);
  const [width, height] = [state.picture.width * by, state.picture.height * by];
  const id = identifier();
  return {
    width,
    height,
    tileSize: TILE,
    tileOverlap: OVERLAP,
    minLevel: Math.min(COARSEST, Math.ceil(Math.log2(Math.max(width, height)))),
    maxLevel: Math.ceil(Math.log2(Math.max(width, height))),
    getTileUrl: (level, x, y) => `dzi/${id}_files/${level}/${x}_${y}.png?layer=${layer}`,
  };
}

function makeViewer() {
  viewer = OpenSeadragon({
    element: element("view"),
    drawer: "canvas",
    showNavigationControl: false,
    loadTilesWithAjax: true,
    ajaxHeaders: headers(),
    tileRetryMax: MOST_RETRIES,
    tileRetryDelay: 1500,
    imageLoaderLimit: 6,
    maxZoomPixelRatio: 8,
    minZoomImageRatio: 0.5,
    visibilityRatio: 0.3,
    animationTime: 0.4,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    tabIndex: 0,
  });
  for (const event of ["animation", "open", "resize", "update-viewport"]) viewer.addHandler(event, placeDivider);
  for (const event of ["animation-finish", "open"]) viewer.addHandler(event, rememberView);
  viewer.addHandler("tile-load-failed", tileFailed);
  viewer.addHandler("animation", tellZoom);
  viewer.world.addHandler("add-item", ({ item }) => item.addHandler("fully-loaded-change", tellProgress));
  new OpenSeadragon.MouseTracker({ element: element("view"), moveHandler: pointerMoved, leaveHandler: pointerLeft });
}

function tellProgress() {
  const count = viewer.world.getItemCount();
  let loading = false;
  for (let i = 0; i < count; i++) loading ||= !viewer.world.getItemAt(i).getFullyLoaded();
  element("progress").hidden = !loading;
  document.body.dataset.loading = loading ? "yes" : "no";
}

let explaining = false;
async function tileFailed(event) {
  if (explaining || state.away) return;
  explaining = true;
  try {
    await reply(event.tile.getUrl());
  } catch (error) {
    if (error instanceof ServerError) tell(`A part of the picture could not be drawn: ${error.message}`, true, 8);
    else lost();
  } finally {
    explaining = false;
  }
}

// Opens the layers that are chosen, at the view that was there or the one that is given.
async function open(view = null) {
  const mine = ++opening;
  const kept = view || (viewer.world.getItemCount() ? currentView() : null);
  const layers = [state.left, ...(state.right ? [state.right] : [])];
  element("progress").hidden = false;
  document.body.dataset.loading = "yes";
  viewer.ajaxHeaders = headers();
  viewer.world.removeAll();
  for (const layer of layers) {
    await new Promise((resolve) =>
      viewer.addTiledImage({ tileSource: tileSource(layer), ajaxHeaders: headers(), success: resolve, error: resolve }),
    );
    if (mine !== opening) return;
  }
  tellZoom();
  fitToPage();
  if (kept) showView(kept);
  else viewer.viewport.goHome(true);
  element("divider").hidden = !state.right;
  placeDivider();
  tellZoom();
  rememberView();
  if (pointer) pointerMoved({ position: pointer });
  document.body.dataset.shown = `${state.picture.name}@${state.picture.version} ${layers.join(" ")}`;
}

// The bars above and below may have grown by what stands in them.
function fitToPage() {
  const { clientWidth, clientHeight } = element("view");
  viewer.viewport.resize(new OpenSeadragon.Point(clientWidth, clientHeight), false);
}

// The view as centre and width in the picture's pixels, whatever the pyramid is.
function currentView() {
  const bounds = viewer.viewport.getBounds(true);
  const scale = state.opened.width;
  return { x: (bounds.x + bounds.width / 2) * scale, y: (bounds.y + bounds.height / 2) * scale, w: bounds.width * scale };
}

// An address may hold any numbers: the view stays within what the wheel and the pointer reach.
function showView({ x, y, w }) {
  const { viewport } = viewer;
  const scale = state.picture.width;
  const width = clamped(w / scale, 1 / viewport.getMaxZoom(), 1 / viewport.getMinZoom());
  const height = width / viewport.getAspectRatio();
  const left = clamped(x / scale, -width, 1 + width) - width / 2;
  const top = clamped(y / scale, -height, state.picture.height / scale + height) - height / 2;
  viewport.fitBoundsWithConstraints(new OpenSeadragon.Rect(left, top, width, height), true);
}

const screenWidth = () => element("view").clientWidth;

function placeDivider() {
  const divider = element("divider");
  if (divider.hidden || viewer.world.getItemCount() < 2) return;
  const x = state.split * screenWidth();
  divider.style.left = `${x}px`;
  divider.setAttribute("aria-valuenow", Math.round(state.split * 100));
  const [left, right] = [viewer.world.getItemAt(0), viewer.world.getItemAt(1)];
  const size = left.getContentSize();
  const at = left.viewportToImageCoordinates(viewer.viewport.pointFromPixel(new OpenSeadragon.Point(x, 0), true)).x;
  const cut = clamped(at, 0, size.x);
  left.setClip(new OpenSeadragon.Rect(0, 0, cut, size.y));
  right.setClip(new OpenSeadragon.Rect(cut, 0, size.x - cut, size.y));
}

function moveDivider(split) {
  state.split = clamped(split, 0, 1);
  placeDivider();
  viewer.forceRedraw();
}

function watchDivider() {
  const divider = element("divider");
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus();
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = element("view").getBoundingClientRect();
    moveDivider((event.clientX - box.left) / box.width);
  });
  divider.addEventListener("pointerup", rememberView);
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!step) return;
    moveDivider(state.split + step);
    event.preventDefault();
    event.stopPropagation();
  });
}

// The address of the page says what is shown.
function rememberView() {
  if (!state.picture || !viewer.world.getItemCount()) return;
  const view = currentView();
  const parts = new URLSearchParams({ picture: state.picture.name, show: state.left });
  if (!state.follows) parts.set("version", state.picture.version);
  if (state.right) {
    parts.set("beside", state.right);
    parts.set("divider", state.split.toFixed(3));
  }
  for (const [name, value] of Object.entries(view)) parts.set(name, Number(value.toPrecision(9)));
  history.replaceState(null, "", `#${parts}`);
}

function remembered() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const numbers = ["x", "y", "w"].map((name) => Number(parts.get(name) ?? NaN));
  const view = numbers.every(Number.isFinite) && numbers[2] > 0 ? { x: numbers[0], y: numbers[1], w: numbers[2] } : null;
  return {
    picture: parts.get("picture"),
    version: parts.get("version"),
    left: parts.get("show") || "value",
    right: parts.get("beside") || "",
    split: parts.has("divider") ? clamped(Number(parts.get("divider")) || 0, 0, 1) : 0.5,
    view,
  };
}

const size = (bytes) => (bytes < 1000 ? `${bytes} bytes` : `${Math.round(bytes / 1000).toLocaleString("en")} kB`);

function tellZoom() {
  const item = viewer.world.getItemAt(0);
  if (!item) return;
  const zoom = item.viewportToImageZoom(viewer.viewport.getZoom(true)) * enlargement(state.picture);
  const text = zoom >= 100 ? Math.round(zoom).toLocaleString("en") : zoom.toPrecision(3);
  const facts = [`${text} ×`, `${state.picture.width} × ${state.picture.height}`];
  if (typeof state.picture.psnr_db === "number") facts.push(`${state.picture.psnr_db.toFixed(2)} dB`);
  facts.push(`${(state.picture.num_parameters || 0).toLocaleString("en")} weights`);
  if (state.picture.bytes) facts.push(size(state.picture.bytes));
  if (state.picture.image_bytes) facts.push(`PNG ${size(state.picture.image_bytes)}`);
  element("facts").textContent = facts.join(" · ");
  document.body.dataset.zoom = zoom;
}

let pointer = null;
let wanted = null;
let reading = false;
function pointerMoved({ position }) {
  pointer = position;
  const item = viewer.world.getItemAt(0);
  if (!item) return;
  const place = item.viewerElementToImageCoordinates(position);
  const by = enlargement(state.picture);
  const [x, y] = [place.x / by, place.y / by];
  const inside = x >= 0 && y >= 0 && x <= state.picture.width && y <= state.picture.height;
  wanted = inside ? { x, y } : null;
  if (!inside) element("readout").textContent = "outside of the picture";
  else if (!reading) readValue();
}

function pointerLeft() {
  pointer = wanted = null;
}

const UNREAD = element("readout").textContent;
function forgetValue() {
  wanted = null;
  element("readout").textContent = UNREAD;
}

const list = (values, digits) => values.map((value) => value.toFixed(digits)).join(", ");

// One question at a time; the last place that the pointer came to is asked for.
async function readValue() {
  reading = true;
  while (wanted) {
    const { x, y } = wanted;
    const id = identifier();
    wanted = null;
    try {
      const told = await ask(`pictures/${id}/at?x=${x}&y=${y}`);
      if (id !== identifier()) continue; // another picture is shown by now
      const parts = [`pixel (${x.toFixed(2)}, ${y.toFixed(2)})`];
      if (told.coordinates) parts.push(`at (${list(told.coordinates, 5)})`);
      if (told.values) parts.push(`value ${list(told.values, 4)}`);
      if (told.jacobian && [state.left, state.right].includes("gradient"))
        parts.push(`gradient ${told.jacobian.map((row) => `(${list(row, 2)})`).join(" ")}`);
      if (told.laplacian && [state.left, state.right].includes("laplacian"))
        parts.push(`Laplacian ${list(told.laplacian, 1)}`);
      element("readout").textContent = parts.join("   ");
    } catch (error) {
      element("readout").textContent = error instanceof ServerError ? error.message : "no answer";
    }
  }
  reading = false;
}

function fill(select, entries, chosen) {
  select.replaceChildren(
    ...entries.map(([value, text, disabled]) => {
      const option = new Option(text, value, false, value === chosen);
      option.disabled = Boolean(disabled);
      return option;
    }),
  );
}

function fillControls(names) {
  const { picture } = state;
  if (names) fill(element("picture"), names, picture.name);
  const labels = Object.entries(picture.labels || {});
  const told = (number) => labels.filter(([, version]) => version === number).map(([label]) => label);
  const versions = picture.versions.map((number) => [String(number), [number, ...told(number)].join(" ")]);
  fill(element("version"), [["latest", "latest"], ...versions], state.follows ? "latest" : String(picture.version));
  const layers = picture.layers.map((layer) => [layer, LAYERS[layer] || layer]);
  fill(element("left"), layers, state.left);
  fill(element("right"), [["", "nothing"], ...layers], state.right);
}

function checkLayers() {
  if (!state.picture.layers.includes(state.left)) state.left = state.picture.layers[0];
  if (state.right && !state.picture.layers.includes(state.right)) state.right = "";
}

// Takes a picture, and shows it whole unless a view is given.
async function take(name, version = null, view = null, names = null) {
  const id = version ? `${encodeURIComponent(name)}@${encodeURIComponent(version)}` : encodeURIComponent(name);
  const picture = await ask(`pictures/${id}`);
  state.picture = picture;
  state.opened = picture;
  forgetValue();
  state.follows = !version;
  checkLayers();
  fillControls(names);
  document.title = `${picture.name} - keras_inr`;
  await open(view);
}

async function listed() {
  const { pictures } = await ask("pictures");
  return pictures;
}

const options = (pictures) =>
  pictures.map((each) => [each.name, each.error ? `${each.name}: ${each.error}` : each.name, each.error]);

function lost() {
  state.away = true;
  tell("The server does not answer. Trying again …", true, 0);
}

function found() {
  state.away = false;
  tell("The server is back");
  for (let i = 0; i < viewer.world.getItemCount(); i++) viewer.world.getItemAt(i).reset();
  viewer.forceRedraw();
}

// Whether the latest version is to be shown: it is another picture, or what is shown has been retired.
function replaces(latest, shown) {
  if (latest.version === shown.version) return false;
  return !latest.versions.includes(shown.version) || (state.follows && latest.fingerprint !== shown.fingerprint);
}

// Looks for new versions, and for a server that went away.
async function poll() {
  try {
    const pictures = await listed();
    if (state.away) found();
    if (!state.picture) return await begin(pictures);
    const latest = pictures.find((each) => each.name === state.picture.name);
    if (latest && !latest.error && replaces(latest, state.picture)) {
      await take(latest.name, null, currentView(), options(pictures));
      tell(`Version ${latest.version} is here`);
    } else if (latest && !latest.error) {
      state.picture.versions = latest.versions;
      state.picture.labels = latest.labels;
      if (!document.activeElement || document.activeElement.tagName !== "SELECT") fillControls(options(pictures));
    }
  } catch (error) {
    if (error instanceof ServerError) tell(error.message, true);
    else if (!state.away) lost();
  }
}

async function begin(pictures) {
  const shown = pictures.filter((each) => !each.error);
  if (!shown.length) {
    const reasons = pictures.map((each) => `${each.name}: ${each.error}`).join("; ");
    return tell(reasons ? `Nothing can be shown yet. ${reasons}` : "No picture is served yet", true, 0);
  }
  const { view, picture, version, ...rest } = remembered();
  Object.assign(state, rest);
  const name = shown.some((each) => each.name === picture) ? picture : shown[0].name;
  await take(name, name === picture ? version : null, name === picture ? view : null, options(pictures)).catch(
    async (error) => {
      if (!(error instanceof ServerError) || !version) throw error;
      tell(`${error.message}; the latest version is shown`, true);
      await take(name, null, view, options(pictures));
    },
  );
  if (!messageTimer) tell("");
}

// The part of the picture that is in view, in its pixels, and how many pixels of the screen it has.
function visiblePart() {
  const bounds = viewer.viewport.getBounds(true);
  const { width, height } = state.picture;
  const box = [
    Math.max(0, bounds.x * width),
    Math.max(0, bounds.y * width),
    Math.min(width, (bounds.x + bounds.width) * width),
    Math.min(height, (bounds.y + bounds.height) * width),
  ];
  const scale = screenWidth() / (bounds.width * width);
  return { box, across: (box[2] - box[0]) * scale, aspect: (box[3] - box[1]) / (box[2] - box[0]) };
}

function askForDownload() {
  const part = visiblePart();
  if (!(part.across > 0 && part.aspect > 0)) return tell("Nothing of the picture is in view", true);
  const input = element("saving-width");
  const finest = ((part.box[2] - part.box[0]) * state.picture.most_pixels_across) / Math.max(state.picture.width, state.picture.height);
  const most = Math.floor(Math.min(Math.sqrt(state.picture.most_pixels / part.aspect), finest));
  input.max = Math.max(1, most);
  input.value = Math.min(most, Math.max(1, Math.round(part.across)));
  const height = () => Math.max(1, Math.round(Number(input.value) * part.aspect));
  const tellSize = () => (element("saving-size").textContent = `${input.value} × ${height()} pixels; at most ${most} wide`);
  input.oninput = tellSize;
  tellSize();
  element("saving-error").textContent = "";
  const dialog = element("saving");
  element("saving-go").onclick = async (event) => {
    event.preventDefault();
    if (!input.reportValidity()) return;
    const format = element("saving-format").value;
    const query = new URLSearchParams({ box: part.box.join(","), size: `${input.value}x${height()}`, layer: state.left });
    try {
      element("saving-go").disabled = true;
      const file = await (await reply(`pictures/${identifier()}/view.${format}?${query}`)).blob();
      const link = Object.assign(document.createElement("a"), {
        href: URL.createObjectURL(file),
        download: `${state.picture.name}-${input.value}x${height()}.${format}`,
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      dialog.close();
    } catch (error) {
      element("saving-error").textContent = error instanceof ServerError ? error.message : "The server does not answer";
    } finally {
      element("saving-go").disabled = false;
    }
  };
  dialog.showModal();
}

async function share() {
  rememberView();
  try {
    await navigator.clipboard.writeText(location.href);
    tell("The address of this view is copied");
  } catch {
    tell("Copy the address of this page: it leads to this view");
  }
}

function showNative() {
  const item = viewer.world.getItemAt(0);
  if (item) viewer.viewport.zoomTo(item.imageToViewportZoom(1 / enlargement(state.picture)));
}

async function chooseLayers(left, right) {
  [state.left, state.right] = [left, right];
  checkLayers();
  fillControls();
  await open();
}

const failing = (action) => (event) =>
  Promise.resolve(action(event)).catch((error) => {
    if (error instanceof ServerError) tell(error.message, true, 8);
    else if (error instanceof TypeError && /fetch/i.test(error.message)) lost();
    else throw error;
  });

function watchControls() {
  const actions = {
    home: () => viewer.viewport.goHome(),
    in: () => viewer.viewport.zoomBy(2),
    out: () => viewer.viewport.zoomBy(0.5),
    native: showNative,
    share,
    save: askForDownload,
    help: () => element("helping").showModal(),
  };
  for (const [id, action] of Object.entries(actions)) element(id).onclick = () => state.picture && failing(action)();
  element("picture").onchange = failing(async (event) => take(event.target.value, null, null, options(await listed())));
  element("version").onchange = failing((event) => {
    const chosen = event.target.value;
    return take(state.picture.name, chosen === "latest" ? null : chosen, currentView());
  });
  element("left").onchange = failing((event) => chooseLayers(event.target.value, state.right));
  element("right").onchange = failing((event) => chooseLayers(state.left, event.target.value));
  document.addEventListener("keydown", (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]");
    if (busy || !state.picture || ["INPUT", "SELECT"].includes(event.target.tagName)) return;
    pressed(event);
  });
  window.addEventListener("hashchange", () => {
    const { view, picture, version, ...rest } = remembered();
    if (!state.picture || !picture) return;
    Object.assign(state, rest);
    failing(() => take(picture, version, view))();
  });
}

function pressed(event) {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const actions = { "+": "in", "=": "in", "-": "out", 0: "home", 1: "native", s: "share", d: "save", "?": "help" };
  if (move) {
    const step = viewer.viewport.getBounds().width / 8;
    viewer.viewport.panBy(new OpenSeadragon.Point(move[0] * step, move[1] * step));
  } else if (event.key in actions) element(actions[event.key]).click();
  else if (event.key === "[" || event.key === "]") moveDivider(state.split + (event.key === "[" ? -0.02 : 0.02));
  else if (state.picture.layers.includes(KEYS[event.key])) failing(() => chooseLayers(KEYS[event.key], state.right))();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

makeViewer();
watchDivider();
watchControls();
(async function watch() {
  await poll();
  setTimeout(watch, POLL_MS);
})();
