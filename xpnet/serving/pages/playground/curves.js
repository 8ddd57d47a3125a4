// The curves of the training and the test loss.

import { onLanguage, text } from "../shared/language.js";
import { whole } from "../shared/numbers.js";
import { colour, onTheme } from "../shared/theme.js";
import { sharp } from "./colours.js";
import { byId, short } from "./page.js";

const MARGIN = { left: 38, right: 8, top: 8, bottom: 20 };

export class Curves {
  constructor(page) {
    this.canvas = byId("curves");
    this.clear();
    page.wire.on("curves", (frame) => this.take(frame));
    onTheme(() => this.draw());
    onLanguage(() => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  clear() {
    Object.assign(this, { train: [], test: [], steps: [] });
  }

  take({ first, train, test, steps }) {
    for (const [key, more] of Object.entries({ train, test, steps })) {
      this[key].length = Math.min(first, this[key].length);
      this[key].push(...more);
    }
    this.draw();
  }

  draw() {
    if (!this.canvas.clientWidth) return;
    const { context, width, height } = sharp(this.canvas);
    const known = [...this.train, ...this.test].filter((loss) => loss !== null);
    const top = rounded(known.reduce((most, loss) => Math.max(most, loss), 0) || 1);
    const last = this.steps.at(-1) || 1;
    const x = (step) => MARGIN.left + ((width - MARGIN.left - MARGIN.right) * step) / last;
    const y = (loss) => height - MARGIN.bottom - ((height - MARGIN.top - MARGIN.bottom) * loss) / top;
    this.axes(context, width, height, top, last, y);
    this.line(context, this.test, x, y, colour("--faint"), [5, 4]);
    this.line(context, this.train, x, y, colour("--accent"), []);
    const now = { train: short(this.train.at(-1)), test: short(this.test.at(-1)) };
    this.canvas.setAttribute("aria-label", text("playground.curves.label", now));
  }

  axes(context, width, height, top, last, y) {
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.fillStyle = colour("--faint");
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      const height = Math.round(y(share * top)) + 0.5;
      context.beginPath();
      context.moveTo(MARGIN.left, height);
      context.lineTo(width - MARGIN.right, height);
      context.stroke();
      context.fillText(short(share * top), MARGIN.left - 5, height);
    }
    context.textBaseline = "alphabetic";
    if (this.steps.length > 1)
      context.fillText(text("playground.curves.step", { number: whole(last) }), width - MARGIN.right, height - 5);
  }

  line(context, losses, x, y, ink, dashes) {
    context.strokeStyle = ink;
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.setLineDash(dashes);
    context.beginPath();
    const stride = Math.max(1, Math.floor(losses.length / 800));
    let drawn = false;
    for (let i = 0; i < losses.length; i += stride) {
      if (losses[i] === null) continue;
      if (drawn) context.lineTo(x(this.steps[i]), y(losses[i]));
      else context.moveTo(x(this.steps[i]), y(losses[i]));
      drawn = true;
    }
    context.stroke();
    context.setLineDash([]);
  }
}

// The next number that is easily read: 1, 2, 4, 6, 8 or 10 of its size.
function rounded(number) {
  const size = 10 ** Math.floor(Math.log10(number));
  return size * [1, 2, 4, 6, 8, 10].find((each) => each * size >= number * 0.999);
}
