// One step, taken slowly: forward, backward and update as three buttons, with every number on its link.

import { onLanguage, text } from "../shared/language.js";
import { byId, short } from "./page.js";

const ORDER = ["forward", "backward", "update"];

export class Phases {
  constructor(page, network) {
    this.page = page;
    this.network = network;
    this.frame = null;
    this.sample = 0;
    for (const name of ORDER) byId(name).addEventListener("click", () => page.wire.ask("phase", { name }));
    byId("phase-sample").addEventListener("input", () => this.choose(byId("phase-sample").valueAsNumber - 1));
    byId("phase-close").addEventListener("click", () => this.close());
    page.wire.on("phase", (frame) => this.take(frame));
    page.wire.on("numbers", ({ step, running }) => this.frame && (running || step !== this.stepAfter()) && this.close());
    page.on("state", () => this.close());
    onLanguage(() => this.show());
    this.show();
  }

  // The number of the step that `numbers` tells while this phase is looked at.
  stepAfter() {
    return this.frame.step;
  }

  take(frame) {
    if (!frame.name) return this.close();
    if (frame.name === "forward") this.sample = 0;
    this.frame = frame;
    this.show();
  }

  choose(sample) {
    if (!Number.isInteger(sample) || !this.frame) return;
    this.sample = Math.min(Math.max(0, sample), this.frame.samples.length - 1);
    this.show();
  }

  close() {
    this.frame = null;
    this.show();
  }

  show() {
    const { frame } = this;
    const next = frame ? ORDER[(ORDER.indexOf(frame.name) + 1) % 3] : "forward";
    for (const name of ORDER) {
      byId(name).disabled = name !== next;
      byId(name).setAttribute("aria-pressed", String(frame?.name === name));
    }
    byId("phase-text").textContent = text(`playground.phase.${frame?.name ?? "none"}`, this.values());
    byId("phase-about").hidden = !frame;
    byId("diagram").classList.toggle("slowly", Boolean(frame));
    if (frame) {
      byId("phase-sample").max = frame.samples.length;
      byId("phase-sample").value = this.sample + 1;
      byId("phase-of").textContent = text("playground.phase.of", { number: frame.samples.length });
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
    const answers = outputs.at(-1).map((unit) => short(unit[this.sample])).join(", ");
    return text("playground.phase.point", { x1: short(x1), x2: short(x2), target: short(target), answers });
  }

  // On a link: its weight; going back, its gradient; then what it was and what it is.
  words({ layer, unit, input, weight }) {
    const { name, layers } = this.frame;
    const { weight_grad: gradient, weight_before: before } = layers?.[layer] ?? {};
    if (name === "forward" || !gradient) return [short(weight)];
    const slope = `∇ ${short(gradient[unit][input])}`;
    if (name === "backward" || !before) return [short(weight), slope];
    return [`${short(before[unit][input])} → ${short(weight)}`, slope];
  }

  // At a neuron: its output for this sample; going back, how the loss changes with it.
  mark() {
    const { frame, sample, network } = this;
    for (const { layer, unit, value } of network.columns.flat()) {
      const out = frame && unit >= 0 ? frame.outputs[layer]?.[unit]?.[sample] : undefined;
      const delta = frame?.name === "forward" ? undefined : frame?.deltas?.[layer]?.[unit]?.[sample];
      value.textContent = out === undefined ? "" : short(out);
      if (out !== undefined && delta !== undefined && delta !== null) value.append(br(), `δ ${short(delta)}`);
    }
  }
}

function br() {
  return document.createElement("br");
}
