// The large map: what the network answers at each place of the plane, or what one neuron does, with the points on it.

import { onLanguage, text } from "../shared/language.js";
import { colour, onTheme } from "../shared/theme.js";
import { SHAPES, drawPoint, paintClass, paintClasses, paintMap, pointColour, sharp } from "./colours.js";
import { unitName } from "./names.js";
import { byId, make, short } from "./page.js";
import { outputsOf } from "./state.js";

const EDGE = 6; // the plane is seen from -6 to 6

export class Output {
  constructor(page) {
    this.page = page;
    this.map = byId("map");
    this.layer = byId("points");
    this.maps = null;
    this.points = { train: null, test: null };
    this.preview = null; // the small map of the neuron that is looked at, until its large one comes
    this.marked = null; // a point that a step, taken slowly, is about
    page.on("maps", (frame) => this.takeMaps(frame));
    page.on("watch", (seen, map) => this.watch(seen, map));
    page.on("state", () => this.show());
    page.on("sample", (point) => this.mark(point));
    page.wire.on("points", ({ arrays }) => this.takePoints(arrays));
    onTheme(() => this.show());
    onLanguage(() => this.say());
    new ResizeObserver(() => this.drawPoints()).observe(this.layer);
    for (const key of ["show_test", "discrete"]) {
      const box = byId(key.replace("_", "-"));
      box.addEventListener("change", () => page.change({ [key]: box.checked }));
    }
    this.layer.addEventListener(
      "click",
      (event) => page.state.data === "own" && page.tell("place", this.placeOf(event)),
    );
    this.layer.addEventListener("pointermove", (event) => this.read(event));
    this.layer.addEventListener("pointerleave", () => (byId("map-value").textContent = ""));
    this.show();
  }

  takeMaps(frame) {
    this.maps = frame;
    this.preview = null;
    this.paint();
  }

  takePoints({ train, test }) {
    this.points = { train: train.data, test: test.data };
    this.drawPoints();
  }

  watch(seen, map) {
    this.preview = seen ? map : null;
    this.paint();
    this.say();
  }

  mark(point) {
    this.marked = point;
    this.drawPoints();
  }

  show() {
    const { state } = this.page;
    byId("show-test").checked = state.show_test;
    byId("discrete").checked = state.discrete;
    this.layer.classList.toggle("own", state.data === "own");
    this.legend();
    this.paint();
    this.drawPoints();
    this.say();
  }

  say() {
    const { state, watched } = this.page;
    const name = watched ? unitName(state, watched.layer, watched.unit) : text("playground.output");
    byId("map-title").textContent = name;
    this.layer.setAttribute("aria-label", text("playground.map", { name }));
  }

  // What is seen now: { values, size, count }; count: classes, where all of them are seen at once.
  seen() {
    const { watched, state } = this.page;
    if (watched && this.preview) return { ...this.preview, count: 1 };
    const { output, watched: large } = this.maps.arrays;
    if (watched && large && sameUnit(this.maps.watch, watched))
      return { values: large.data, size: large.shape[0], count: 1 };
    return { values: output.data, size: output.shape.at(-1), count: outputsOf(state) };
  }

  paint() {
    const { state, watched } = this.page;
    if (
      !this.maps ||
      (this.maps.arrays.output.shape.length === 3 ? this.maps.arrays.output.shape[0] : 1) !== outputsOf(state)
    )
      return;
    const { values, size, count } = this.seen();
    const isClass = watched && outputsOf(state) > 1 && watched.layer > state.hidden.length;
    if (count > 1) paintClasses(this.map, values, count, size, state.discrete);
    else if (isClass) paintClass(this.map, values, watched.unit, size);
    else paintMap(this.map, values, size, state.discrete);
  }

  drawPoints() {
    if (!this.layer.clientWidth) return;
    const { context, width, height } = sharp(this.layer);
    const { state } = this.page;
    const radius = Math.max(2.4, width / 95);
    const draw = (points, radius, line) => {
      context.strokeStyle = line;
      context.lineWidth = state.problem === "regression" ? 0.8 : Math.max(1, radius / 3.2);
      for (let i = 0; points && i < points.length; i += 3) {
        const [x, y] = [((points[i] + EDGE) / (2 * EDGE)) * width, ((EDGE - points[i + 1]) / (2 * EDGE)) * height];
        drawPoint(context, x, y, radius, points[i + 2], state);
      }
    };
    if (state.show_test) draw(this.points.test, 0.8 * radius, colour("--ink"));
    // Around points of numbers a line that is seen also where they are 0, and as pale as the map.
    draw(this.points.train, radius, colour(state.problem === "regression" ? "--faint" : "--paper"));
    if (this.marked) this.drawMark(context, width, height, radius);
  }

  drawMark(context, width, height, radius) {
    const [x1, x2] = this.marked;
    context.beginPath();
    context.arc(((x1 + EDGE) / (2 * EDGE)) * width, ((EDGE - x2) / (2 * EDGE)) * height, 3 * radius, 0, 2 * Math.PI);
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2.5;
    context.stroke();
  }

  placeOf({ clientX, clientY }) {
    const box = this.layer.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * 2 * EDGE - EDGE, EDGE - ((clientY - box.top) / box.height) * 2 * EDGE];
  }

  // The numbers at the place of the pointer.
  read(event) {
    if (!this.maps) return;
    const [x, y] = this.placeOf(event);
    const { values, size, count } = this.seen();
    const pixel = (value) => Math.min(size - 1, Math.max(0, Math.floor(((value + EDGE) / (2 * EDGE)) * size)));
    const place = pixel(-y) * size + pixel(x);
    const answers = Array.from({ length: count }, (_, k) => values[k * size * size + place]);
    const best = answers.indexOf(Math.max(...answers));
    const answer = count > 1 ? `${SHAPES[best]} ${best} (${answers[best].toFixed(2)})` : short(answers[0]);
    byId("map-value").textContent = `x₁ ${x.toFixed(1)}, x₂ ${y.toFixed(1)}: ${answer}`.replaceAll("-", "\u2212");
  }

  // The colours of numbers, or of classes.
  legend() {
    const { state } = this.page;
    const count = outputsOf(state);
    byId("scale").hidden = count > 1;
    byId("class-legend").hidden = count === 1;
    const strip = Float32Array.from({ length: 128 * 128 }, (_, i) => (2 * (i % 128)) / 127 - 1);
    paintMap(byId("scale-colours"), strip, 128, state.discrete);
    const entries = Array.from({ length: count }, (_, k) => {
      const shape = make("span", { "aria-hidden": "true" }, SHAPES[k]);
      shape.style.color = pointColour(k, state);
      return make("span", {}, shape, ` ${k}`);
    });
    byId("class-legend").replaceChildren(...entries);
  }
}

function sameUnit(a, b) {
  return a && a.layer === b.layer && a.unit === b.unit;
}
