// "That was a 7": a few steps of training on what was drawn, with the loss, and a way back.

import { sharp } from "../shared/canvas.js";
import { onLanguage, text } from "../shared/language.js";
import { colour, onTheme } from "../shared/theme.js";
import { titleOf } from "./networks.js";

const [WIDTH, HEIGHT] = [90, 30]; // of the curve, in CSS pixels

export class Teach {
  constructor(wire, drawing, networks) {
    Object.assign(this, { wire, networks, losses: {}, answers: {}, says: null });
    this.words = document.getElementById("lesson");
    this.canvas = document.getElementById("losses");
    this.undo = document.getElementById("unteach");
    this.buttons = Array.from({ length: 10 }, (_, label) => {
      const button = document.createElement("button");
      button.textContent = label;
      button.addEventListener("click", () => this.teach(label));
      return button;
    });
    document.getElementById("teach").append(...this.buttons);
    this.undo.addEventListener("click", () => wire.ask("undo"));
    const enable = (isBlank) => this.buttons.forEach((button) => (button.disabled = isBlank));
    enable(true);
    drawing.onChange(() => {
      enable(drawing.isBlank);
      if (!drawing.isDown) return;
      this.say(null);
      this.canvas.hidden = true;
    });
    wire.on("lesson", (frame) => this.show(frame));
    wire.on("taught", (frame) => this.done(frame));
    wire.on("undone", (frame) => {
      this.canvas.hidden = true;
      this.say("digit.undone");
      this.undo.hidden = !frame.undo;
    });
    wire.on("error", (frame) => frame.about === "teach" && this.say(null));
    wire.on("closed", () => (this.undo.hidden = true));
    onLanguage(() => {
      this.write();
      this.buttons.forEach((button, label) => button.setAttribute("aria-label", text("digit.was", { label })));
    });
    onTheme(() => this.draw());
  }

  teach(label) {
    this.losses = {};
    this.label = label;
    this.canvas.hidden = true;
    if (this.wire.ask("teach", { label })) this.say("digit.teaching", { label });
  }

  show({ slot, step, steps, loss, arrays }) {
    const { data } = arrays.probabilities;
    (this.losses[slot] ??= []).push(loss);
    this.answers[slot] = data.indexOf(Math.max(...data));
    this.canvas.hidden = false;
    this.draw();
    this.say("digit.lesson", { label: this.label, step, steps, loss: loss.toFixed(3) });
  }

  done(frame) {
    this.undo.hidden = !frame.undo;
    if (Object.keys(this.losses).length) this.say("taught");
  }

  say(key, values = {}) {
    this.says = key && [key, values];
    this.write();
  }

  write() {
    const isTaught = this.says?.[0] === "taught";
    this.words.textContent = isTaught ? this.result() : this.says ? text(...this.says) : "";
  }

  // Of each network that was taught, what it reads now.
  result() {
    const { label } = this;
    const taught = Object.keys(this.losses).filter((slot) => this.networks.slots[slot]);
    const parts = taught.map((slot) => {
      const [from, to] = [this.losses[slot][0], this.losses[slot].at(-1)].map((loss) => loss.toFixed(3));
      const answer = this.answers[slot];
      const key = answer === label ? "digit.taught.reads" : "digit.taught.still";
      return text(key, { name: this.networks.slots[slot].name, answer, from, to });
    });
    return [text(taught.length > 1 ? "digit.taught.both" : "digit.taught.one", { label }), ...parts].join(" ");
  }

  // The losses of both slots as curves, from the first step to the last, above zero.
  draw() {
    if (this.canvas.hidden) return;
    const context = sharp(this.canvas, WIDTH, HEIGHT);
    const most = Math.max(1e-3, ...Object.values(this.losses).flat());
    context.lineWidth = 2;
    for (const [slot, losses] of Object.entries(this.losses)) {
      context.strokeStyle = colour(slot === "a" ? "--accent" : "--second");
      context.beginPath();
      losses.forEach((loss, i) => {
        const across = (i * (WIDTH - 4)) / Math.max(1, losses.length - 1);
        context.lineTo(2 + across, HEIGHT - 2 - ((HEIGHT - 4) * loss) / most);
      });
      context.stroke();
    }
  }
}
