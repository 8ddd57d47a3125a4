// Where weights and biases are changed by hand: of one link, of one bias, or all of a neuron.

import { text } from "../shared/language.js";
import { inputLabel } from "./names.js";
import { byId, make } from "./page.js";

let opened = null; // { network, layer, unit, opener }

// which: "all", "bias", or the number of an input.
export function openEditor(network, layer, unit, which, opener) {
  const { page, numbers } = network;
  if (!numbers) return;
  const { weight, bias } = numbers.layers[layer - 1];
  const fields = [];
  if (which === "all" || which === "bias")
    fields.push(
      field(page, text("playground.bias"), "edit-bias", bias[unit], {
        layer: layer - 1,
        what: "bias",
        row: unit,
        column: 0,
      }),
    );
  for (const [input, value] of weight[unit].entries()) {
    if (which !== "all" && which !== input) continue;
    const name = text("playground.weight.from", { name: inputLabel(page.state, layer, input) });
    fields.push(
      field(page, name, `edit-weight-${input}`, value, { layer: layer - 1, what: "weight", row: unit, column: input }),
    );
  }
  const editor = byId("editor");
  byId("editor-title").textContent = network.nameOf(layer, unit);
  byId("editor-fields").replaceChildren(...fields);
  editor.hidden = false;
  place(editor, opener.getBoundingClientRect());
  opened = { opener };
  const first = editor.querySelector("input");
  first.focus({ preventScroll: true });
  first.select();
}

function field(page, name, id, value, what) {
  const input = make("input", {
    id,
    type: "number",
    step: "0.1",
    value: Number(value.toPrecision(4)),
    class: "number",
  });
  input.addEventListener("change", () => {
    if (Number.isFinite(input.valueAsNumber)) page.wire.ask("edit", { ...what, value: input.valueAsNumber });
  });
  input.addEventListener("keydown", ({ key }) => key === "Enter" && closeEditor());
  return make("label", {}, make("span", {}, name), input);
}

function place(editor, { left, right, top, bottom }) {
  const { offsetWidth: width, offsetHeight: height } = editor;
  const room = document.documentElement.clientWidth;
  const x = Math.min(Math.max(8, (left + right) / 2 - width / 2), room - width - 8);
  const y = bottom + 8 + height < window.innerHeight ? bottom + 8 : Math.max(8, top - height - 8);
  editor.style.left = `${x + window.scrollX}px`;
  editor.style.top = `${y + window.scrollY}px`;
}

export function closeEditor() {
  if (!opened) return;
  const { opener } = opened;
  opened = null;
  byId("editor").hidden = true;
  opener.focus?.({ preventScroll: true });
}

export function startEditor(page) {
  byId("edit-close").addEventListener("click", closeEditor);
  byId("editor").addEventListener("keydown", ({ key }) => key === "Escape" && closeEditor());
  document.addEventListener("pointerdown", ({ target }) => {
    if (opened && !byId("editor").contains(target) && target !== opened.opener) closeEditor();
  });
  page.on("state", closeEditor);
}
