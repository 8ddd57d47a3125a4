// Asks the networks to read the sheet, again and again while one draws: one request at a time, and the next one has
// what is on the sheet by then, so that no stroke waits behind older ones.

import { SIZE } from "./canvas.js";

const PATIENCE = 3000; // milliseconds; after that the next request is sent all the same

export class Reader {
  constructor(wire, drawing, networks) {
    Object.assign(this, { wire, drawing, networks, number: 0, wanted: false, waiting: new Set() });
    wire.on("reading", (frame) => frame.number === this.number && this.heard(frame.slot));
    wire.on("error", (frame) => frame.about === "read" && this.heard());
    wire.on("closed", () => this.waiting.clear());
  }

  ask() {
    this.wanted = true;
    this.next();
  }

  next() {
    if (!this.wanted || this.waiting.size) return;
    const slots = this.networks.filled();
    const fields = { number: this.number + 1, picture: this.drawing.isPicture };
    const pixels = { data: this.drawing.ink(), shape: [SIZE, SIZE] };
    if (!slots.length || !this.wire.ask("read", fields, { pixels })) return;
    this.number += 1;
    this.wanted = false;
    this.waiting = new Set(slots);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.heard(), PATIENCE);
  }

  // The answer of a slot, or nothing more will come.
  heard(slot) {
    if (slot) this.waiting.delete(slot);
    else this.waiting.clear();
    this.next();
  }
}
