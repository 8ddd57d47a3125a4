// The network as its layers, one below the other, with what each of them gives: maps, or units. One canvas a layer.

import { enlargement, onResize, oncePerFrame, rem } from "../shared/canvas.js";
import { drawLegend } from "../shared/colours.js";
import { onLanguage } from "../shared/language.js";
import { onTheme } from "../shared/theme.js";
import { titleOf } from "./networks.js";
import { Strip } from "./strip.js";

const INPUT = { index: -1, path: "", kind: "input", shape: [1, 28, 28], shown: "maps" };
const FILTERS = { index: -2, path: "", kind: "kernels", shown: "maps" };

const scale = { isCommon: false };

export function startMaps(wire, unit) {
  const slots = {};
  for (const slot of ["a", "b"]) slots[slot] = new Layers(slot, unit, document.getElementById(`strips-${slot}`));
  unit.layers = slots;
  const all = (what) => Object.values(slots).forEach((layers) => layers.each(what));
  wire.on("network", (frame) => {
    slots[frame.slot].build(frame);
    unit.forget(frame.slot);
    document.querySelector(".inside").classList.toggle("two", Boolean(slots.b.name));
    all((strip) => strip.fit());
  });
  wire.on("training", (frame) => slots[frame.slot].kernels(frame)); // they form before one's eyes
  wire.on("reading", (frame) => slots[frame.slot].read(frame));
  wire.on("maps", (frame) => {
    slots[frame.slot].show(frame);
    unit.again(frame.slot);
  });
  for (const name of ["local", "common"]) {
    document.getElementById(name).addEventListener("click", () => {
      scale.isCommon = name === "common";
      for (const each of ["local", "common"]) {
        document.getElementById(each).setAttribute("aria-pressed", String(each === name));
      }
      all((strip) => strip.changed());
    });
  }
  const legend = () => drawLegend(document.getElementById("legend"), "signed");
  onTheme(() => {
    legend();
    all((strip) => strip.changed());
  });
  onLanguage(() => Object.values(slots).forEach((layers) => layers.words()));
  onResize(oncePerFrame(() => all((strip) => strip.fit())));
  legend();
}

// The layers of a slot's network.
class Layers {
  constructor(slot, unit, root) {
    Object.assign(this, { slot, unit, root, strips: new Map(), name: "" });
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) this.of(entry.target)?.appear(entry.isIntersecting);
    }, { rootMargin: "200px" });
    this.layers = "";
  }

  of(element) {
    return [...this.strips.values()].find((strip) => strip.element === element);
  }

  each(what) {
    for (const strip of this.strips.values()) what(strip);
  }

  build(frame) {
    this.name = frame.key ? frame.name : "";
    this.root.hidden = !frame.key;
    const layers = JSON.stringify([frame.key, frame.layers]);
    if (layers !== this.layers) this.rebuild(frame);
    this.layers = layers;
    this.network = frame;
    this.words();
    this.kernels(frame);
  }

  words() {
    if (this.name) this.root.querySelector(".name").textContent = titleOf(this.network);
    this.each((strip) => strip.words());
  }

  kernels({ arrays: { filters } }) {
    if (filters) this.strips.get(FILTERS.index)?.show(filters.data);
  }

  rebuild(frame) {
    this.seen.disconnect();
    const described = frame.key ? [INPUT, ...frame.layers] : [];
    const { filters } = frame.arrays;
    if (filters) {
      const [O, C, KH, KW] = filters.shape;
      described.splice(1, 0, { ...FILTERS, shape: [O * C, KH, KW] });
    }
    this.strips = new Map(described.map((layer) => [layer.index, new Strip(layer, this, scale)]));
    const title = document.createElement("h3");
    title.className = "name";
    this.root.replaceChildren(title, ...[...this.strips.values()].map((strip) => strip.element));
    this.each((strip) => {
      strip.fit();
      this.seen.observe(strip.element);
    });
  }

  read(frame) {
    this.strips.get(INPUT.index)?.show(frame.blank ? null : frame.arrays.digit.data);
    if (frame.blank) this.each((strip) => strip.layer.index >= 0 && strip.show(null));
  }

  // The map of the first convolution that a kernel makes; null: none.
  pointOut(kernel) {
    const filters = this.strips.get(FILTERS.index);
    const made = [...this.strips.values()].find(({ layer }) => layer.kind === "conv");
    if (!made || !filters) return;
    const [maps, rows, columns] = made.shape;
    const channel = kernel === null ? null : Math.floor((kernel * maps) / filters.shape[0]);
    made.mark(channel === null ? [] : [{ channel, rows: [0, rows], columns: [0, columns], isUnit: true }]);
  }

  show(frame) {
    for (const index of frame.layers) this.strips.get(index)?.show(frame.arrays[index].data);
  }
}

// How wide a map is drawn, in CSS pixels.
export function widthOf([C, , W], isKernel) {
  if (isKernel) return 2.2 * rem();
  if (W === 1) return (C <= 12 ? 2.1 : C <= 150 ? 1.05 : 0.45) * rem();
  return Math.max((W >= 20 ? 3.5 : W >= 10 ? 2.9 : 2.2) * rem(), W * enlargement(1));
}
