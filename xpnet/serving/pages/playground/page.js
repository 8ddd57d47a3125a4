// What the parts of the page share: the state, the connection, and who wants to hear of changes.

import { DEFAULTS, differing, fromHash, keeps, onlyShown, settled, toHash } from "./state.js";

export const byId = (id) => document.getElementById(id);

// An element with attributes and children: make("button", { id: "x", class: "y" }, "text", other).
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A number as people read it: three digits, and no more.
export function short(number, digits = 3) {
  if (number === null || number === undefined) return "–";
  const size = Math.abs(number);
  const shown =
    size === 0
      ? "0"
      : size < 0.001 || size >= 10000
        ? number.toExponential(1)
        : String(Number(number.toPrecision(digits)));
  return shown.replaceAll("-", "\u2212");
}

export class Page {
  constructor(wire) {
    this.wire = wire;
    this.listeners = new Map();
    this.number = 0; // of the last state that was sent
    this.built = null; // the last answer to it
    this.asked = false; // whether the server was asked to change the state
    Object.assign(this, fromHash(location.hash)); // state, lesson, hidden, misread
    wire.on("open", () => this.sendState(false));
    wire.on("built", (frame) => this.take(frame));
    wire.on("error", (frame) => this.mend(frame));
    window.addEventListener("popstate", () => this.readAddress());
    window.addEventListener("hashchange", () => this.readAddress());
  }

  on(kind, listener) {
    if (!this.listeners.has(kind)) this.listeners.set(kind, []);
    this.listeners.get(kind).push(listener);
  }

  tell(kind, ...details) {
    for (const listener of this.listeners.get(kind) ?? []) listener(...details);
  }

  // Somebody has changed a control. Each change is a step that the browser's back button takes back.
  change(changes) {
    this.show({ ...this.state, ...changes }, this.lesson, "push");
  }

  // Another state altogether, to be looked at first; the weights begin anew even if it is the one that is there.
  begin(state, lesson) {
    this.wire.ask("run", { on: false });
    this.show(state, lesson, "push", true);
  }

  show(wanted, lesson, how, anew = false) {
    const before = this.state;
    const talked = lesson !== this.lesson;
    this.state = settled(wanted);
    this.lesson = lesson;
    if (how) this.misread = [];
    const changed = differing(before, this.state).length > 0;
    if (how && (changed || talked)) this.writeAddress(how);
    if (anew || !onlyShown(before, this.state)) this.sendState(!anew && keeps(before, this.state));
    if (changed) this.tell("state", before);
    if (talked) this.tell("lesson");
  }

  sendState(keep) {
    this.number += 1;
    this.wire.ask("state", { state: this.state, keep, number: this.number });
  }

  // The server makes another state of this one: by points that are added, or a file that is opened.
  ask(kind, fields = {}, arrays = {}) {
    this.asked = true;
    this.wire.ask(kind, fields, arrays);
  }

  // What the server has built, which is the state with all that it made of it, such as points from a table. The answer
  // to an older question does not undo what was changed since.
  take(frame) {
    this.built = frame;
    if (frame.number !== undefined && frame.number !== this.number) return;
    const { show_test, discrete } = this.state;
    const before = this.state;
    this.state = settled({ ...before, ...frame.state, show_test, discrete });
    if (differing(before, this.state).length > 0) {
      this.writeAddress(this.asked ? "push" : "replace");
      this.tell("state", before);
    }
    this.asked = false;
  }

  // A state that cannot be built: back to what there is.
  mend({ about }) {
    if (about !== "state") return;
    const before = this.state;
    this.state = settled({ ...before, ...(this.built?.state ?? DEFAULTS) });
    if (!this.built && differing(before, this.state).length > 0) this.sendState(false);
    this.writeAddress("replace");
    this.tell("state", before);
  }

  // Names of controls that are put away.
  hide(names) {
    this.hidden = names;
    this.writeAddress("push");
    this.tell("hidden");
  }

  readAddress() {
    const { state, lesson, hidden, misread } = fromHash(location.hash);
    this.hidden = hidden;
    this.tell("hidden");
    this.show(state, lesson, "");
    this.takeOther(misread);
  }

  // What was asked for in a way that is not to be had, and what was taken instead: [{ given, taken }].
  takeOther(misread) {
    this.misread = misread;
    this.tell("misread");
  }

  writeAddress(how) {
    const hash = toHash(this.state, this.lesson, this.hidden);
    const address = location.pathname + location.search + (hash ? `#${hash}` : "");
    if (how === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    this.tell("address");
  }
}
