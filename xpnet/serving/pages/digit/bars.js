// The answer, and the ten probabilities as bars: of the network, and of the one that it is compared with.

import { onLanguage, text } from "../shared/language.js";
import { percent } from "../shared/numbers.js";
import { titleOf } from "./networks.js";

export class Bars {
  constructor(wire, networks) {
    this.networks = networks;
    this.answers = { a: document.getElementById("answer"), b: document.getElementById("answer-b") };
    this.captions = { a: document.getElementById("reader-a"), b: document.getElementById("reader-b") };
    this.took = {};
    this.rows = Array.from({ length: 10 }, (_, digit) => makeRow(digit));
    document.getElementById("bars").append(...this.rows.map((row) => row.element));
    for (const slot of ["a", "b"]) this.show(slot, null, "");
    wire.on("reading", (frame) => {
      this.took[frame.slot] = frame.milliseconds;
      this.show(frame.slot, frame.blank ? null : frame.arrays.probabilities.data, frame.blank ? "" : frame.answer);
      this.caption();
    });
    wire.on("lesson", (frame) => {
      const { data } = frame.arrays.probabilities;
      this.show(frame.slot, data, data.indexOf(Math.max(...data)));
    });
    wire.on("network", (frame) => {
      if (!frame.key) this.show(frame.slot, null, "");
      document.getElementById("reads-b").hidden = !networks.slots.b;
      document.getElementById("bars").classList.toggle("two", Boolean(networks.slots.b));
      this.took[frame.slot] = undefined;
      this.caption();
    });
    onLanguage(() => this.caption());
  }

  show(slot, probabilities, answer) {
    const element = this.answers[slot];
    if (element.textContent !== String(answer)) element.textContent = answer;
    this.rows.forEach((row, digit) => {
      const share = probabilities ? probabilities[digit] : 0;
      row[slot].fill.style.transform = `scaleX(${share})`;
      row[slot].words.textContent = probabilities ? percent(share) : "";
      row[slot].line.classList.toggle("best", digit === answer);
    });
  }

  caption() {
    for (const slot of ["a", "b"]) {
      const [network, took] = [this.networks.slots[slot], this.took[slot]];
      const parts = network ? [titleOf(network)] : [];
      if (took !== undefined) parts.push(text("digit.took", { ms: took < 10 ? took.toFixed(1) : took.toFixed(0) }));
      this.captions[slot].textContent = parts.join(" · ");
    }
  }
}

function makeRow(digit) {
  const element = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = digit;
  element.append(name);
  const row = { element };
  for (const slot of ["a", "b"]) {
    const [line, track, fill, words] = ["div", "div", "div", "span"].map((tag) => document.createElement(tag));
    line.className = `bar ${slot}`;
    track.className = "track";
    fill.className = "fill";
    words.className = "number";
    track.append(fill);
    line.append(track, words);
    element.append(line);
    row[slot] = { line, fill, words };
  }
  return row;
}
