// What inputs, layers and units are called.

import { text } from "../shared/language.js";
import { INPUTS, outputsOf } from "./state.js";

export const INPUT_NAMES = ["x₁", "x₂", "x₁²", "x₂²", "x₁x₂", "sin x₁", "sin x₂"];

// The number of units in each layer; of the inputs, those that are used.
export function sizesOf(state) {
  return [state.inputs.length, ...state.hidden.map((layer) => layer.units), outputsOf(state)];
}

export function inputName(state, index) {
  return INPUT_NAMES[INPUTS.indexOf(state.inputs[index])];
}

export function unitName(state, layer, unit) {
  if (layer === 0) return text("playground.unit.input", { name: inputName(state, unit) });
  if (layer <= state.hidden.length) return text("playground.unit.hidden", { layer, unit: unit + 1 });
  return outputsOf(state) > 1 ? text("playground.unit.class", { unit }) : text("playground.unit.output");
}

// What comes in at place `input` of a neuron of this layer.
export function inputLabel(state, layer, input) {
  return layer === 1 ? inputName(state, input) : unitName(state, layer - 1, input);
}

// "Layer 2", "Output": of the weights with this number, which is 0 for those that lead to the first hidden layer.
export function layerName(state, weighted) {
  if (weighted === state.hidden.length) return text("playground.output");
  return text("playground.layer.name", { number: weighted + 1 });
}
