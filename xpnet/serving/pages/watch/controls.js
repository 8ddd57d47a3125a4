// How far the training is, and what one can ask of it: pause, stop, another learning rate.

import { onLanguage, text } from "../shared/language.js";
import { duration, short } from "./numbers.js";

const id = (name) => document.getElementById(name);

export function startControls(wire) {
  let state = null;
  let sure = false; // whether it was asked if one is sure to stop
  const rates = new Map(); // by name: the elements of a learning rate

  function show() {
    if (!state) return;
    const running = state.phase !== "ended" && state.phase !== "ends";
    id("title").textContent = text("watch.title", { model: state.model });
    id("phase").textContent = phaseOf(state);
    id("place").textContent = text("watch.place", state);
    id("progress").value = progressOf(state);
    showNumbers(state);
    const paused = state.phase === "paused" || state.pausing;
    id("pause").textContent = text(paused ? "watch.goOn" : "watch.pause");
    id("pause").disabled = !running || state.stopping;
    id("stop").disabled = !running || state.stopping || sure;
    sure = sure && running && !state.stopping;
    id("sure").hidden = !sure;
    showRates(running);
    document.title = `${phaseOf(state)} ${Math.round(100 * progressOf(state))} % · ${state.model} · xpnet`;
  }

  function showRates(running) {
    for (const [name, rate] of Object.entries(state.rates)) {
      if (!rates.has(name)) rates.set(name, makeRate(wire, name, id("rates")));
      rates.get(name)(rate, state.scales[name], running);
    }
  }

  function ask(open) {
    sure = open;
    show();
    (open ? id("no") : id("stop")).focus();
  }

  id("pause").addEventListener("click", () => {
    const paused = state.phase === "paused" || state.pausing;
    wire.ask(paused ? "go" : "pause");
  });
  id("stop").addEventListener("click", () => ask(true));
  id("no").addEventListener("click", () => ask(false));
  id("yes").addEventListener("click", () => {
    wire.ask("stop");
    ask(false);
  });
  id("sure").addEventListener("keydown", (event) => event.key === "Escape" && ask(false));
  wire.on("state", (frame) => {
    state = frame;
    show();
  });
  wire.on("open", () => {
    rates.clear();
    id("rates").replaceChildren();
    id("complaint").textContent = "";
  });
  wire.on("closed", () => {
    for (const button of document.querySelectorAll(".now button, .now input")) button.disabled = true;
  });
  let complaining = 0;
  wire.on("error", (frame) => {
    id("complaint").textContent = frame.text;
    clearTimeout(complaining);
    complaining = setTimeout(() => (id("complaint").textContent = ""), 8000);
  });
  onLanguage(show);
}

function phaseOf(state) {
  if (state.phase === "ended") return text(`watch.${state.ended}`);
  if (state.stopping) return text("watch.stopping");
  if (state.pausing && state.phase !== "paused") return text("watch.pausing");
  return text(`watch.phase.${state.phase}`);
}

function progressOf(state) {
  const done = state.epoch - 1 + state.batch / (state.batches || 1);
  return state.epochs ? Math.min(1, done / state.epochs) : 0;
}

function showNumbers(state) {
  const entries = [
    [text("watch.step"), short(state.step)],
    [text("watch.speed"), short(state.samples_per_second)],
    [text("watch.time"), duration(state.seconds)],
    [text("watch.left"), state.phase === "ended" ? "–" : duration(state.seconds_left)],
    ...Object.entries(state.so_far).map(([name, value]) => [name, short(value)]),
  ];
  const list = id("numbers");
  while (list.children.length > entries.length) list.lastChild.remove();
  while (list.children.length < entries.length) {
    const group = document.createElement("div");
    group.append(document.createElement("dt"), document.createElement("dd"));
    group.lastChild.className = "number";
    list.append(group);
  }
  entries.forEach(([name, value], i) => {
    list.children[i].firstChild.textContent = name;
    list.children[i].lastChild.textContent = value;
  });
}

// A row with a learning rate: a field for another one, and buttons that halve and double it.
function makeRate(wire, name, parent) {
  const row = document.createElement("form");
  row.className = "row";
  const label = document.createElement("label");
  const field = document.createElement("input");
  field.id = `rate-${name}`;
  field.inputMode = "decimal";
  field.autocomplete = "off";
  field.size = 10;
  label.htmlFor = field.id;
  const [set, half, twice] = [0, 1, 2].map(() => document.createElement("button"));
  const scale = document.createElement("span");
  scale.className = "hint";
  half.type = twice.type = "button";
  half.textContent = "÷ 2";
  twice.textContent = "× 2";
  row.append(label, field, set, half, twice, scale);
  parent.append(row);
  const ask = (fields) => {
    id("complaint").textContent = ""; // of another rate
    wire.ask("rate", fields);
  };
  let touched = false; // whether the field holds what somebody is typing
  field.addEventListener("input", () => (touched = true));
  row.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!touched) return; // as it is shown it is rounded
    touched = false;
    ask({ optimizer: name, rate: Number(field.value.trim().replace(",", ".")) });
  });
  half.addEventListener("click", () => ask({ optimizer: name, factor: 0.5 }));
  twice.addEventListener("click", () => ask({ optimizer: name, factor: 2 }));
  return (rate, factor, running) => {
    label.textContent = name === "lr" ? text("watch.rate") : name;
    set.textContent = text("watch.set");
    half.setAttribute("aria-label", text("watch.half"));
    twice.setAttribute("aria-label", text("watch.twice"));
    if (!touched) field.value = short(rate, 4);
    for (const element of [field, set, half, twice]) element.disabled = !running;
    scale.textContent = Math.abs(factor - 1) < 1e-9 ? "" : text("watch.scaled", { factor: short(factor, 3) });
  };
}
