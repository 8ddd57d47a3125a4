// Which networks read: slot a always has one, slot b has one to compare it with, or none.

import { onLanguage, text } from "../shared/language.js";
import { percent, whole } from "../shared/numbers.js";
import { kept } from "./kept.js";

const NOTES = new Set(["package", "file", "runs", "here", "own", "new"]);

export class Networks {
  constructor(wire) {
    this.wire = wire;
    this.slots = { a: null, b: null }; // what the server says of them: frames "network"
    this.wanted = kept().networks ?? {}; // what was chosen here: asked for again when the connection is new
    this.catalogue = [];
    this.selects = { a: document.getElementById("choose-a"), b: document.getElementById("choose-b") };
    for (const [slot, select] of Object.entries(this.selects)) {
      select.addEventListener("change", () => this.choose(slot, select.value || null));
    }
    let isNew = false;
    wire.on("open", () => {
      isNew = true;
      this.slots = { a: null, b: null };
    });
    wire.on("catalogue", (frame) => {
      this.catalogue = frame.networks;
      this.list();
      if (isNew) this.again();
      isNew = false;
    });
    wire.on("network", (frame) => {
      this.slots[frame.slot] = frame.key ? frame : null;
      this.wanted[frame.slot] = frame.key;
      this.list();
    });
    wire.on("opened", (frame) => this.choose("a", frame.key));
    onLanguage(() => this.list());
  }

  filled() {
    return Object.keys(this.slots).filter((slot) => this.slots[slot]);
  }

  choose(slot, network) {
    this.wanted[slot] = network;
    this.wire.ask("choose", { slot, network });
  }

  // Where the networks that were chosen come from.
  note() {
    const chosen = this.filled().map((slot) => this.catalogue.find(({ key }) => key === this.slots[slot].key));
    const notes = chosen.filter(Boolean).map((each) => `${each.name}: ${noteOf(each)}`);
    if (this.filled().some((slot) => this.slots[slot].taught)) notes.push(text("digit.taught.note"));
    document.getElementById("network-note").textContent = notes.join(" ");
  }

  // After the connection was lost: what was chosen before, as far as the server still has it.
  again() {
    for (const [slot, key] of Object.entries(this.wanted)) {
      if (this.catalogue.some((network) => network.key === key)) this.choose(slot, key);
      else if (slot === "b" && key) this.wire.tell("network", { slot, key: null, name: "", layers: [], arrays: {} });
    }
  }

  list() {
    this.note();
    for (const [slot, select] of Object.entries(this.selects)) {
      const here = this.slots[slot];
      const isTaught = (network) => here?.taught && here.key === network.key;
      const options = (wanted) =>
        this.catalogue
          .filter(({ trained }) => trained === wanted)
          .map((network) => new Option(isTaught(network) ? titleOf(here) : describe(network), network.key));
      const groups = [group("digit.group.trained", options(true)), group("digit.group.new", options(false))];
      if (slot === "b") groups.unshift(new Option(text("digit.compare.none"), ""));
      select.replaceChildren(...groups);
      select.value = this.slots[slot]?.key ?? "";
    }
  }
}

// What a network is called: one that was taught here is no longer the one of that name.
export function titleOf({ name, taught }) {
  return taught ? text("digit.taught.name", { name }) : name;
}

function group(key, options) {
  const element = document.createElement("optgroup");
  element.label = text(key);
  element.append(...options);
  return element;
}

// Where a network of the catalogue comes from, and how large it is.
function noteOf({ note, where, parameters }) {
  const words = NOTES.has(note) ? text(`digit.note.${note}`, { where }) : note;
  return `${words} ${text("digit.parameters", { count: whole(parameters) })}`;
}

// "LeNet-5 · 98.9 %"
function describe({ name, trained, accuracy }) {
  return !trained || accuracy === null ? name : `${name} · ${percent(accuracy)}`;
}
