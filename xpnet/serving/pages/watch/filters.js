// The filters of the first layer, as they are now and as they were: a film that one can go back in.

import { onLanguage, text } from "../shared/language.js";
import { onTheme, rgb } from "../shared/theme.js";
import { short } from "./numbers.js";

const MOST = 48; // pictures that are kept
const [SIDE, GAP] = [56, 8]; // pixels: the edge of a filter, about, and what lies between two; of a few, twice as many

export function startFilters(wire) {
  const id = (name) => document.getElementById(name);
  const canvas = id("filters-picture");
  let film = [];
  let live = true; // whether the newest is shown

  function show() {
    const slider = id("film");
    id("filters").hidden = !film.length;
    if (!film.length) return;
    slider.max = String(film.length - 1);
    if (live) slider.value = slider.max;
    const frame = film[Math.min(Number(slider.value), film.length - 1)];
    const { name, filters, channels, largest, step, arrays } = frame;
    const words = text("watch.atStep", { step: short(step) });
    id("film-step").textContent = live ? text("watch.live", { step: short(step) }) : words;
    slider.setAttribute("aria-valuetext", id("film-step").textContent);
    const shape = arrays.pixels.shape;
    const values = { name, filters, channels, shown: shape[0], height: shape[2], width: shape[3] };
    const hint = frame.dense ? "watch.filtersDense" : channels === 3 ? "watch.filtersColour" : "watch.filtersHint";
    id("filters-what").textContent = text(hint, values);
    canvas.setAttribute("aria-label", `${text("watch.filters")}, ${words}`);
    drawFilters(canvas, arrays.pixels, channels === 3);
    document.querySelector("#filters .scale").hidden = channels === 3;
    id("scale-low").textContent = short(-largest, 2);
    id("scale-high").textContent = short(largest, 2);
  }

  id("film").addEventListener("input", (event) => {
    live = event.target.value === event.target.max;
    show();
  });
  wire.on("filters", (frame) => {
    if (film.length && film[0].fit !== frame.fit) film = [];
    film.push(frame);
    if (film.length > MOST) thin();
    requestAnimationFrame(show);
  });

  // Every second picture goes, but the newest stays, and so does the one that is looked at, about.
  function thin() {
    const [slider, last] = [id("film"), film.at(-1)];
    film = [...film.slice(0, -1).filter((_, i) => i % 2 === 0), last];
    if (!live) {
      const at = Math.floor(Number(slider.value) / 2);
      slider.max = String(film.length - 1);
      slider.value = String(at);
    }
  }

  wire.on("open", () => {
    film = [];
    live = true;
    show();
  });
  onLanguage(show);
  onTheme(show);
}

// pixels (F, C, KH, KW), 128 is 0. Of one channel each is a tile, in two colours; of three a tile in colour; of others
// a row of tiles.
function drawFilters(canvas, { data, shape }, isColour) {
  const [F, C, KH, KW] = shape;
  const inRow = C > 1 && !isColour;
  const count = inRow ? F * C : F;
  const side = SIDE * (inRow ? 0.5 : count <= 12 ? 2 : 1);
  const scale = Math.max(1, Math.round(side / Math.max(KH, KW)));
  const [high, wide] = [KH * scale + GAP, KW * scale + GAP];
  const room = Math.max(1, Math.floor((canvas.parentElement.clientWidth - 24) / wide));
  const columns = inRow ? C : Math.min(count, room);
  const rows = Math.ceil(count / columns);
  [canvas.width, canvas.height] = [columns * wide, rows * high];
  const pen = canvas.getContext("2d");
  const [zero, plus, minus] = ["--paper", "--positive", "--negative"].map(rgb);
  const picture = new ImageData(KW, KH);
  const small = new OffscreenCanvas(KW, KH);
  pen.imageSmoothingEnabled = false;
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < KH * KW; i++) {
      const mixed = isColour
        ? [0, 1, 2].map((c) => data[(n * 3 + c) * KH * KW + i])
        : mix(zero, plus, minus, (data[n * KH * KW + i] - 128) / 127);
      picture.data.set([...mixed, 255], 4 * i);
    }
    small.getContext("2d").putImageData(picture, 0, 0);
    pen.drawImage(small, (n % columns) * wide, Math.floor(n / columns) * high, KW * scale, KH * scale);
  }
}

function mix(zero, plus, minus, value) {
  const [to, share] = [value < 0 ? minus : plus, Math.min(1, Math.abs(value))];
  return zero.map((from, i) => Math.round(from + share * (to[i] - from)));
}
