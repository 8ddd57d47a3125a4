// Digits that others wrote: the 10,000 test digits, at random, by number, or those that the network misreads.

import { enlargement, rem } from "../shared/canvas.js";
import { onLanguage, text } from "../shared/language.js";
import { onTheme } from "../shared/theme.js";
import { Tiles } from "../shared/tiles.js";

export class Samples {
  constructor(wire, drawing) {
    Object.assign(this, { wire, drawing, says: null, mistakes: null });
    this.note = document.getElementById("sample-note");
    this.index = document.getElementById("index");
    this.gallery = document.getElementById("gallery");
    this.opener = document.getElementById("mistakes");
    document.getElementById("random").addEventListener("click", () => this.ask("random"));
    document.getElementById("misread").addEventListener("click", () => this.ask("misclassified"));
    document.getElementById("numbered").addEventListener("submit", (event) => {
      event.preventDefault();
      if (Number.isNaN(this.index.valueAsNumber)) this.say("digit.number.none");
      else this.ask(this.index.valueAsNumber);
    });
    this.index.addEventListener("input", () => (this.isTyped = true)); // and nothing takes its place until it is asked
    this.opener.addEventListener("click", () => this.toggle());
    wire.on("sample", (frame) => this.show(frame));
    wire.on("mistakes", (frame) => this.list(frame));
    wire.on("network", (frame) => frame.slot === "a" && this.close());
    drawing.onChange(() => drawing.isDown && this.say(null));
    onLanguage(() => {
      this.write();
      this.hang();
    });
    onTheme(() => this.hang());
  }

  ask(which) {
    this.isTyped = false;
    if (which === "misclassified") this.say("digit.searching");
    this.wire.ask("sample", { which });
  }

  show({ index, label, arrays }) {
    if (!this.isTyped) this.index.value = index;
    this.say("digit.sample", { index, label });
    this.drawing.isPicture = false;
    this.drawing.lay(arrays.pixels.data);
  }

  // ---- all that are misread

  toggle() {
    if (!this.gallery.hidden) return this.close();
    this.say("digit.searching");
    this.wire.ask("mistakes", { slot: "a" });
  }

  close() {
    this.gallery.hidden = true;
    if (this.mistakes) this.say(null);
    this.mistakes = null;
    this.opener.setAttribute("aria-expanded", "false");
  }

  list(frame) {
    this.mistakes = frame;
    this.gallery.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    const found = frame.wrong ? "digit.mistakes.note" : "digit.mistakes.none";
    this.say(frame.done === false ? "digit.searched" : found, frame);
    this.hang();
  }

  hang() {
    if (!this.mistakes) return;
    const { indices, labels, answers, arrays } = this.mistakes;
    const tiles = new Tiles([1, 28, 28], { wanted: Math.max(2.6 * rem(), 28 * enlargement(1)), room: 9 * rem() });
    const buttons = indices.map((index, i) => {
      const [button, canvas, words] = ["button", "canvas", "span"].map((tag) => document.createElement(tag));
      canvas.className = "pixels";
      tiles.fit(canvas);
      tiles.draw(canvas, arrays.pixels.data.subarray(784 * i, 784 * (i + 1)), { name: "ink", scale: 255 });
      words.textContent = `${labels[i]} → ${answers[i]}`;
      words.className = "number";
      const about = { index, label: labels[i], answer: answers[i] };
      button.setAttribute("aria-label", text("digit.mistake", about));
      button.title = text("digit.mistake", about);
      button.addEventListener("click", () => this.ask(index));
      button.append(canvas, words);
      return button;
    });
    this.gallery.replaceChildren(...buttons);
  }

  say(key, values = {}) {
    this.says = key && [key, values];
    this.write();
  }

  write() {
    this.note.textContent = this.says ? text(...this.says) : "";
  }
}
