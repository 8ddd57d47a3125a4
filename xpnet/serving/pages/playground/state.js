// What the playground is: one plain object, with the seed in it, so that it says everything. In the address, after the
// #, stands what differs from the defaults: #data=spiral&noise=10&hidden=8relu,4&seed=3

const LAYER = { activation: "tanh", batch_norm: false, dropout: 0 };

export const DEFAULTS = {
  problem: "classification",
  data: "circle",
  points: [],
  classes: 2,
  noise: 0,
  train: 50,
  batch: 10,
  seed: 1,
  inputs: ["x1", "x2"],
  hidden: [
    { ...LAYER, units: 4 },
    { ...LAYER, units: 2 },
  ],
  loss: "auto",
  optimizer: "sgd",
  lr: 0.03,
  regularization: "none",
  rate: 0,
  initializer: "xavier",
  show_test: false,
  discrete: false,
};

export const INPUTS = ["x1", "x2", "x1^2", "x2^2", "x1x2", "sin x1", "sin x2"];
export const DATA = {
  classification: ["circle", "xor", "gauss", "spiral", "blobs", "own"],
  regression: ["plane", "multigauss", "own"],
};
export const LOSSES = {
  two: ["auto", "binary_cross_entropy", "mean_squared_error", "hinge", "squared_hinge"],
  several: ["auto", "softmax_cross_entropy", "mean_squared_error", "multi_class_hinge"],
  regression: ["auto", "mean_squared_error", "mean_absolute_error", "huber"],
};
export const CHOICES = {
  problem: Object.keys(DATA),
  optimizer: ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "radam", "lion", "muon"],
  activation: ["relu", "tanh", "sigmoid", "linear"],
  regularization: ["none", "L1", "L2"],
  initializer: ["xavier", "he", "uniform", "small", "large", "zeros"],
  lr: [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  rate: [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  dropout: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
};
export const MOST = { layers: 6, units: 8, classes: 6 };

// What can change while the network keeps what it has learned; anything else begins anew.
const KEPT = ["batch", "loss", "optimizer", "lr", "regularization", "rate", "show_test", "discrete"];
// What the page alone needs to know.
const SHOWN = ["show_test", "discrete"];

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export function differing(a, b) {
  return Object.keys(DEFAULTS).filter((key) => !same(a[key], b[key]));
}

export function keeps(a, b) {
  return differing(a, b).every((key) => KEPT.includes(key));
}

export function onlyShown(a, b) {
  return differing(a, b).every((key) => SHOWN.includes(key));
}

export function newLayer(units, activation) {
  return { ...LAYER, units, activation };
}

// The losses that fit the problem, and the number of outputs.
export function lossesOf(state) {
  return LOSSES[state.problem === "regression" ? "regression" : outputsOf(state) > 1 ? "several" : "two"];
}

export function outputsOf(state) {
  return state.problem === "classification" && state.classes > 2 ? state.classes : 1;
}

// A change makes others necessary: data sets and losses belong to a problem, and only some data have several classes.
export function settled(state) {
  const next = { ...state };
  next.hidden = next.hidden.map((layer) => ({ ...LAYER, ...layer })); // in one order, so that they can be compared
  next.inputs = INPUTS.filter((name) => next.inputs.includes(name));
  if (next.inputs.length === 0) next.inputs = DEFAULTS.inputs;
  if (!DATA[next.problem].includes(next.data)) next.data = DATA[next.problem][0];
  if (next.data === "blobs") next.classes = Math.max(3, next.classes);
  else if (!["own", "spiral"].includes(next.data) || next.problem === "regression") next.classes = 2;
  if (next.data !== "own") next.points = [];
  if (!lossesOf(next).includes(next.loss)) next.loss = "auto";
  return next;
}

// ---- the address

// hidden: names of controls that are put away.
export function toHash(state, lesson, hidden) {
  const parts = differing(state, DEFAULTS).map((key) => `${key}=${write(key, state[key])}`);
  if (lesson) parts.unshift(`lesson=${lesson}`);
  if (hidden.length) parts.push(`hide=${hidden.join(",")}`);
  return parts.join("&");
}

// { state, lesson, hidden, misread }; what cannot be read is as in the defaults. misread: what was not taken as it is
// given, { given, taken } each.
export function fromHash(hash) {
  const state = { ...DEFAULTS };
  const given = [];
  let [lesson, hidden] = ["", []];
  for (const part of decoded(hash.replace(/^#/, "")).split("&")) {
    const [key, ...rest] = part.split("=");
    const value = rest.join("=");
    if (key) given.push([key, value]);
    if (key === "lesson") lesson = value.replace(/\W/g, "");
    else if (key === "hide") hidden = value.split(",").filter((name) => /^[\w.]+$/.test(name));
    else if (Object.hasOwn(DEFAULTS, key)) state[key] = read(key, value) ?? DEFAULTS[key];
  }
  const taken = settled(state);
  const misread = given
    .filter(([key, value]) => !["lesson", "hide"].includes(key) && !isTaken(key, value, taken))
    .map(([key, value]) => ({
      given: value ? `${key}=${value}` : key,
      taken: Object.hasOwn(DEFAULTS, key) ? write(key, taken[key]) : "",
    }));
  return { state: taken, lesson, hidden, misread };
}

// Whether the state has just what the address says, in whatever way it is written.
function isTaken(key, value, state) {
  if (!Object.hasOwn(DEFAULTS, key)) return false;
  if (typeof DEFAULTS[key] === "number") return value.trim() !== "" && Number(value) === state[key];
  if (typeof DEFAULTS[key] === "boolean") return value === "yes" || value === "no";
  if (key === "hidden") return value === "none" || (value.split(",").every(isLayer) && !isShorter(value, state.hidden));
  if (key === "points") return value === "" || !isShorter(value, state.points, ";");
  if (key === "inputs") {
    const known = INPUTS.map((name) => name.replace(" ", ""));
    return value.split(",").every((name) => known.includes(name));
  }
  return value === state[key];
}

function isLayer(text) {
  const [, units, activation, dropout] = /^(\d+)([a-z]*)(?:\+norm)?(?:\+drop(\d*\.?\d+))?$/.exec(text) ?? [];
  const known = activation === "" || CHOICES.activation.includes(activation);
  return known && Number(units) >= 1 && Number(units) <= MOST.units && Number(dropout ?? 0) <= 0.8;
}

function isShorter(value, list, mark = ",") {
  return list.length < value.split(mark).length;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function write(key, value) {
  if (key === "inputs") return value.map((name) => name.replace(" ", "")).join(",");
  if (key === "hidden") return value.map(writeLayer).join(",") || "none";
  if (key === "points") return value.map((point) => point.join(",")).join(";");
  return value === true ? "yes" : value === false ? "no" : String(value);
}

function writeLayer({ units, activation, batch_norm, dropout }) {
  const called = activation === LAYER.activation ? "" : activation;
  return `${units}${called}${batch_norm ? "+norm" : ""}${dropout ? `+drop${dropout}` : ""}`;
}

function read(key, value) {
  if (key === "inputs") return INPUTS.filter((name) => value.split(",").includes(name.replace(" ", "")));
  if (key === "hidden")
    return value === "none" ? [] : value.split(",").map(readLayer).filter(Boolean).slice(0, MOST.layers);
  if (key === "points")
    return value
      .split(";")
      .map((point) => point.split(",").map(Number))
      .filter(isPoint);
  if (typeof DEFAULTS[key] === "boolean") return value === "yes";
  if (typeof DEFAULTS[key] === "number") return readNumber(key, value);
  const known = { data: Object.values(DATA).flat(), loss: Object.values(LOSSES).flat(), ...CHOICES }[key];
  return known.includes(value) ? value : undefined;
}

export const RANGES = {
  classes: [2, MOST.classes],
  noise: [0, 50],
  train: [10, 90],
  batch: [1, 30],
  seed: [0, 2 ** 31 - 1],
  lr: [0, 100],
  rate: [0, 100],
};

function readNumber(key, value) {
  const number = value.trim() === "" ? NaN : Number(value);
  const [least, most] = RANGES[key];
  if (!Number.isFinite(number) || (key === "lr" && number <= 0)) return undefined;
  const whole = key === "lr" || key === "rate" ? number : Math.round(number);
  return Math.min(most, Math.max(least, whole));
}

function readLayer(text) {
  const [, units, activation, rest] = /^(\d+)([a-z]*)(.*)$/.exec(text) ?? [];
  if (!units) return null;
  const dropout = Number(/\+drop([\d.]+)/.exec(rest)?.[1] ?? 0);
  return {
    units: Math.min(MOST.units, Math.max(1, Number(units))),
    activation: CHOICES.activation.includes(activation) ? activation : LAYER.activation,
    batch_norm: rest.includes("+norm"),
    dropout: Math.min(0.8, Number.isFinite(dropout) ? dropout : 0),
  };
}

function isPoint(point) {
  return point.length === 3 && point.every(Number.isFinite);
}
