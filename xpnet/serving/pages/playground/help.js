// What each control is for: one sentence or two, in a list that is opened where it is wanted.

import { translate } from "../shared/language.js";
import { byId, make } from "./page.js";

const EXPLAINED = [
  "inputs", "lr", "batch", "activation", "loss", "optimizer", "regularization", "rate", "initializer", "batch_norm",
  "dropout", "train", "noise", "seed", "show_test", "discrete", "pace", "phases",
];

export function startHelp() {
  const words = (tag, key) => make(tag, { "data-text": key });
  const entries = EXPLAINED.flatMap((key) => [words("dt", `playground.${key}`), words("dd", `playground.help.${key}`)]);
  byId("help-list").replaceChildren(...entries);
  translate(byId("help-list"));
}
