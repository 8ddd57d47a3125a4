// The curves: losses and metrics, learning rates and throughput, by step or by epoch, a chart for each.

import { oncePerFrame } from "../shared/canvas.js";
import { onLanguage, text } from "../shared/language.js";
import { Chart } from "./chart.js";
import { short } from "./numbers.js";

const KNOWN = { loss: "watch.loss", accuracy: "watch.accuracy", lr: "watch.rate" };
const SMOOTH = 0.02; // share of the points that a smoothed one is a mean of, about

class Table {
  constructor() {
    this.clear();
  }

  clear() {
    [this.names, this.x, this.rows, this.last] = [[], [], [], null];
  }

  // A frame's points take the place of those from `first` on.
  take({ first, names, unfinished, arrays }) {
    const { x, values } = arrays;
    this.names = names;
    this.x.length = this.rows.length = Math.min(first, this.x.length);
    const width = names.length;
    for (let i = 0; i < x.data.length; i++) {
      this.x.push(x.data[i]);
      this.rows.push(Array.from(values.data.subarray(i * width, (i + 1) * width)));
    }
    this.last = unfinished;
  }

  // One curve; `over`: the name of the values that are its axis, instead of x.
  curve(name, over = null) {
    const [column, axis] = [this.names.indexOf(name), this.names.indexOf(over)];
    const found = { x: [], y: [] };
    if (column < 0) return found;
    const all = this.last ? [...this.rows, this.last[1]] : this.rows;
    all.forEach((row, i) => {
      if (row[column] === null || !Number.isFinite(row[column])) return;
      found.x.push(axis >= 0 ? row[axis] : i < this.x.length ? this.x[i] : this.last[0]);
      found.y.push(row[column]);
    });
    return found;
  }
}

export function startCurves(wire) {
  const place = document.getElementById("curves");
  const tables = { steps: new Table(), epochs: new Table() };
  const charts = new Map();
  const choice = { epochs: false, log: false };
  let marks = [];

  function show() {
    for (const name of quantities(tables)) {
      if (!charts.has(name)) charts.set(name, new Chart(place));
      charts.get(name).show({
        title: titleOf(name),
        axis: text(choice.epochs ? "watch.epoch" : "watch.step"),
        series: choice.epochs ? byEpoch(tables, name) : byStep(tables, name),
        marks: choice.epochs ? [] : marks.map((mark) => ({ x: mark.x, name: nameOf(mark) })),
        log: choice.log && !isSpeed(name),
        fromZero: isSpeed(name) || isRate(name),
      });
    }
  }

  const showSoon = oncePerFrame(show);

  function choose(epochs) {
    choice.epochs = epochs;
    document.getElementById("by-step").setAttribute("aria-pressed", String(!epochs));
    document.getElementById("by-epoch").setAttribute("aria-pressed", String(epochs));
    showSoon();
  }

  document.getElementById("by-step").addEventListener("click", () => choose(false));
  document.getElementById("by-epoch").addEventListener("click", () => choose(true));
  document.getElementById("log").addEventListener("change", (event) => {
    choice.log = event.target.checked;
    showSoon();
  });
  for (const name of Object.keys(tables)) {
    wire.on(name, (frame) => {
      tables[name].take(frame);
      showSoon();
    });
  }
  wire.on("state", (state) => (marks = state.marks));
  wire.on("open", () => {
    for (const table of Object.values(tables)) table.clear();
    for (const chart of charts.values()) chart.figure.remove();
    charts.clear();
  });
  onLanguage(showSoon);
}

// What there is a chart of: losses and metrics first, in the order in which they came, then rates and throughput.
function quantities({ steps, epochs }) {
  const names = [...steps.names, ...epochs.names].map((name) => name.replace(/^val_/, ""));
  const found = [...new Set(names)].filter((name) => name !== "epoch");
  const order = (name) => (name === "loss" ? 0 : isSpeed(name) ? 4 : isRate(name) ? 3 : /loss/.test(name) ? 1 : 2);
  return found.sort((a, b) => order(a) - order(b));
}

function isRate(name) {
  return name === "lr" || name.endsWith("_lr");
}

function isSpeed(name) {
  return name === "samples_per_second";
}

function titleOf(name) {
  if (isSpeed(name)) return text("watch.throughput");
  return KNOWN[name] ? text(KNOWN[name]) : name;
}

function nameOf(mark) {
  const values = { name: mark.name, before: short(mark.before, 3), after: short(mark.after, 3) };
  return text(`watch.mark.${mark.what}`, values);
}

function byStep({ steps, epochs }, name) {
  const [curve, held] = [steps.curve(name), epochs.curve(`val_${name}`)];
  const training = { name: text("watch.training"), colour: "--positive" };
  if (isRate(name) || isSpeed(name)) training.name = text("watch.value");
  const found = [];
  if (isSpeed(name) || (curve.x.length > 100 && /loss/.test(name))) {
    found.push({ ...curve, ...training, faint: true }, { ...smooth(curve), ...training });
  } else if (curve.x.length) found.push({ ...curve, ...training });
  else found.push({ ...epochs.curve(name), ...training, dots: true }); // of a run before this one
  if (held.x.length) found.push({ ...held, ...validation(), dots: true });
  return found;
}

function byEpoch({ epochs }, name) {
  const [curve, held] = [epochs.curve(name, "epoch"), epochs.curve(`val_${name}`, "epoch")];
  const whose = isRate(name) || isSpeed(name) ? "watch.value" : "watch.training";
  const found = [{ ...curve, name: text(whose), colour: "--positive", dots: true }];
  if (held.x.length) found.push({ ...held, ...validation(), dots: true });
  return found;
}

function validation() {
  return { name: text("watch.validation"), colour: "--negative", dashed: true };
}

// A running mean, over about SMOOTH of all points.
function smooth({ x, y }) {
  const share = 1 / Math.max(1, SMOOTH * y.length);
  const found = [];
  let [mean, weight] = [0, 0];
  for (const value of y) {
    mean += share * (value - mean);
    weight += share * (1 - weight);
    found.push(mean / weight);
  }
  return { x, y: found };
}
