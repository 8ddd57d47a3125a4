// Numbers as colours. Zero is the colour of paper in every map, positive numbers go to blue, negative ones to orange;
// "ink" is for what was drawn, from paper to ink, and "heat" lies over a picture, from clear to strong.

import { isDark, onTheme } from "./theme.js";

const STEPS = 255; // on either side of zero
const STOPS = {
  light: {
    signed: [[96, 34, 0], [232, 89, 12], [255, 255, 255], [8, 119, 189], [3, 34, 66]],
    ink: [[255, 255, 255], [255, 255, 255], [255, 255, 255], [141, 145, 151], [27, 35, 48]],
  },
  dark: {
    signed: [[255, 205, 150], [240, 120, 20], [10, 13, 18], [30, 120, 200], [175, 222, 255]],
    ink: [[10, 13, 18], [10, 13, 18], [10, 13, 18], [121, 127, 135], [232, 237, 244]],
  },
};
const HEAT = { positive: [225, 50, 30], negative: [40, 110, 230] };
let made = {}; // palettes of the theme that is on

onTheme(() => (made = {}));

// The colours of -1 .. 1 in 511 steps, as 32-bit pixels: the middle one is zero's. name: "signed", "ink" or "heat".
export function palette(name) {
  made[name] ??= name === "heat" ? heat() : ramp(STOPS[isDark() ? "dark" : "light"][name]);
  return made[name];
}

function ramp(stops) {
  return Uint32Array.from({ length: 2 * STEPS + 1 }, (_, i) => {
    const place = (i / (2 * STEPS)) * (stops.length - 1);
    const at = Math.min(Math.floor(place), stops.length - 2);
    return pixel(...stops[at].map((from, k) => from + (place - at) * (stops[at + 1][k] - from)), 255);
  });
}

function heat() {
  return Uint32Array.from({ length: 2 * STEPS + 1 }, (_, i) => {
    const value = i / STEPS - 1;
    return pixel(...(value < 0 ? HEAT.negative : HEAT.positive), 235 * Math.abs(value) ** 0.8);
  });
}

function pixel(red, green, blue, alpha) {
  return ((Math.round(alpha) << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0;
}

// Where in a palette the colour of value lies, if -scale and scale have its ends.
export function step(value, scale) {
  const share = scale > 0 ? value / scale : 0;
  return STEPS + Math.round(STEPS * Math.max(-1, Math.min(1, share || 0)));
}

// As step, for element.style: background and a colour that can be read on it.
export function shade(value, scale, name = "signed") {
  const found = palette(name)[step(value, scale)];
  const [red, green, blue] = [found & 255, (found >> 8) & 255, (found >> 16) & 255];
  const light = 0.3 * red + 0.59 * green + 0.11 * blue > 140;
  return { background: `rgb(${red} ${green} ${blue})`, color: light ? "#10151d" : "#f5f8fc" };
}

// The largest size of a finite number in values[from .. to).
export function largest(values, from = 0, to = values.length) {
  let most = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(values[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

export function hasNegative(values) {
  for (let i = 0; i < values.length; i++) if (values[i] < 0) return true;
  return false;
}

// Draws the colours from low to high, -1 .. 1, onto a canvas, left to right: the legend of what has that palette.
export function drawLegend(canvas, name, low = -1, high = 1) {
  canvas.width = 128;
  canvas.height = 1;
  const image = new ImageData(128, 1);
  const colours = palette(name);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < 128; i++) pixels[i] = colours[step(low + ((high - low) * i) / 127, 1)];
  canvas.getContext("2d").putImageData(image, 0, 0);
}
