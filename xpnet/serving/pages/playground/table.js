// All weights and biases once more, as tables: for screen readers, for the keyboard, and to copy numbers from.

import { onLanguage, text } from "../shared/language.js";
import { inputLabel, layerName, sizesOf, unitName } from "./names.js";
import { byId, make, short } from "./page.js";

export class Table {
  constructor(page) {
    this.page = page;
    this.details = byId("weights");
    this.frame = null;
    this.phase = null;
    this.shape = "";
    page.on("weights", (frame) => this.take(frame));
    page.on("phase", (frame) => {
      this.phase = frame;
      this.show();
    });
    this.details.addEventListener("toggle", () => this.show());
    onLanguage(() => {
      this.shape = "";
      this.show();
    });
  }

  take(frame) {
    this.frame = frame;
    this.show();
  }

  show() {
    if (!this.details.open || !this.frame) return;
    const { state } = this.page;
    const shape = JSON.stringify([sizesOf(state), state.inputs]);
    if (shape !== this.shape) {
      byId("weight-tables").replaceChildren(...this.frame.layers.map((layer, i) => this.table(layer, i)));
      this.shape = shape;
    }
    for (const [i, { weight, bias }] of this.frame.layers.entries()) {
      const slopes = this.phase?.layers?.[i];
      for (const [row, value] of bias.entries()) {
        put(`bias-${i}-${row}`, value, slopes?.bias_grad?.[row]);
        for (const [column, each] of weight[row].entries())
          put(`weight-${i}-${row}-${column}`, each, slopes?.weight_grad?.[row][column]);
      }
    }
  }

  table({ weight, bias }, layer) {
    const { state } = this.page;
    const names = Array.from({ length: weight[0]?.length ?? 0 }, (_, input) => inputLabel(state, layer + 1, input));
    const titles = ["", text("playground.bias"), ...names].map((name) => make("th", { scope: "col" }, name));
    const rows = bias.map((_, row) => {
      const unit = unitName(state, layer + 1, row);
      const cells = [this.cell(`${unit}, ${text("playground.bias")}`, { layer, what: "bias", row, column: 0 })];
      for (const [column, name] of names.entries()) {
        cells.push(
          this.cell(`${unit}, ${text("playground.weight.from", { name })}`, { layer, what: "weight", row, column }),
        );
      }
      return make("tr", {}, make("th", { scope: "row" }, unit), ...cells);
    });
    const caption = make("caption", {}, layerName(state, layer));
    return make(
      "div",
      { class: "wide" },
      make("table", {}, caption, make("thead", {}, make("tr", {}, ...titles)), make("tbody", {}, ...rows)),
    );
  }

  cell(label, what) {
    const id =
      what.what === "bias" ? `bias-${what.layer}-${what.row}` : `weight-${what.layer}-${what.row}-${what.column}`;
    const input = make("input", { id, type: "number", step: "0.1", class: "number", "aria-label": label });
    input.addEventListener("change", () => {
      if (Number.isFinite(input.valueAsNumber)) this.page.wire.ask("edit", { ...what, value: input.valueAsNumber });
    });
    return make("td", {}, input, make("small", { id: `${id}-gradient`, class: "number" }));
  }
}

function put(id, value, gradient) {
  const input = byId(id);
  if (!input) return;
  if (document.activeElement !== input) input.value = value === null ? "" : Number(value.toPrecision(4));
  byId(`${id}-gradient`).textContent = gradient === undefined ? "" : `∇ ${short(gradient)}`;
}
