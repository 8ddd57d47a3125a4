// What the network sees, 28 x 28, and over it where it looks: saliency, occlusion or Grad-CAM.

import { onResize, rem } from "../shared/canvas.js";
import { onLanguage, text } from "../shared/language.js";
import { onTheme } from "../shared/theme.js";
import { Tiles } from "../shared/tiles.js";
import { titleOf } from "./networks.js";

const SIDE = 28;

export class Explain {
  constructor(wire, networks, drawing) {
    Object.assign(this, { wire, networks, drawing, asked: {}, again: {} });
    this.views = { a: new View("a"), b: new View("b") };
    document.getElementById("views").append(this.views.a.element, this.views.b.element);
    this.method = document.getElementById("method");
    this.target = document.getElementById("target");
    this.note = document.getElementById("method-note");
    this.method.addEventListener("change", () => this.changed());
    this.target.addEventListener("change", () => this.changed());
    wire.on("reading", (frame) => {
      this.views[frame.slot].see(frame.blank ? null : frame.arrays.digit.data);
      if (!frame.blank && !drawing.isDown) this.ask(frame.slot);
    });
    wire.on("explanation", (frame) => this.heard(frame));
    wire.on("error", (frame) => frame.about === "explain" && this.refused(frame));
    wire.on("network", () => this.arrange());
    wire.on("explanation", () => this.annotate());
    wire.on("closed", () => (this.asked = {}));
    drawing.onChange(() => drawing.isDown && this.clear());
    onLanguage(() => this.words());
    onTheme(() => this.draw());
    onResize(() => this.draw());
  }

  changed() {
    this.clear();
    this.words();
    for (const slot of this.networks.filled()) this.ask(slot);
  }

  // One request at a time for each slot, as an explanation takes longer than a reading.
  ask(slot) {
    if (!this.method.value || !this.views[slot].digit || this.isMute(slot)) return;
    this.again[slot] = Boolean(this.asked[slot]);
    if (this.asked[slot]) return;
    const label = this.target.value === "" ? null : Number(this.target.value);
    this.asked[slot] = this.wire.ask("explain", { slot, method: this.method.value, label });
  }

  heard({ slot, method, arrays }) {
    this.asked[slot] = false;
    if (method === this.method.value && !this.drawing.isDown) this.views[slot].cover(arrays.map.data);
    if (this.again[slot]) this.ask(slot);
  }

  refused(frame) {
    this.asked = {};
    this.note.textContent = frame.text;
  }

  // Whether the chosen method has nothing to say of this network: Grad-CAM needs a convolution's maps.
  isMute(slot, method = this.method.value) {
    return method === "grad_cam" && !this.networks.slots[slot]?.layers.some(({ kind }) => kind === "conv");
  }

  clear() {
    for (const view of Object.values(this.views)) view.cover(null);
  }

  // The other network sees the same digit, so it has a view of its own only when there is something to tell apart.
  arrange() {
    this.views.b.element.hidden = !this.networks.slots.b || !this.method.value;
    for (const slot of ["a", "b"]) {
      this.views[slot].caption.textContent = this.views.b.element.hidden ? "" : nameIn(this.networks.slots[slot]);
    }
    const filled = this.networks.filled();
    const option = this.method.querySelector("[value=grad_cam]");
    option.disabled = filled.length > 0 && filled.every((slot) => this.isMute(slot, "grad_cam"));
    this.target.hidden = !this.method.value;
    this.annotate();
    this.draw();
  }

  draw() {
    for (const view of Object.values(this.views)) view.draw();
  }

  words() {
    const chosen = this.target.value;
    const digits = Array.from({ length: 10 }, (_, digit) => new Option(text("digit.target.digit", { digit }), digit));
    this.target.replaceChildren(new Option(text("digit.target.read"), ""), ...digits);
    this.target.value = chosen;
    this.arrange();
    for (const view of Object.values(this.views)) view.canvas.setAttribute("aria-label", text("digit.sees"));
  }

  annotate() {
    const mute = this.networks.filled().filter((slot) => this.isMute(slot));
    const notes = mute.map((slot) => text("digit.mute", { name: nameIn(this.networks.slots[slot]) }));
    if (this.method.value) notes.unshift(text(`digit.method.${this.method.value}.note`));
    this.note.textContent = notes.join(" ");
  }
}

function nameIn(network) {
  return network ? titleOf(network) : "";
}

class View {
  constructor(slot) {
    this.element = document.createElement("figure");
    this.element.className = `view ${slot}`;
    const plane = document.createElement("div");
    plane.className = "plane";
    [this.canvas, this.over] = [0, 1].map(() => document.createElement("canvas"));
    this.canvas.className = this.over.className = "pixels";
    this.over.classList.add("over");
    this.canvas.setAttribute("role", "img");
    this.over.setAttribute("aria-hidden", "true");
    this.caption = document.createElement("figcaption");
    plane.append(this.canvas, this.over);
    this.element.append(plane, this.caption);
    this.digit = this.map = null;
  }

  see(digit) {
    this.digit = digit;
    if (!digit) this.map = null;
    this.draw();
  }

  cover(map) {
    this.map = map;
    this.draw();
  }

  draw() {
    const both = !document.querySelector(".view.b")?.hidden;
    const room = document.getElementById("views").clientWidth || 10 * rem();
    const wanted = Math.min(both ? room / 2 - rem() : room - 2, 14 * rem());
    const tiles = new Tiles([1, SIDE, SIDE], { wanted, room });
    const layers = [
      [this.canvas, this.digit, "ink"],
      [this.over, this.map, "heat"],
    ];
    for (const [canvas, values, name] of layers) {
      tiles.fit(canvas);
      tiles.draw(canvas, values ?? new Float32Array(SIDE * SIDE), { name });
    }
  }
}
