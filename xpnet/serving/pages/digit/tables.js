// Elements that hold numbers: windows with colours, tables, and pictures of many.

import { rem } from "../shared/canvas.js";
import { shade } from "../shared/colours.js";
import { text } from "../shared/language.js";
import { beside, short } from "../shared/numbers.js";
import { Tiles } from "../shared/tiles.js";

export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

// The sum of data[from .. to).
export function total(data, from = 0, to = data.length) {
  let sum = 0;
  for (let i = from; i < to; i++) sum += data[i];
  return sum;
}

// A window as a table; marked: the number of the one that stands out.
export function grid(values, columns, scale, marked = -1) {
  const table = make("table", "grid");
  table.style.width = `calc(${columns} * var(--cell))`;
  const written = Array.from(values, (value) => beside(value, scale));
  table.style.setProperty("--longest", Math.max(...written.map((word) => word.length)));
  for (let i = 0; i < values.length; i += columns) {
    const row = table.insertRow();
    for (let k = i; k < Math.min(i + columns, values.length); k++) {
      const cell = row.insertCell();
      cell.textContent = written[k];
      cell.title = short(values[k]);
      Object.assign(cell.style, shade(values[k], scale));
      if (k === marked) cell.className = "marked";
    }
  }
  return table;
}

export function heads(table, names) {
  table
    .createTHead()
    .insertRow()
    .append(...names.map((name) => make("th", "", name)));
}

// Inputs, weights and products, each as one picture of maps (C, H, W).
export function pictures(shape, arrays) {
  const row = make("div", "pictures");
  const columns = Math.ceil(Math.sqrt(shape[0]));
  const tiles = new Tiles(shape, { wanted: (6.4 * rem()) / columns - 1, room: 7.2 * rem(), columns });
  for (const [name, { data }] of Object.entries(arrays)) {
    const canvas = make("canvas", "pixels");
    tiles.fit(canvas);
    tiles.draw(canvas, data);
    const title = text(`digit.unit.${name}`);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    row.append(make("figure", "", canvas, make("figcaption", "", title)));
  }
  return row;
}
