// A network that is trained in front of one's eyes: how far it is, and a button to pause it.

import { onLanguage, text } from "../shared/language.js";
import { percent } from "../shared/numbers.js";

const SETTLED = 8; // steps until the time that is left can be told

export class Trainings {
  constructor(wire, networks) {
    this.panels = {};
    for (const slot of ["a", "b"]) {
      this.panels[slot] = new Panel((on) => wire.ask("train", { slot, on }));
      document.getElementById("trainings").append(this.panels[slot].element);
    }
    wire.on("training", (frame) => this.panels[frame.slot].hear(frame, networks.slots[frame.slot]?.name ?? frame.key));
    wire.on("network", (frame) => this.panels[frame.slot].choose(frame));
    wire.on("closed", () => Object.values(this.panels).forEach((panel) => panel.hide()));
    onLanguage(() => Object.values(this.panels).forEach((panel) => panel.words()));
  }

  // Whether a network has learnt something that would be lost with the page.
  get areUnderWay() {
    return Object.values(this.panels).some(({ frame }) => frame?.step > 0);
  }
}

class Panel {
  constructor(train) {
    const make = (tag, className) => Object.assign(document.createElement(tag), { className });
    this.element = make("section", "panel training");
    this.what = make("p", "what");
    this.bar = make("progress", "");
    this.numbers = make("p", "faint number");
    this.button = make("button", "");
    this.button.addEventListener("click", () => train(!this.frame?.on));
    const row = make("div", "row");
    row.append(this.bar, this.button);
    this.element.append(this.what, row, this.numbers);
    this.hide();
  }

  hide() {
    this.element.hidden = true;
    this.frame = null;
  }

  // A network was put into the slot: one that is trained has nothing to show here.
  choose(network) {
    if (!network.key || network.trained) this.hide();
    else if (this.frame?.key !== network.key) this.show({ ...network, step: 0, steps: 0, on: true }, network.name);
  }

  hear(frame, name) {
    if (frame.done) this.hide();
    else this.show(frame, name);
  }

  show(frame, name) {
    Object.assign(this, { frame, name });
    this.element.hidden = false;
    if (frame.steps) Object.assign(this.bar, { max: frame.steps, value: frame.step });
    else this.bar.removeAttribute("value");
    this.words();
  }

  words() {
    const { frame } = this;
    if (!frame) return;
    const what = text("digit.training", { name: this.name });
    if (this.what.textContent !== what) this.what.textContent = what;
    this.button.textContent = text(frame.on ? "digit.pause" : "digit.goOn");
    this.bar.setAttribute("aria-label", what);
    if (frame.steps && frame.step >= frame.steps) this.numbers.textContent = text("digit.training.tests");
    else if (!frame.steps) this.numbers.textContent = text("digit.training.begins");
    else {
      this.numbers.textContent = text("digit.training.numbers", {
        step: frame.step,
        steps: frame.steps,
        loss: frame.step ? frame.loss.toFixed(3) : "–",
        accuracy: frame.accuracy === null ? "–" : percent(frame.accuracy),
        seconds: frame.step < SETTLED ? "…" : Math.ceil(frame.seconds_left ?? 0),
      });
    }
  }
}
