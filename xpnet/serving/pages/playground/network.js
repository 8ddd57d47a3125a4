// The picture of the network: a column for each layer, a neuron with its small map for each unit.
// Layers are counted as the server counts them: 0 the inputs, 1.. the hidden ones, then the output.

import { rem } from "../shared/canvas.js";
import { onLanguage, text } from "../shared/language.js";
import { onTheme } from "../shared/theme.js";
import { paintClass, paintMap } from "./colours.js";
import { openEditor } from "./editor.js";
import { startLayers } from "./layers.js";
import { Links } from "./links.js";
import { INPUT_NAMES, sizesOf, unitName } from "./names.js";
import { byId, make, short } from "./page.js";
import { INPUTS, outputsOf } from "./state.js";

const INPUTS_SHARE = 0.9; // as in style.css

export class Network {
  constructor(page) {
    this.page = page;
    this.frame = byId("network");
    this.stage = byId("stage");
    this.columns = []; // of neurons: { element, button, canvas, bias, value, layer, unit }
    this.shape = "";
    this.slowly = false;
    this.numbers = null;
    this.maps = null;
    this.tip = byId("tip");
    this.links = new Links(this, byId("links"));
    startLayers(page);
    this.show();
    page.on("state", () => this.show());
    page.wire.on("numbers", (frame) => this.takeNumbers(frame));
    page.wire.on("maps", (frame) => this.takeMaps(frame));
    onTheme(() => this.paint());
    onLanguage(() => this.describe());
    new ResizeObserver(() => this.arrange()).observe(this.stage);
    this.stage.addEventListener("keydown", (event) => this.walk(event));
  }

  // ---- what stands where

  show() {
    const { state } = this.page;
    const shape = JSON.stringify([state.inputs, sizesOf(state)]);
    if (shape === this.shape) return;
    this.shape = shape;
    if (this.page.watched) this.watch(null); // the neuron under the pointer is another one now
    const focused = document.activeElement?.id;
    this.numbers = this.maps = null;
    const sizes = [INPUTS.length, ...sizesOf(state).slice(1)];
    this.columns = sizes.map((size, layer) => Array.from({ length: size }, (_, i) => this.neuron(layer, i)));
    byId("neurons").replaceChildren(...this.columns.flat().map((neuron) => neuron.element));
    this.links.build(sizesOf(state));
    this.arrange();
    this.describe();
    this.paintUnused();
    if (focused?.startsWith("neuron-")) byId(focused)?.focus();
  }

  neuron(layer, place) {
    const { state } = this.page;
    const unit = layer === 0 ? state.inputs.indexOf(INPUTS[place]) : place; // -1: an input that is not used
    const canvas = make("canvas", { "aria-hidden": "true", width: 1, height: 1 });
    const button = make("button", { id: `neuron-${layer}-${place}`, class: "unit", tabindex: "-1" }, canvas);
    const element = make("div", { class: `neuron ${layer === 0 ? "input" : ""} ${unit < 0 ? "unused" : ""}` });
    if (layer === 0) element.append(make("span", { class: "name", "aria-hidden": "true" }, INPUT_NAMES[place]));
    element.append(button, make("span", { class: "value number", "aria-hidden": "true" }));
    const neuron = { element, button, canvas, layer, unit, place, value: element.lastChild };
    if (layer > 0) {
      button.setAttribute("aria-haspopup", "dialog");
      neuron.bias = make("span", { id: `bias-dot-${layer - 1}-${unit}`, class: "bias", "aria-hidden": "true" });
      element.append(neuron.bias);
      neuron.bias.addEventListener("click", () => openEditor(this, layer, unit, "bias", neuron.bias));
    }
    button.addEventListener("click", () => this.choose(neuron));
    for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => this.watch(neuron));
    for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => this.watch(null));
    return neuron;
  }

  choose({ layer, place, unit, button }) {
    if (layer > 0) return openEditor(this, layer, unit, "all", button);
    const { inputs } = this.page.state;
    const name = INPUTS[place];
    if (unit >= 0 && inputs.length === 1) return; // a network has one input at least
    this.page.change({ inputs: unit < 0 ? [...inputs, name] : inputs.filter((each) => each !== name) });
  }

  watch(neuron) {
    const seen = neuron && neuron.unit >= 0 ? { layer: neuron.layer, unit: neuron.unit } : null;
    this.links.point(seen);
    this.page.watched = seen;
    this.page.wire.ask("watch", seen ?? { layer: 0, unit: null });
    this.page.tell("watch", seen, seen && this.mapOf(neuron));
  }

  // Arrow keys go from neuron to neuron: one stop of the tab key is enough for all of them.
  walk(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const [, layer, place] = /^neuron-(\d+)-(\d+)$/.exec(event.target.id) ?? [];
    if (!step || layer === undefined) return;
    event.preventDefault();
    const column = this.columns[Number(layer) + step[0]];
    const next = column?.[Math.min(Math.max(0, Number(place) + step[1]), column.length - 1)];
    if (next) this.offer(next).focus();
  }

  offer(neuron) {
    for (const each of this.columns.flat()) each.button.tabIndex = each === neuron ? 0 : -1;
    return neuron.button;
  }

  // Slowly: room for numbers at every link, and no inputs but those that are used.
  takeRoom(slowly) {
    if (this.slowly === slowly) return;
    this.slowly = slowly;
    byId("diagram").classList.toggle("slowly", slowly);
    this.arrange();
  }

  arrange() {
    const width = this.stage.clientWidth;
    const unit = parseFloat(getComputedStyle(this.stage).getPropertyValue("--unit")) * rem();
    const columns = this.columns.map((column) => column.filter((neuron) => !this.slowly || neuron.unit >= 0));
    const most = Math.max(...columns.map((column) => column.length));
    const row = this.slowly ? Math.max(unit + 2.2 * rem(), this.links.room() + 0.6 * rem()) : unit * 1.22;
    this.stage.style.height = `${most * row}px`;
    const share = this.slowly ? INPUTS_SHARE : 1; // of a column's width, for the inputs
    const whole = width / (columns.length - 1 + share);
    for (const [layer, column] of columns.entries()) {
      const middle = layer === 0 ? this.inputsAt(whole, unit) : whole * (share + layer - 0.5);
      for (const [i, neuron] of column.entries()) {
        neuron.x = middle;
        neuron.y = row * ((most - column.length) / 2 + i + 0.5);
        neuron.element.style.left = `${neuron.x - unit / 2}px`;
        neuron.element.style.top = `${neuron.y - unit / 2}px`;
      }
    }
    this.unit = unit;
    this.links.arrange(width, most * row);
    this.frame.classList.toggle("wider", this.frame.scrollWidth > this.frame.clientWidth + 1);
  }

  // The names of the inputs stand to their left.
  inputsAt(width, unit) {
    return this.slowly ? unit / 2 + 2.6 * rem() : width / 2 + unit * 0.42;
  }

  nameOf(layer, unit) {
    return unitName(this.page.state, layer, unit);
  }

  // The neuron that is unit number `unit` of a layer.
  at(layer, unit) {
    return this.columns[layer].find((neuron) => neuron.unit === unit);
  }

  // ---- what is written and painted on it

  fits(layers) {
    const sizes = sizesOf(this.page.state);
    return (
      layers.length === sizes.length - 1 &&
      layers.every(({ weight, bias }, i) => bias.length === sizes[i + 1] && (weight[0]?.length ?? 0) === sizes[i])
    );
  }

  takeNumbers(frame) {
    if (!this.fits(frame.layers)) return; // of a network that was there before
    this.numbers = frame;
    this.links.show(frame.layers);
    for (const { layer, unit, bias } of this.columns.slice(1).flat()) {
      const value = frame.layers[layer - 1].bias[unit];
      bias.classList.toggle("negative", value < 0);
      bias.style.setProperty("--size", Math.min(1, 0.35 + Math.abs(value) / 3));
    }
    if (!frame.running) this.describe();
    this.page.tell("weights", frame);
  }

  takeMaps(frame) {
    const count = sizesOf(this.page.state)
      .slice(0, -1)
      .reduce((sum, size) => sum + size, 0);
    const { units, output } = frame.arrays;
    if (units.shape[0] !== count || (output.shape.length === 3 ? output.shape[0] : 1) !== outputsOf(this.page.state))
      return;
    this.maps = frame;
    this.paint();
    this.page.tell("maps", frame);
  }

  // The numbers of a neuron's small map, and how many there are along a side.
  mapOf({ layer, unit }) {
    if (!this.maps || unit < 0) return null;
    const { units, output } = this.maps.arrays;
    if (layer > this.page.state.hidden.length) return part(output, unit);
    const sizes = sizesOf(this.page.state);
    return part(units, sizes.slice(0, layer).reduce((sum, size) => sum + size, 0) + unit);
  }

  paint() {
    for (const neuron of this.columns.flat()) {
      const map = this.mapOf(neuron);
      if (map) paintSmall(neuron, map, this.page.state);
    }
    this.paintUnused();
  }

  // Inputs that are not used have no map from the server; what they would be is plain to see.
  paintUnused() {
    const size = 24;
    for (const neuron of this.columns[0].filter(({ unit }) => unit < 0)) {
      const values = Float32Array.from({ length: size * size }, (_, i) => {
        const [x, y] = [(12 * ((i % size) + 0.5)) / size - 6, 6 - (12 * (Math.floor(i / size) + 0.5)) / size];
        return [x, y, x * x, y * y, x * y, Math.sin(x), Math.sin(y)][neuron.place];
      });
      paintMap(neuron.canvas, values, size);
    }
  }

  describe() {
    for (const { button, layer, place, unit } of this.columns.flat()) {
      if (layer === 0) {
        button.setAttribute("aria-label", text("playground.unit.input", { name: INPUT_NAMES[place] }));
        button.setAttribute("aria-pressed", String(unit >= 0));
      } else {
        const bias = this.numbers?.layers[layer - 1].bias[unit];
        const name = this.nameOf(layer, unit);
        button.setAttribute("aria-label", text("playground.unit.label", { name, bias: short(bias) }));
      }
    }
    if (!this.columns.flat().some(({ button }) => button.tabIndex === 0)) this.columns[0][0].button.tabIndex = 0;
  }
}

function part({ data, shape }, index) {
  const size = shape[shape.length - 1];
  return { values: data.subarray(index * size * size, (index + 1) * size * size), size };
}

// Of several classes, an output is the probability of its class.
export function paintSmall({ canvas, layer, unit }, { values, size }, state) {
  const isClass = layer > state.hidden.length && outputsOf(state) > 1;
  if (isClass) paintClass(canvas, values, unit, size);
  else paintMap(canvas, values, size);
}
