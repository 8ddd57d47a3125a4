// What kinds of layers are called, and how large their outputs are, in the language of the page.

import { text } from "../shared/language.js";

const KNOWN = new Set(
  (
    "input kernels conv pool dense relu tanh sigmoid softmax norm flatten dropout subsampling global_pool" +
    " adaptive_pool radial_basis lrn pad add concat reshape"
  ).split(" "),
);

// Layers that hand on the numbers they get: they have nothing new to show.
export function isCopy(kind) {
  return kind === "flatten" || kind === "dropout" || kind === "reshape";
}

// A kind that this page has no word for keeps the library's own.
export function nameOf(kind) {
  return KNOWN.has(kind) ? text(`digit.kind.${kind}`) : kind;
}

export function sizeOf(shape, isKernels = false) {
  if (shape.length !== 3) return text("digit.size.units", { count: shape.reduce((a, b) => a * b, 1) });
  const [count, rows, columns] = shape;
  if (isKernels) return text("digit.size.kernels", { count, rows, columns });
  return text(count === 1 ? "digit.size.map" : "digit.size.maps", { count, rows, columns });
}

// Where a unit lies in its layer: "map 3, row 12, column 8", or "unit 5".
export function placeOf(shape, { channel, row, column }) {
  return shape.length === 3
    ? text("digit.place.map", { channel, row, column })
    : text("digit.place.unit", { channel });
}
