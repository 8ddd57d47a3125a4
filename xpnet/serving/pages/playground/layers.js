// What stands above each column of the network: its name, and for a hidden layer how many neurons, which activation,
// how much dropout, and whether batch normalisation.

import { onLanguage, text, translate } from "../shared/language.js";
import { fill, fillNumbers } from "./controls.js";
import { byId, make } from "./page.js";
import { CHOICES, MOST, newLayer, outputsOf } from "./state.js";

export function startLayers(page) {
  let count = -1;
  const show = () => {
    const { state } = page;
    if (count !== state.hidden.length) {
      count = state.hidden.length;
      byId("heads").replaceChildren(inputHead(), ...state.hidden.map((_, i) => head(page, i)), outputHead());
      translate(byId("heads"));
      byId("diagram").style.setProperty("--columns", count + 2);
      byId("diagram").style.setProperty("--others", count + 1); // than the inputs
    }
    for (const [i, layer] of state.hidden.entries()) showLayer(i, layer);
    say();
  };
  const say = () => {
    const { state } = page;
    byId("layer-count").textContent = text("playground.layers", { number: state.hidden.length });
    byId("more-layers").disabled = state.hidden.length >= MOST.layers;
    byId("fewer-layers").disabled = state.hidden.length === 0;
    byId("output-note").textContent = outputNote(state);
    for (const i of state.hidden.keys()) {
      byId(`layer-name-${i}`).textContent = text("playground.layer.name", { number: i + 1 });
      for (const [name, key] of [
        ["more-neurons", "more"],
        ["fewer-neurons", "fewer"],
        ["activation", "activation"],
        ["dropout", "dropout"],
      ]) {
        byId(`${name}-${i}`).setAttribute("aria-label", text(`playground.layer.${key}`, { number: i + 1 }));
      }
    }
  };
  byId("more-layers").addEventListener("click", () => {
    const { hidden } = page.state;
    page.change({ hidden: [...hidden, newLayer(2, hidden.at(-1)?.activation ?? "tanh")] });
  });
  byId("fewer-layers").addEventListener("click", () => page.change({ hidden: page.state.hidden.slice(0, -1) }));
  page.on("state", show);
  show();
  onLanguage(say);
}

function outputNote(state) {
  const several = outputsOf(state) > 1;
  return text(several ? "playground.outputs" : "playground.output.one", { number: outputsOf(state) });
}

function inputHead() {
  return make("div", { class: "head" }, words("h3", "playground.inputs"), words("p", "playground.inputs.note"));
}

function outputHead() {
  return make("div", { class: "head" }, words("h3", "playground.output"), make("p", { id: "output-note" }));
}

function words(tag, key) {
  return make(tag, { "data-text": key });
}

function line(key, control) {
  const attributes = { class: "line", "data-hint": `playground.help.${key}` };
  return make("label", attributes, words("span", `playground.${key}`), control);
}

function head(page, i) {
  const change = (changes) => {
    page.change({ hidden: page.state.hidden.map((layer, k) => (k === i ? { ...layer, ...changes } : layer)) });
  };
  const button = (name, sign, by) => {
    const element = make("button", { id: `${name}-${i}`, class: "small" }, sign);
    element.addEventListener("click", () => change({ units: page.state.hidden[i].units + by }));
    return element;
  };
  const activation = make("select", { id: `activation-${i}` });
  fill(activation, CHOICES.activation, "activation");
  activation.addEventListener("change", () => change({ activation: activation.value }));
  const dropout = make("select", { id: `dropout-${i}` });
  dropout.addEventListener("change", () => change({ dropout: Number(dropout.value) }));
  const norm = make("input", { id: `batch-norm-${i}`, type: "checkbox" });
  norm.addEventListener("change", () => change({ batch_norm: norm.checked }));
  return make(
    "div",
    { class: "head", role: "group", "aria-labelledby": `layer-name-${i}` },
    make("h3", { id: `layer-name-${i}` }),
    make(
      "div",
      { class: "count" },
      button("fewer-neurons", "\u2212", -1),
      make("output", { id: `neurons-${i}`, class: "number" }),
      button("more-neurons", "+", 1),
    ),
    activation,
    line("dropout", dropout),
    line("batch_norm", norm),
  );
}

function showLayer(i, { units, activation, batch_norm, dropout }) {
  byId(`neurons-${i}`).textContent = units;
  byId(`fewer-neurons-${i}`).disabled = units <= 1;
  byId(`more-neurons-${i}`).disabled = units >= MOST.units;
  byId(`activation-${i}`).value = activation;
  fillNumbers(byId(`dropout-${i}`), CHOICES.dropout, dropout);
  byId(`batch-norm-${i}`).checked = batch_norm;
}
