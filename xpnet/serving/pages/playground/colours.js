// Colours of numbers and classes. Orange and blue are told apart also by people who see colours differently, and so are
// those of several classes (after Okabe and Ito, 2008); classes have a shape each besides.

import { onTheme, rgb } from "../shared/theme.js";

export const SHAPES = ["●", "■", "▲", "◆", "▼", "✚"];
const STEPS = 256;
let scale = null; // colours of -1 .. 1, as numbers of four bytes
let classes = [];
let blank = [255, 255, 255];

onTheme(() => (scale = null));

function prepare() {
  if (scale) return;
  blank = rgb("--map-blank");
  const [low, high] = [rgb("--negative"), rgb("--positive")];
  classes = SHAPES.map((_, k) => rgb(`--class-${k}`));
  scale = new Uint32Array(STEPS);
  for (let i = 0; i < STEPS; i++) {
    const value = (2 * i) / (STEPS - 1) - 1;
    scale[i] = packed(mixed(blank, value < 0 ? low : high, 0.78 * Math.abs(value)));
  }
}

function mixed(from, to, share) {
  return from.map((each, i) => Math.round(each + (to[i] - each) * share));
}

function packed([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0; // little-endian, as all browsers' machines are
}

function css(parts) {
  return `rgb(${parts.join(" ")})`;
}

// The colour of a point: of class k, or of a number from -1 to 1.
export function pointColour(target, state) {
  prepare();
  if (state.problem === "classification")
    return css(state.classes > 2 ? classes[target] : rgb(target > 0 ? "--positive" : "--negative"));
  const value = Math.max(-1, Math.min(1, target));
  return css(mixed(blank, rgb(value < 0 ? "--negative" : "--positive"), Math.abs(value)));
}

// Paints one map of numbers from -1 to 1 on a canvas, a pixel each.
export function paintMap(canvas, values, size, discrete = false) {
  prepare();
  paint(canvas, size, (i) => {
    const value = discrete ? Math.sign(values[i]) : Math.max(-1, Math.min(1, values[i]));
    return scale[Math.round(((value + 1) / 2) * (STEPS - 1))];
  });
}

// Paints which of the classes is the likeliest, the paler the less sure. values: (classes, size, size).
export function paintClasses(canvas, values, count, size, discrete = false) {
  prepare();
  const area = size * size;
  paint(canvas, size, (i) => {
    let best = 0;
    for (let k = 1; k < count; k++) if (values[k * area + i] > values[best * area + i]) best = k;
    const sure = discrete ? 1 : Math.max(0, (values[best * area + i] - 1 / count) / (1 - 1 / count));
    return packed(mixed(blank, classes[best], 0.1 + 0.65 * sure));
  });
}

// Paints how likely one of the classes is.
export function paintClass(canvas, values, which, size) {
  prepare();
  const shades = Array.from({ length: 65 }, (_, i) => packed(mixed(blank, classes[which], (0.78 * i) / 64)));
  paint(canvas, size, (i) => shades[Math.round(64 * Math.min(1, Math.max(0, values[i])))]);
}

function paint(canvas, size, colourOf) {
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colourOf(i);
  context.putImageData(image, 0, 0);
}

// Makes a canvas as sharp as the screen is; returns its context, in pixels of the page.
export function sharp(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width, height };
}

// A point of a class, in its shape where there are more than two.
export function drawPoint(context, x, y, radius, target, state) {
  const shape = state.problem === "classification" && state.classes > 2 ? target : 0;
  const corners = { 1: [4, 0.25], 2: [3, -0.5], 3: [4, 0], 4: [3, 0.5] }[shape];
  context.beginPath();
  if (corners) polygon(context, x, y, radius * 1.2, ...corners);
  else if (shape === 5) cross(context, x, y, radius * 1.15);
  else context.arc(x, y, radius, 0, 2 * Math.PI);
  context.closePath();
  context.fillStyle = pointColour(target, state);
  context.fill();
  context.stroke();
}

function polygon(context, x, y, radius, count, turn) {
  for (let i = 0; i < count; i++) {
    const angle = 2 * Math.PI * (i / count) + Math.PI * turn;
    context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
}

function cross(context, x, y, r) {
  const t = r * 0.4;
  const corners = [
    [-t, -r],
    [t, -r],
    [t, -t],
    [r, -t],
    [r, t],
    [t, t],
    [t, r],
    [-t, r],
    [-t, t],
    [-r, t],
    [-r, -t],
    [-t, -t],
  ];
  for (const [dx, dy] of corners) context.lineTo(x + dx, y + dy);
}
