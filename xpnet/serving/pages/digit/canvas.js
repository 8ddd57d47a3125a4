// The sheet to draw on: with mouse, pen, finger or keys. Ink is what covers the canvas (its alpha), so that the colour
// of the ink can follow the theme: 0 is paper, 255 full ink.

import { text } from "../shared/language.js";
import { colour, onTheme } from "../shared/theme.js";

export const SIZE = 280; // of the sheet, each way
const MOST_KEPT = 40; // sheets, for going back
const STRIDE = 10; // of the pen, for each press of an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.pen = document.getElementById("pen");
    this.hint = document.getElementById("hint");
    this.back = document.getElementById("back");
    this.width = document.getElementById("width");
    this.listeners = [];
    this.kept = [];
    this.isDown = false; // whether a stroke is being drawn
    this.isBlank = true;
    this.last = [SIZE / 2, SIZE / 4]; // where the pen is
    this.listen();
  }

  // Called whenever the ink has changed, and when a stroke ends.
  onChange(listener) {
    this.listeners.push(listener);
  }

  changed() {
    this.hint.hidden = !this.isBlank;
    this.back.disabled = this.kept.length === 0;
    for (const listener of this.listeners) listener();
  }

  // Uint8Array, 280 x 280.
  ink() {
    const { data } = this.context.getImageData(0, 0, SIZE, SIZE);
    return Uint8Array.from({ length: SIZE * SIZE }, (_, i) => data[4 * i + 3]);
  }

  // Lays ink on the sheet in the place of what is there: 28 x 28, each as a square, or 280 x 280.
  lay(pixels) {
    this.keep();
    const times = SIZE / Math.sqrt(pixels.length);
    const side = SIZE / times;
    this.put(
      Uint8Array.from({ length: SIZE * SIZE }, (_, i) => {
        const [row, column] = [Math.floor(i / SIZE), i % SIZE];
        return pixels[Math.floor(row / times) * side + Math.floor(column / times)];
      }),
    );
  }

  clear() {
    if (this.isBlank) return;
    this.keep();
    this.put(new Uint8Array(SIZE * SIZE));
  }

  undo() {
    if (this.kept.length) this.put(this.kept.pop());
  }

  keep() {
    this.kept.push(this.ink());
    if (this.kept.length > MOST_KEPT) this.kept.shift();
  }

  put(ink) {
    const image = new ImageData(SIZE, SIZE);
    for (let i = 0; i < ink.length; i++) image.data[4 * i + 3] = ink[i];
    this.context.putImageData(image, 0, 0);
    this.isBlank = ink.every((value) => value === 0);
    this.dye();
    this.changed();
  }

  // Gives all ink the theme's colour.
  dye() {
    this.context.save();
    this.context.globalCompositeOperation = "source-in";
    this.context.fillStyle = colour("--ink");
    this.context.fillRect(0, 0, SIZE, SIZE);
    this.context.restore();
  }

  // ---- strokes

  begin(point) {
    this.keep();
    this.isDown = true;
    this.isBlank = false;
    this.last = point;
    this.dot();
    this.draw([point]);
  }

  // Where the pen comes down: a line to the same place would leave nothing.
  dot() {
    const { context } = this;
    context.fillStyle = colour("--ink");
    context.beginPath();
    context.arc(...this.last, this.width.valueAsNumber / 2, 0, 2 * Math.PI);
    context.fill();
  }

  draw(points) {
    const { context } = this;
    Object.assign(context, { lineWidth: this.width.valueAsNumber, lineCap: "round", lineJoin: "round" });
    context.strokeStyle = colour("--ink");
    context.beginPath();
    context.moveTo(...this.last);
    for (const point of points) context.lineTo(...point);
    context.stroke();
    this.last = points[points.length - 1];
    this.changed();
  }

  end() {
    if (!this.isDown) return;
    this.isDown = false;
    this.changed();
  }

  listen() {
    const { canvas } = this;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.isDown) return;
      canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.pen.hidden = true;
      this.begin(place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.isDown || event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents?.() ?? [];
      this.draw((events.length ? events : [event]).map(place));
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => event.pointerId === this.pointer && this.end());
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.pen.hidden = true;
      if (this.isDown) this.end();
    });
    document.getElementById("clear").addEventListener("click", () => this.clear());
    this.back.addEventListener("click", () => this.undo());
    this.back.disabled = true;
    onTheme(() => this.dye());
  }

  key(event) {
    const { key } = event;
    if (key in ARROWS && !event.ctrlKey && !event.metaKey) {
      const stride = event.shiftKey ? STRIDE / 5 : STRIDE;
      const point = this.last.map((at, k) => Math.max(0, Math.min(SIZE, at + stride * ARROWS[key][k])));
      if (this.isDown) this.draw([point]);
      this.last = point;
    } else if (key === " " || key === "Enter") {
      if (this.isDown) this.end();
      else this.begin(this.last);
      document.getElementById("said").textContent = text(this.isDown ? "digit.pen.down" : "digit.pen.up");
    } else if (key === "Escape") this.end();
    else if (key === "Delete" || key === "Backspace") this.clear();
    else if (key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    this.pen.hidden = false;
    this.pen.classList.toggle("down", this.isDown);
    this.pen.style.left = `${(100 * this.last[0]) / SIZE}%`;
    this.pen.style.top = `${(100 * this.last[1]) / SIZE}%`;
  }
}
