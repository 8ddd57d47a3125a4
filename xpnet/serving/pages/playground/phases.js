// One step, taken slowly: forward, backward and update as three buttons, with every number on its link.

import { onLanguage, text } from "../shared/language.js";
import { byId, short } from "./page.js";
import { outputsOf } from "./state.js";

const ORDER = ["forward", "backward", "update"];

export class Phases {
  constructor(page, network) {
    this.page = page;
    this.network = network;
    this.frame = null; // the phase whose numbers are shown
    this.next = "forward";
    this.known = ""; // the weights that it is about
    this.sample = 0;
    for (const name of ORDER) byId(name).addEventListener("click", () => page.wire.ask("phase", { name }));
    byId("phase-sample").addEventListener("input", () => this.choose(byId("phase-sample").valueAsNumber - 1));
    byId("phase-close").addEventListener("click", () => this.hide());
    page.wire.on("phase", (frame) => this.take(frame));
    page.wire.on("numbers", (frame) => this.compare(frame));
    page.on("state", () => this.drop());
    onLanguage(() => this.show());
    this.show();
  }

  take(frame) {
    if (frame.name === "forward") this.sample = 0;
    this.frame = frame;
    this.next = ORDER[(ORDER.indexOf(frame.name) + 1) % ORDER.length];
    if (frame.name === "update") this.known = ""; // the new weights come next
    this.show();
  }

  // Numbers that came by anything but these buttons: what is shown is no longer so, and the server has begun anew.
  compare({ step, running, layers }) {
    const weights = JSON.stringify([step, layers]);
    const other = this.known !== "" && weights !== this.known;
    this.known = weights;
    if ((running || other) && (this.frame || this.next !== ORDER[0])) this.drop();
    else this.mark();
  }

  drop() {
    this.next = "forward";
    this.hide();
  }

  choose(sample) {
    if (!Number.isInteger(sample) || !this.frame) return;
    this.sample = Math.min(Math.max(0, sample), this.frame.samples.length - 1);
    this.show();
  }

  hide() {
    this.frame = null;
    this.show();
  }

  show() {
    const { frame, next } = this;
    for (const name of ORDER) {
      byId(name).disabled = name !== next;
      byId(name).classList.toggle("done", frame?.name === name);
    }
    byId("phase-text").textContent = frame ? text(`playground.phase.${frame.name}`, this.values()) : "";
    byId("phase-about").hidden = !frame;
    byId("phase-many").hidden = !this.network.links.hasMany();
    this.network.takeRoom(Boolean(frame));
    if (frame) {
      byId("phase-sample").max = frame.samples.length;
      byId("phase-sample").value = this.sample + 1;
    }
    byId("phase-point").textContent = frame ? this.point() : "";
    this.page.tell("sample", frame?.samples[this.sample] ?? null);
    this.network.links.say(frame && ((link) => this.words(link)));
    this.mark();
    this.page.tell("phase", frame);
  }

  values() {
    return { loss: short(this.frame?.loss), number: this.frame?.samples.length, lr: short(this.page.state.lr) };
  }

  // The sample and what the network said of it.
  point() {
    const { samples, outputs } = this.frame;
    const [x1, x2, target] = samples[this.sample];
    const scores = outputs.at(-1).map((unit) => unit[this.sample]);
    const place = { x1: short(x1), x2: short(x2), number: samples.length };
    return text("playground.phase.point", { ...place, target: this.target(target), answers: this.answers(scores) });
  }

  target(target) {
    const { state } = this.page;
    if (state.problem === "regression") return short(target);
    return outputsOf(state) > 1 ? text("playground.unit.class", { unit: target }) : text(`playground.class.${target}`);
  }

  // Of two classes, the score stands for one of them; with cross-entropy also for how sure it is.
  answers(scores) {
    const { state } = this.page;
    if (state.problem === "regression" || scores.length > 1) return scores.map((score) => short(score)).join(", ");
    const [score] = scores;
    const name = text(`playground.class.${score > 0 ? 1 : 0}`);
    if (!["auto", "binary_cross_entropy"].includes(state.loss))
      return text("playground.phase.score", { score: short(score), name });
    const percent = Math.round(100 / (1 + Math.exp(-score)));
    return text("playground.phase.share", { score: short(score), percent, blue: text("playground.class.1") });
  }

  // On a link: its weight; going back, its gradient; then by how much it has changed.
  words({ layer, unit, input, weight }) {
    const { name, layers } = this.frame;
    const { weight_grad: gradient, weight_before: before } = layers?.[layer] ?? {};
    if (name === "forward" || !gradient) return [short(weight)];
    if (name === "backward") return [short(weight), `∇ ${short(gradient[unit][input], 2)}`];
    return [short(weight), `Δ ${short(weight - before[unit][input], 2)}`];
  }

  biasWords(layer, unit) {
    const bias = this.network.numbers?.layers[layer].bias[unit];
    const gradient = this.frame?.layers?.[layer].bias_grad[unit];
    return `${text("playground.bias")} ${short(bias)}${gradient === undefined ? "" : `  ∇ ${short(gradient, 2)}`}`;
  }

  // At a neuron: its output for this sample; going back, how the loss changes with it.
  mark() {
    const { frame, sample, network } = this;
    for (const { layer, unit, value, bias } of network.columns.flat()) {
      const out = frame && unit >= 0 ? frame.outputs[layer]?.[unit]?.[sample] : undefined;
      const delta = frame?.name === "forward" ? undefined : frame?.deltas?.[layer]?.[unit]?.[sample];
      if (bias) bias.title = this.biasWords(layer - 1, unit);
      value.textContent = out === undefined ? "" : short(out);
      if (out !== undefined && delta !== undefined && delta !== null) value.append(br(), `δ ${short(delta, 2)}`);
    }
  }
}

function br() {
  return document.createElement("br");
}
