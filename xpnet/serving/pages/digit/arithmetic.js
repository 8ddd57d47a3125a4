// How a unit's number came about, written out: windows, kernels, products, sums, as elements for the page.

import { shade, largest } from "../shared/colours.js";
import { text } from "../shared/language.js";
import { percent, short } from "../shared/numbers.js";
import { grid, heads, make, pictures, total } from "./tables.js";

const FIRST = 4; // maps that are shown before one asks for all
const LISTED = 8; // products of a dense unit that are listed

// frame: what the server says of the unit; source: the strip of the layer that it was computed from, if it has one.
export function arithmetic(frame, source) {
  const { inputs, products } = frame.arrays;
  const isWindow = products && inputs.shape.length === 3;
  if (frame.operation === "softmax" && inputs) return [...softmax(frame), ...result(frame)];
  if (isWindow && frame.operation !== "average") return [...windows(frame, source), ...result(frame)];
  if (products && !isWindow) return [...weighted(frame, source), ...result(frame)];
  return [...others(frame), ...result(frame)];
}

// ---- what all end with: sum, bias, activation, value

function result(frame) {
  const { sum, bias, activation, value, formula, arrays, operation } = frame;
  const lines = [];
  if (arrays.products && operation !== "softmax") {
    lines.push([text("digit.unit.sum"), short(total(arrays.products.data))]);
    if (bias !== null && bias !== undefined) lines.push([text("digit.unit.bias"), short(bias)]);
    if (activation) lines.push([text("digit.unit.before"), short(sum)]);
    if (frame.activation_formula) lines.push([text("digit.unit.activation"), frame.activation_formula]);
  } else if (formula && operation !== "softmax" && operation !== "max") {
    lines.push([text("digit.unit.formula"), formula]);
  }
  const list = make("dl", "result number");
  for (const [term, number] of lines) list.append(make("dt", "", term), make("dd", "", number));
  const written = operation === "softmax" ? percent(value, 2) : short(value);
  list.append(make("dt", "total", text("digit.unit.value")), make("dd", "total", written));
  if (activation !== "relu") return [list];
  return [list, make("p", "faint", text(sum > 0 ? "digit.unit.relu.on" : "digit.unit.relu.off"))];
}

// ---- a convolution: window x kernel = products, for each map that it reads

function windows({ channels, arrays: { inputs, weights, products } }, source) {
  const [C, KH, KW] = inputs.shape;
  const area = KH * KW;
  const sums = Array.from({ length: C }, (_, c) => total(products.data, c * area, (c + 1) * area));
  const order = sums.map((_, c) => c).sort((one, other) => Math.abs(sums[other]) - Math.abs(sums[one]));
  const scales = [inputs, weights, products].map(({ data }) => largest(data));
  const row = (c) => {
    const grids = [inputs, weights, products].map(({ data }, i) =>
      grid(data.subarray(c * area, (c + 1) * area), KW, scales[i]),
    );
    const [times, equals] = ["×", "="].map((sign) => make("span", "sign", sign));
    const line = make("div", `window${KW > 3 ? " wide" : ""}`, grids[0], times, grids[1], equals, grids[2]);
    const title = text("digit.unit.map", { map: channels?.[c] ?? c, sum: short(sums[c]) });
    return make("div", "", ...(C === 1 ? [] : [make("p", "faint number", title)]), line);
  };
  const from = source ? source.title.textContent : "";
  const list = make("div", "windows", ...order.slice(0, FIRST).map(row));
  const words = text(C === 1 ? "digit.unit.conv.one" : "digit.unit.conv", { from, count: C });
  const parts = [make("p", "faint", words), list];
  if (C > FIRST) parts.push(...rest(C, order, sums, list, row));
  return parts;
}

function rest(C, order, sums, list, row) {
  const sum = order.slice(FIRST).reduce((a, c) => a + sums[c], 0);
  const line = make("p", "faint number", text("digit.unit.rest", { count: C - FIRST, sum: short(sum) }));
  const more = make("button", "", text("digit.unit.all", { count: C }));
  more.addEventListener("click", () => {
    list.append(...order.slice(FIRST).map(row));
    line.remove();
    more.remove();
  });
  return [line, more];
}

// ---- inputs x weights of a dense unit, as pictures where they were maps, and the largest products listed

function weighted({ operation, arrays: { inputs, weights, products } }, source) {
  const F = inputs.data.length;
  const known = { distance: "distance", other: "linear", normalization: "normalization" };
  const parts = [make("p", "faint", text(`digit.unit.${known[operation] ?? "dense"}`, { count: F }))];
  const shape = pictured(F, source);
  if (shape) parts.push(pictures(shape, { inputs, weights, products }));
  const order = Array.from({ length: F }, (_, i) => i);
  order.sort((one, other) => Math.abs(products.data[other]) - Math.abs(products.data[one]));
  const listed = F <= 12 ? order.sort((one, other) => one - other) : order.slice(0, LISTED);
  const table = make("table", "list number");
  const scale = largest(products.data);
  const columns = ["input", "weight", "product"].map((name) => text(`digit.unit.${name}`));
  heads(table, [shape ? text(shape[0] > 1 ? "digit.unit.where" : "digit.unit.where.one") : "#", ...columns]);
  for (const i of listed) {
    const row = table.insertRow();
    row.append(make("th", "", shape ? whereIn(shape, i) : String(i)));
    for (const { data } of [inputs, weights, products]) row.insertCell().textContent = short(data[i]);
    Object.assign(row.lastChild.style, shade(products.data[i], scale));
  }
  parts.push(table);
  if (F > listed.length) {
    const sum = total(products.data) - listed.reduce((a, i) => a + products.data[i], 0);
    parts.push(make("p", "faint number", text("digit.unit.others", { count: F - listed.length, sum: short(sum) })));
  }
  return parts;
}

// "12 (3, 0)": the map, if there are several, and row and column in it.
function whereIn([C, H, W], i) {
  const place = `(${Math.floor(i / W) % H}, ${i % W})`;
  return C > 1 ? `${Math.floor(i / (H * W))} ${place}` : place;
}

// The shape in which the inputs can be shown as pictures, if they are those of maps, or of the digit itself.
function pictured(F, source) {
  if (source?.layer.shape.length === 3 && source.shape.reduce((a, b) => a * b, 1) === F) return source.shape;
  return F === 28 * 28 ? [1, 28, 28] : null;
}

// ---- softmax, pooling, and what has a formula only

function softmax({ channel, arrays: { inputs } }) {
  const { data } = inputs;
  const most = Math.max(...data);
  const powers = Array.from(data, (z) => Math.exp(z - most));
  const sum = total(powers);
  const table = make("table", "list number");
  heads(table, ["#", "z", "exp(z − max)", "÷ Σ"]);
  powers.forEach((power, i) => {
    const row = table.insertRow();
    if (i === channel) row.className = "marked";
    row.append(make("th", "", String(i)));
    for (const number of [short(data[i]), short(power), percent(power / sum)]) row.insertCell().textContent = number;
  });
  return [make("p", "faint", text("digit.unit.softmax", { sum: short(sum) })), table];
}

const WORDS = new Set(["max", "average", "normalization", "elementwise", "copy"]);

function others({ operation, arrays: { inputs } }) {
  if (!inputs) return [];
  const { data, shape } = inputs;
  const parts = [];
  if (WORDS.has(operation)) parts.push(make("p", "faint", text(`digit.unit.${operation}`, { count: data.length })));
  const marked = operation === "max" ? data.indexOf(Math.max(...data)) : -1;
  const columns = shape.length === 3 ? shape[2] : Math.min(data.length, 5);
  if (data.length <= 64) parts.push(grid(data, columns, largest(data), marked));
  return parts;
}
