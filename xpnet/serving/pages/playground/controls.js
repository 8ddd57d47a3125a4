// The bar at the top: run, step, reset, and how the network learns.

import { onLanguage, text, translate } from "../shared/language.js";
import { whole } from "../shared/numbers.js";
import { byId, make, short } from "./page.js";
import { CHOICES, lossesOf } from "./state.js";

// The choices of a select. Numbers stand as they are; words have a text in each language. What is there already stays,
// so that the select keeps the focus.
export function fill(select, values, kind) {
  const wanted = values.map(String);
  if ([...select.options].map((option) => option.value).join() === wanted.join()) return;
  const option = (value) =>
    kind ? make("option", { value, "data-text": `playground.${kind}.${value}` }) : make("option", { value }, value);
  select.replaceChildren(...wanted.map(option));
  translate(select);
}

// A select of numbers shows also one that is not among its choices: it may come from an address or a file.
export function fillNumbers(select, values, now) {
  fill(select, values.includes(now) ? values : [...values, now].sort((a, b) => a - b));
  select.value = String(now);
}

const PACES = [2, 20, 200, 1000, 0]; // steps a second; 0: as many as it can

export function startControls(page) {
  startRunning(page);
  startSettings(page);
}

function startRunning(page) {
  let running = false;
  let counted = null;
  let speed = 0; // steps a second, of late
  let compiling = false;
  let lost = keeper.read(); // whether there was a training, which has gone with the page or the server
  const say = () => {
    byId("run-word").textContent = text(running ? "playground.pause" : "playground.run");
    byId("run").classList.toggle("running", running);
    document.querySelector(".playground").classList.toggle("learns", running);
    const said = compiling ? "playground.compiling" : sentence(running, counted, page.state, lost);
    byId("sentence").textContent = text(said);
    byId("epochs").textContent = whole(Math.floor(counted?.epoch ?? 0));
    byId("steps").textContent = whole(counted?.step ?? 0);
    byId("speed").textContent =
      running && speed ? text("playground.speed", { number: whole(Math.round(speed)) }) : "";
  };
  page.wire.on("numbers", (frame) => {
    counted = frame;
    running = frame.running;
    if (frame.step > 0) lost = false;
    keeper.write(frame.step > 0 || lost);
    const late = frame.steps_per_second ?? speed; // it says none after a beginning
    speed = running ? 0.8 * (speed || late) + 0.2 * late : 0;
    say();
  });
  page.wire.on("compiling", (frame) => {
    compiling = frame.on;
    say();
  });
  page.wire.on("closed", () => {
    running = compiling = false;
    lost ||= counted?.step > 0;
    say();
  });
  page.on("state", say);
  onLanguage(say);
  const run = (on) => page.wire.ask("run", { on, pace: Number(byId("pace").value) || null });
  fill(byId("pace"), PACES, "pace");
  byId("pace").value = "200";
  page.on("pace", (pace) => (byId("pace").value = String(pace)));
  byId("pace").addEventListener("change", () => running && run(true));
  byId("run").addEventListener("click", () => run(!running));
  for (const name of ["step", "epoch", "reset"]) byId(name).addEventListener("click", () => page.wire.ask(name));
}

// Whether this tab has trained something; it outlives that the page is loaded again, which the weights do not.
const keeper = {
  read: () => sessionStorage.getItem("playground.trained") === "yes",
  write: (trained) => sessionStorage.setItem("playground.trained", trained ? "yes" : "no"),
};

function sentence(running, counted, state, lost) {
  if (running) return "playground.sentence.learning";
  if (lost) return "playground.sentence.anew";
  if (state.data === "own" && state.points.length < 4) return "playground.sentence.own";
  return counted?.step > 0 ? "playground.sentence.learned" : `playground.sentence.${state.problem}`;
}

function startSettings(page) {
  const selects = {
    problem: byId("problem"),
    loss: byId("loss"),
    optimizer: byId("optimizer"),
    lr: byId("learning-rate"),
    activation: byId("activation"),
    regularization: byId("regularization"),
    rate: byId("regularization-rate"),
    initializer: byId("initializer"),
  };
  for (const key of ["problem", "optimizer", "regularization", "initializer"]) fill(selects[key], CHOICES[key], key);
  const show = () => {
    const { state } = page;
    fill(selects.loss, lossesOf(state), "loss");
    for (const key of ["problem", "loss", "optimizer", "regularization", "initializer"])
      selects[key].value = state[key];
    fillNumbers(selects.lr, CHOICES.lr, state.lr);
    fillNumbers(selects.rate, CHOICES.rate, state.rate);
    showActivation(selects.activation, state);
    selects.rate.disabled = state.regularization === "none";
  };
  for (const [key, select] of Object.entries(selects)) {
    select.addEventListener("change", () => page.change(changed(key, select.value, page.state)));
  }
  page.on("state", show);
  show();
}

// One activation for all hidden layers; "mixed" where they differ, which nobody can choose.
function showActivation(select, { hidden }) {
  const used = [...new Set(hidden.map((layer) => layer.activation))];
  fill(select, used.length > 1 ? [...CHOICES.activation, "mixed"] : CHOICES.activation, "activation");
  select.value = used.length > 1 ? "mixed" : (used[0] ?? "tanh");
  select.disabled = hidden.length === 0;
}

function changed(key, value, state) {
  if (key === "lr" || key === "rate") return { [key]: Number(value) };
  if (key === "activation") return { hidden: state.hidden.map((layer) => ({ ...layer, activation: value })) };
  if (key === "problem") return { problem: value, points: [] }; // classes are no numbers
  if (key === "regularization" && value !== "none" && state.rate === 0) return { regularization: value, rate: 0.003 };
  return { [key]: value };
}

// The loss and what is right, as numbers; also for those who do not see the curves.
export function startResults(page) {
  const show = (frame) => {
    byId("train-loss").textContent = short(frame.train_loss);
    byId("test-loss").textContent = short(frame.test_loss);
    const known = frame.train_accuracy !== null && frame.train_accuracy !== undefined;
    byId("train-accuracy").textContent = known ? percent(frame.train_accuracy) : "";
    byId("test-accuracy").textContent = known && frame.test_accuracy !== null ? percent(frame.test_accuracy) : "";
  };
  page.wire.on("numbers", show);
}

function percent(share) {
  return text("playground.right", { number: (100 * share).toFixed(share === 1 ? 0 : 1) });
}
