// Many small maps in one canvas, as tiles: maps of a layer, filters, or units, which are maps of one number each.

import { enlargement } from "./canvas.js";
import { largest, palette, step } from "./colours.js";

// Where the numbers of (C, H, W) lie in a canvas whose pixels are enlarged by CSS: each number is a square of `block`
// pixels, and `gap` pixels lie between maps.
export class Tiles {
  // wanted: width of a map in CSS pixels; room: of all of them; columns: maps in a row, if that is fixed.
  constructor([C, H, W], { wanted, room, columns = 0, gap = W > 1 ? 1 : 2 }) {
    Object.assign(this, { C, H, W, gap, scale: 1, columns: Math.max(1, columns) });
    this.block = W >= 10 ? 1 : W > 1 ? 2 : 8;
    this.scale = enlargement(wanted / (W * this.block));
    if (!columns) {
      const fitting = Math.floor((room / this.scale + this.gap) / (W * this.block + this.gap));
      this.columns = Math.max(1, Math.min(C, fitting));
    }
    const widest = room / (this.columns * (W * this.block + this.gap) - this.gap);
    if (this.scale > widest) this.scale = Math.max(enlargement(Math.floor(widest)), 1 / (devicePixelRatio || 1));
    this.rows = Math.ceil(C / this.columns);
  }

  get width() {
    return this.columns * (this.W * this.block + this.gap) - this.gap;
  }

  get height() {
    return this.rows * (this.H * this.block + this.gap) - this.gap;
  }

  // Column and row of the canvas where a map begins.
  corner(channel) {
    const [column, row] = [channel % this.columns, Math.floor(channel / this.columns)];
    return [column * (this.W * this.block + this.gap), row * (this.H * this.block + this.gap)];
  }

  // Gives the canvas its size.
  fit(canvas) {
    if (canvas.width !== this.width || canvas.height !== this.height) {
      [canvas.width, canvas.height] = [this.width, this.height];
    }
    canvas.style.width = `${this.width * this.scale}px`;
    canvas.style.height = `${this.height * this.scale}px`;
  }

  // Draws the values, C x H x W. common: all maps have the scale of the largest, else each its own.
  draw(canvas, values, { name = "signed", common = true, scale = 0 } = {}) {
    const image = new ImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = palette(name);
    const area = this.H * this.W;
    const most = scale || (common ? largest(values) : 0);
    for (let c = 0; c < this.C; c++) {
      const [left, top] = this.corner(c);
      const own = common || scale ? most : largest(values, c * area, (c + 1) * area);
      for (let i = 0, at = c * area; i < this.H; i++) {
        for (let j = 0; j < this.W; j++, at++) {
          this.square(pixels, left + j * this.block, top + i * this.block, colours[step(values[at], own)]);
        }
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  square(pixels, x, y, colour) {
    for (let i = y; i < y + this.block; i++) pixels.fill(colour, i * this.width + x, i * this.width + x + this.block);
  }

  // Which number lies at a place, in CSS pixels from the canvas's corner: { channel, row, column }, or null.
  at(x, y) {
    const [px, py] = [x / this.scale, y / this.scale];
    const [wide, high] = [this.W * this.block + this.gap, this.H * this.block + this.gap];
    const channel = Math.floor(py / high) * this.columns + Math.floor(px / wide);
    const column = Math.min(Math.floor((px % wide) / this.block), this.W - 1); // a gap belongs to what is before it
    const row = Math.min(Math.floor((py % high) / this.block), this.H - 1);
    const isInside = px >= 0 && py >= 0 && px < this.width && channel < this.C;
    return isInside ? { channel, row, column } : null;
  }

  // The box, in CSS pixels, of rows r0 .. r1 - 1 and columns c0 .. c1 - 1 of a map, cut to it: [x, y, width, height].
  box(channel, [r0, r1] = [0, this.H], [c0, c1] = [0, this.W]) {
    const [left, top] = this.corner(channel);
    const cut = (value, size) => Math.max(0, Math.min(size, value)) * this.block;
    const [x0, x1, y0, y1] = [cut(c0, this.W), cut(c1, this.W), cut(r0, this.H), cut(r1, this.H)];
    return [(left + x0) * this.scale, (top + y0) * this.scale, (x1 - x0) * this.scale, (y1 - y0) * this.scale];
  }
}
