// "That was a 7": a few steps of training on what was drawn, with the loss, and a way back.

import { sharp } from "../shared/canvas.js";
import { onLanguage, text } from "../shared/language.js";
import { colour, onTheme } from "../shared/theme.js";

const [WIDTH, HEIGHT] = [90, 30]; // of the curve, in CSS pixels

export class Teach {
  constructor(wire, drawing, networks) {
    Object.assign(this, { wire, networks, losses: {}, says: null });
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

  show({ slot, step, steps, loss }) {
    (this.losses[slot] ??= []).push(loss);
    this.canvas.hidden = false;
    this.draw();
    this.say("digit.lesson", { label: this.label, step, steps, loss: loss.toFixed(3) });
  }

  done(frame) {
    this.undo.hidden = !frame.undo;
    const { a } = this.losses;
    if (!a?.length) return;
    this.say("digit.taught", { label: this.label, from: a[0].toFixed(3), to: a[a.length - 1].toFixed(3) });
  }

  say(key, values = {}) {
    this.says = key && [key, values];
    this.write();
  }

  write() {
    this.words.textContent = this.says ? text(...this.says) : "";
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
