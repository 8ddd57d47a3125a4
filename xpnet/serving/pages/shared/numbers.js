// Numbers as people read them.

import { language } from "./language.js";

const MINUS = "\u2212";

// With as many digits as tell it apart from its neighbours: 12.3, 1.23, 0.123, 0.0012; "–0" is written 0.
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (value === 0) return "0";
  if (Math.abs(value) === Infinity) return value < 0 ? `${MINUS}∞` : "∞";
  const size = Math.abs(value);
  let written;
  if (size >= 1e5 || size < 1e-4) written = size.toExponential(1);
  else if (size >= 100) written = size.toFixed(0);
  else if (size >= 10) written = size.toFixed(1);
  else if (size >= 0.01) written = size.toFixed(2);
  else written = size.toPrecision(1);
  return (value < 0 ? MINUS : "") + written;
}

// Numbers of which the largest has the size `scale`, with as many digits as they need beside each other, and
// without a zero in front, as there is little room: 1.23, .45; or .004.
export function beside(value, scale) {
  if (Math.abs(value) === Infinity) return short(value);
  const digits = scale >= 100 ? 0 : scale >= 10 ? 1 : scale >= 0.1 ? 2 : scale >= 0.01 ? 3 : 4;
  const written = Math.abs(value).toFixed(digits);
  const isZero = Number(written) === 0;
  return (value < 0 && !isZero ? MINUS : "") + (isZero ? "0" : written.replace(/^0\./, "."));
}

export function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)} %`;
}

// 123,456
export function whole(value) {
  return value.toLocaleString(language.now);
}
