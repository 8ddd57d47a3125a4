// What one unit was computed from: asks the server, marks the window in the layer before, and shows the numbers.

import { onLanguage, text } from "../shared/language.js";
import { short } from "../shared/numbers.js";
import { onTheme } from "../shared/theme.js";
import { arithmetic } from "./arithmetic.js";
import { placeOf } from "./kinds.js";
import { make } from "./tables.js";

export class Unit {
  constructor(wire) {
    Object.assign(this, { wire, layers: {}, now: null, isPinned: false, isWaiting: false, frame: null });
    this.panel = document.getElementById("unit");
    this.body = document.getElementById("unit-body");
    this.title = document.getElementById("unit-title");
    this.closer = document.getElementById("unit-close");
    this.none = document.getElementById("unit-none");
    this.more = document.getElementById("unit-more");
    this.closer.addEventListener("click", () => this.close());
    this.panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    wire.on("unit", (frame) => this.heard(frame));
    wire.on("error", (frame) => frame.about === "unit" && (this.isWaiting = false));
    wire.on("closed", () => (this.isWaiting = false));
    onLanguage(() => this.show());
    onTheme(() => this.show());
  }

  // The pointer is over a unit, or the keys have come to it.
  look(slot, strip, place, isByKeys = false) {
    const { now } = this;
    if (this.isPinned && !isByKeys) return;
    if (now && now.strip === strip && same(now.place, place)) return;
    this.clearMarks();
    this.now = { slot, strip, place, isByKeys };
    strip.mark([unitMark(place)]);
    this.ask();
  }

  // A click holds the unit, so that one can look at its numbers; another one lets go.
  pin(slot, strip, place) {
    const isSame = this.now && this.now.strip === strip && same(this.now.place, place);
    if (this.isPinned && isSame) {
      this.isPinned = false;
    } else {
      this.isPinned = false;
      this.look(slot, strip, place);
      this.isPinned = true;
    }
    this.show();
  }

  close() {
    this.clearMarks();
    Object.assign(this, { now: null, frame: null, isPinned: false });
    this.show();
  }

  // The network of the slot is another one.
  forget(slot) {
    if (this.now?.slot === slot && !this.layers[slot].strips.has(this.now.strip.layer.index)) this.close();
    else if (this.now?.slot === slot && this.layers[slot].strips.get(this.now.strip.layer.index) !== this.now.strip) {
      this.close();
    }
  }

  // There are new numbers in the slot.
  again(slot) {
    if (this.now?.slot === slot) this.ask();
  }

  ask() {
    if (this.isWaiting) return (this.isAskedAgain = true);
    const { slot, strip, place } = this.now;
    const layer = strip.layer.index;
    const fields = strip.layer.shape.length === 3 ? place : { channel: place.channel };
    this.isWaiting = this.wire.ask("unit", { slot, layer, ...fields });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.isWaiting = false), 1000);
  }

  heard(frame) {
    this.isWaiting = false;
    if (!this.now) return;
    const { slot, strip, place, isByKeys } = this.now;
    const isIt = frame.slot === slot && frame.layer === strip.layer.index && frame.channel === place.channel;
    const isThere = strip.layer.shape.length !== 3 || (frame.row === place.row && frame.column === place.column);
    if (isIt && isThere) {
      this.frame = frame;
      this.show();
      if (isByKeys) this.say();
    }
    if (this.isAskedAgain) {
      this.isAskedAgain = false;
      this.ask();
    }
  }

  say() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      document.getElementById("said").textContent = `${this.title.textContent}: ${short(this.frame?.value)}`;
    }, 400);
  }

  show() {
    const { now, frame } = this;
    this.panel.classList.toggle("open", Boolean(now && this.isPinned));
    this.closer.hidden = !now;
    this.none.hidden = Boolean(frame);
    this.more.hidden = true;
    if (!now || !frame) {
      this.title.textContent = text("digit.unit");
      this.body.replaceChildren();
      return;
    }
    const { strip, place, slot } = now;
    this.title.textContent = `${strip.title.textContent} · ${placeOf(strip.layer.shape, place)}`;
    const source = this.sourceOf(slot, frame.from);
    this.body.replaceChildren(...arithmetic(frame, source));
    if (this.isPinned) this.body.append(make("p", "faint", text("digit.unit.held")));
    else this.more.hidden = this.panel.scrollHeight <= this.panel.clientHeight + 4; // it cannot be scrolled meanwhile
    this.clearMarks();
    strip.mark([unitMark(place)]);
    if (source && source !== strip) source.mark(windowMarks(frame, source));
  }

  // The strip of the layer that was read; of one that only hands on numbers, what that got them from.
  sourceOf(slot, index) {
    const { strips } = this.layers[slot];
    let source = strips.get(index);
    while (source?.isCopy && strips.has(source.layer.from)) source = strips.get(source.layer.from);
    return source;
  }

  clearMarks() {
    for (const layers of Object.values(this.layers)) layers.each((strip) => strip.marks.length && strip.mark([]));
  }
}

function same(one, other) {
  return one.channel === other.channel && one.row === other.row && one.column === other.column;
}

function unitMark({ channel, row, column }) {
  return { channel, rows: [row, row + 1], columns: [column, column + 1], isUnit: true };
}

// The window in the layer before, in those of its maps that were read; all of it where there is no window.
function windowMarks(frame, source) {
  const [C] = source.shape;
  if (!frame.window) return [{ isWhole: true }];
  const { rows, columns } = frame.window;
  const channels = frame.channels ?? Array.from({ length: C }, (_, channel) => channel);
  return channels.filter((channel) => channel < C).map((channel) => ({ channel, rows, columns }));
}
