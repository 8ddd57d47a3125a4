// A chart of curves on a canvas. The pointer, or the arrow keys, read the values at a place of the axis.

import { oncePerFrame } from "../shared/canvas.js";
import { colour, onTheme } from "../shared/theme.js";
import { logTicks, short, ticks } from "./numbers.js";

const LEFT = 58;
const BOTTOM = 22;
const TOP = 8;
const RIGHT = 10;

export class Chart {
  constructor(parent) {
    this.figure = document.createElement("figure");
    this.figure.className = "chart panel";
    this.title = document.createElement("figcaption");
    this.legend = document.createElement("div");
    this.legend.className = "legend number";
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.figure.append(this.title, this.legend, this.canvas);
    parent.append(this.figure);
    this.data = { title: "", axis: "", series: [], marks: [], log: false };
    this.at = null; // the x that is read; null: the last values are shown
    this.redraw = oncePerFrame(() => this.draw());
    this.listen();
    onTheme(() => this.redraw());
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
  }

  // series: [{ name, colour, dashed, faint, dots, x: [], y: [] }]; marks: [{ x, name }]; log: a logarithmic
  // scale; fromZero: the scale begins at 0.
  show(data) {
    this.data = data;
    this.redraw();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => this.read(this.valueAt(event.offsetX)));
    canvas.addEventListener("pointerleave", () => this.read(null));
    canvas.addEventListener("blur", () => this.read(null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (event.key === "Escape") this.read(null);
      if (step === undefined || !this.range) return;
      event.preventDefault();
      const { x0, x1 } = this.range;
      const from = this.at ?? x1;
      this.read(Math.min(x1, Math.max(x0, from + step * (x1 - x0))));
    });
  }

  read(x) {
    this.at = x;
    this.redraw();
  }

  valueAt(pixel) {
    if (!this.range) return null;
    const { x0, x1, width } = this.range;
    return Math.min(x1, Math.max(x0, x0 + ((pixel - LEFT) / (width - LEFT - RIGHT)) * (x1 - x0)));
  }

  draw() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const density = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.range = this.findRange(width, height);
    if (this.range) {
      this.drawAxes(pen);
      for (const mark of this.data.marks) this.drawLine(pen, mark.x, "--line", [2, 3]);
      for (const series of this.data.series) this.drawSeries(pen, series);
      if (this.at !== null) this.drawLine(pen, this.at, "--faint", []);
    }
    this.write();
  }

  findRange(width, height) {
    const { series, log, fromZero } = this.data;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { x, y } of series) {
      for (let i = 0; i < x.length; i++) {
        if (!Number.isFinite(y[i]) || (log && y[i] <= 0)) continue;
        x0 = Math.min(x0, x[i]);
        x1 = Math.max(x1, x[i]);
        y0 = Math.min(y0, y[i]);
        y1 = Math.max(y1, y[i]);
      }
    }
    if (x0 > x1) return null;
    if (x0 === x1) [x0, x1] = [x0 - 0.5, x1 + 0.5];
    if (log) {
      if (y1 / y0 < 1.2) [y0, y1] = [y0 / 1.1, y1 * 1.1];
    } else {
      if (fromZero) y0 = Math.min(0, y0);
      const room = (y1 - y0 || Math.abs(y1) || 1) * 0.05;
      [y0, y1] = [y0 >= 0 && y0 < room ? 0 : y0 - room, y1 + room];
    }
    const put = log ? Math.log : (value) => value;
    const [b0, b1] = [put(y0), put(y1)];
    const toX = (x) => LEFT + ((x - x0) / (x1 - x0)) * (width - LEFT - RIGHT);
    const toY = (y) => height - BOTTOM - ((put(y) - b0) / (b1 - b0)) * (height - BOTTOM - TOP);
    return { x0, x1, y0, y1, width, height, toX, toY };
  }

  drawAxes(pen) {
    const { x0, x1, y0, y1, width, height, toX, toY } = this.range;
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    pen.fillStyle = colour("--faint");
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    pen.setLineDash([]);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const y of this.data.log ? logTicks(y0, y1) : ticks(y0, y1, height / 45)) {
      pen.beginPath();
      pen.moveTo(LEFT, toY(y));
      pen.lineTo(width - RIGHT, toY(y));
      pen.stroke();
      pen.fillText(short(y, 3), LEFT - 6, toY(y));
    }
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    for (const x of ticks(x0, x1, (width - LEFT) / 90)) {
      if (Number.isInteger(x)) pen.fillText(x.toLocaleString("en"), Math.min(toX(x), width - 24), height - 6);
    }
  }

  drawLine(pen, x, name, dash) {
    const { height, toX } = this.range;
    pen.strokeStyle = colour(name);
    pen.lineWidth = 1;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(toX(x), TOP);
    pen.lineTo(toX(x), height - BOTTOM);
    pen.stroke();
  }

  drawSeries(pen, { x, y, colour: name, dashed, faint, dots }) {
    const { toX, toY } = this.range;
    pen.strokeStyle = pen.fillStyle = colour(name);
    pen.globalAlpha = faint ? 0.35 : 1;
    pen.lineWidth = faint ? 1 : 2;
    pen.setLineDash(dashed ? [6, 4] : []);
    pen.beginPath();
    for (let i = 0, begun = false; i < x.length; i++) {
      if (!Number.isFinite(y[i]) || (this.data.log && y[i] <= 0)) continue;
      if (begun) pen.lineTo(toX(x[i]), toY(y[i]));
      else pen.moveTo(toX(x[i]), toY(y[i]));
      begun = true;
    }
    pen.stroke();
    pen.setLineDash([]);
    if (dots && x.length <= 60) {
      for (let i = 0; i < x.length; i++) {
        if (!Number.isFinite(y[i])) continue;
        pen.beginPath();
        pen.arc(toX(x[i]), toY(y[i]), 3, 0, 2 * Math.PI);
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
  }

  // Title and legend, whose numbers are those at the place that is read, else the last.
  write() {
    const { title, axis, series, marks } = this.data;
    this.title.textContent = title;
    const parts = [];
    const said = [];
    for (const each of series) {
      if (each.faint) continue;
      const i = nearest(each, this.at);
      const words = `${each.name} ${i === null ? "–" : short(each.y[i])}`;
      said.push(words);
      const part = document.createElement("span");
      part.className = each.dashed ? "key dashed" : "key";
      part.style.setProperty("--of", `var(${each.colour})`);
      part.textContent = words;
      parts.push(part);
    }
    const place = this.at === null ? "" : `${axis} ${Math.round(this.at).toLocaleString("en")}`;
    const near = this.at === null ? [] : marks.filter((mark) => this.isNear(mark.x)).map((mark) => mark.name);
    parts.push(document.createTextNode([place, ...near].filter(Boolean).join(" · ")));
    this.legend.replaceChildren(...parts);
    this.canvas.setAttribute("aria-label", [title, ...said, place].filter(Boolean).join(", "));
  }

  isNear(x) {
    return this.range && Math.abs(this.range.toX(x) - this.range.toX(this.at)) < 8;
  }
}

// The index of the value that is nearest to `at`, or the last one.
function nearest({ x, y }, at) {
  let found = null;
  for (let i = x.length - 1; i >= 0; i--) {
    if (!Number.isFinite(y[i])) continue;
    if (found === null || Math.abs(x[i] - at) < Math.abs(x[found] - at)) found = i;
    if (at === null) break;
  }
  return found;
}
