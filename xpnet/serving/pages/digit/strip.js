// One layer of the network: its name, what it is, and a canvas with its maps, over which one moves from unit to unit.

import { oncePerFrame, sharp } from "../shared/canvas.js";
import { drawLegend, hasNegative, largest } from "../shared/colours.js";
import { text } from "../shared/language.js";
import { short } from "../shared/numbers.js";
import { colour } from "../shared/theme.js";
import { Tiles } from "../shared/tiles.js";
import { isCopy, nameOf, sizeOf } from "./kinds.js";
import { widthOf } from "./maps.js";

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class Strip {
  constructor(layer, layers, scale) {
    Object.assign(this, { layer, layers, scale, values: null, isVisible: true, marks: [], focus: null });
    const { shape } = layer;
    this.shape = shape.length === 3 ? shape : [shape.reduce((a, b) => a * b, 1), 1, 1];
    this.isCopy = isCopy(layer.kind);
    this.isAsked = layer.index >= 0 && !this.isCopy; // its units can be asked what they were computed from
    this.make();
    this.words();
    this.later = oncePerFrame(() => this.draw());
    if (this.isAsked) this.listen();
    if (layer.kind === "kernels") this.listenToKernels();
  }

  make() {
    const make = (tag, className) => Object.assign(document.createElement(tag), { className });
    this.element = make("section", "strip");
    const head = make("div", "head");
    this.title = make("h4", "");
    this.what = make("p", "faint");
    this.range = make("p", "range faint number");
    [this.low, this.high] = [make("span", ""), make("span", "")];
    this.ramp = make("canvas", "");
    this.ramp.setAttribute("aria-hidden", "true");
    this.range.append(this.low, this.ramp, this.high);
    head.append(this.title, this.what, this.range);
    this.plane = make("div", "plane");
    this.canvas = make("canvas", "pixels");
    this.over = make("canvas", "over");
    this.over.setAttribute("aria-hidden", "true");
    this.plane.append(this.canvas, this.over);
    const body = make("div", "body");
    body.append(this.plane);
    if (this.shape[0] === 10 && this.shape[2] === 1) body.append((this.digits = make("div", "digits")));
    for (let digit = 0; this.digits && digit < 10; digit++) {
      this.digits.append(Object.assign(make("span", ""), { textContent: digit }));
    }
    this.element.append(head, body);
    if (this.isCopy) body.replaceChildren((this.note = make("p", "faint")));
  }

  words() {
    const { layer } = this;
    this.title.textContent = layer.path || nameOf(layer.kind);
    const size = sizeOf(layer.shape, layer.kind === "kernels");
    this.what.textContent = layer.path ? `${nameOf(layer.kind)} · ${size}` : size;
    const copies = layer.kind === "dropout" ? "digit.copies.dropout" : "digit.copies.flatten";
    if (this.note) this.note.textContent = text(copies);
    this.canvas.setAttribute("role", this.isAsked ? "application" : "img");
    const about = { layer: this.title.textContent, what: this.what.textContent };
    this.canvas.setAttribute("aria-label", text(this.isAsked ? "digit.strip" : "digit.strip.shown", about));
    this.ranges();
  }

  // Fits the maps into the room that there is.
  fit() {
    const room = this.isCopy ? 0 : this.plane.parentElement.clientWidth;
    if (!room) return;
    const isKernels = this.layer.kind === "kernels";
    const wanted = widthOf(this.shape, isKernels);
    const columns = this.shape[2] === 1 && this.shape[0] === 10 ? 10 : 0;
    this.tiles = new Tiles(this.shape, { wanted, room, columns, ...(isKernels && { gap: 2 }) });
    this.tiles.fit(this.canvas);
    if (this.digits) this.digits.style.width = `${this.tiles.width * this.tiles.scale}px`;
    this.changed();
    this.mark(this.marks);
  }

  show(values) {
    this.values = values;
    this.changed();
  }

  changed() {
    this.isOld = true;
    if (this.isVisible) this.later();
  }

  appear(isVisible) {
    this.isVisible = isVisible;
    if (isVisible && this.isOld) this.later();
  }

  draw() {
    if (!this.tiles) return;
    this.isOld = false;
    const name = this.layer.kind === "input" ? "ink" : "signed";
    const values = this.values ?? new Float32Array(this.shape.reduce((a, b) => a * b, 1));
    const isCommon = this.scale.isCommon || this.shape[2] === 1;
    this.tiles.draw(this.canvas, values, { name, common: isCommon });
    this.ranges();
  }

  // The legend of this layer: with a common scale in numbers.
  ranges() {
    const { values, layer } = this;
    this.range.classList.toggle("empty", !values);
    if (!values) return;
    const isSigned = hasNegative(values);
    const isCommon = this.scale.isCommon || this.shape[2] === 1 || layer.kind === "input";
    const most = isCommon ? short(largest(values)) : text("digit.itsOwn");
    this.low.textContent = isSigned ? `−${most}` : "0";
    this.high.textContent = isSigned && isCommon ? `+${most}` : most;
    drawLegend(this.ramp, layer.kind === "input" ? "ink" : "signed", isSigned ? -1 : 0, 1);
  }

  // A kernel under the pointer: its numbers, and the map that it makes.
  listenToKernels() {
    const { canvas, layers } = this;
    canvas.addEventListener("pointermove", (event) => {
      const place = this.values && this.tiles?.at(event.offsetX, event.offsetY);
      if (!place) return;
      const { channel, row, column } = place;
      const [, rows, columns] = this.shape;
      const value = short(this.values[(channel * rows + row) * columns + column]);
      canvas.title = text("digit.kernel", { ...place, value });
      layers.unit.clearMarks();
      layers.pointOut(channel);
      this.mark([{ channel, rows: [0, rows], columns: [0, columns], isUnit: true }]);
    });
    canvas.addEventListener("pointerleave", () => {
      layers.pointOut(null);
      this.mark([]);
      layers.unit.show();
    });
  }

  // ---- units

  listen() {
    const { canvas } = this;
    canvas.tabIndex = 0;
    const { unit, slot } = this.layers;
    const found = (event) => this.values && this.tiles?.at(event.offsetX, event.offsetY);
    const hover = (event) => {
      const place = found(event);
      if (place && event.pointerType !== "touch") unit.look(slot, this, place);
    };
    canvas.addEventListener("pointermove", hover);
    canvas.addEventListener("pointerenter", hover);
    canvas.addEventListener("click", (event) => {
      const place = found(event);
      if (place) unit.pin(slot, this, place);
    });
    canvas.addEventListener("focus", () => {
      if (!canvas.matches(":focus-visible") || !this.values) return;
      this.focus ??= { channel: 0, row: Math.floor(this.shape[1] / 2), column: Math.floor(this.shape[2] / 2) };
      unit.look(slot, this, this.focus, true);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.values || event.ctrlKey || event.metaKey || event.altKey) return;
    const [C, H, W] = this.shape;
    const at = { ...(this.focus ?? { channel: 0, row: 0, column: 0 }) };
    const bounded = (value, size) => Math.max(0, Math.min(size - 1, value));
    if (event.key in ARROWS) {
      const [down, right] = ARROWS[event.key];
      if (W === 1) at.channel = bounded(at.channel + right + down * this.tiles.columns, C);
      at.row = bounded(at.row + down, H);
      at.column = bounded(at.column + right, W);
    } else if (event.key === "PageDown") at.channel = bounded(at.channel + 1, C);
    else if (event.key === "PageUp") at.channel = bounded(at.channel - 1, C);
    else if (event.key === "Enter" || event.key === " ") this.layers.unit.pin(this.layers.slot, this, at);
    else if (event.key === "Escape") this.layers.unit.close();
    else return;
    event.preventDefault();
    this.focus = at;
    if (!["Enter", " ", "Escape"].includes(event.key)) this.layers.unit.look(this.layers.slot, this, at, true);
  }

  // Draws frames over the maps: marks = [{ channel, rows, columns, isUnit }, or { isWhole }].
  mark(marks) {
    this.marks = marks;
    if (!this.tiles) return;
    const { tiles } = this;
    this.over.hidden = marks.length === 0;
    if (!marks.length) return;
    const margin = 4;
    const context = sharp(this.over, tiles.width * tiles.scale + 2 * margin, tiles.height * tiles.scale + 2 * margin);
    context.translate(margin, margin);
    for (const { channel, rows, columns, isUnit, isWhole } of marks) {
      const all = [0, 0, tiles.width * tiles.scale, tiles.height * tiles.scale];
      const [x, y, width, height] = isWhole ? all : tiles.box(channel, rows, columns);
      const lines = [
        [colour("--paper"), 4],
        [colour(isUnit ? "--focus" : "--bad"), 2],
      ];
      for (const [strokeStyle, lineWidth] of lines) {
        Object.assign(context, { strokeStyle, lineWidth });
        context.strokeRect(x - 1, y - 1, width + 2, height + 2);
      }
    }
  }
}
