// The language of the page: the browser's, or the one that was chosen here. All texts of a language are in one file.

import { en } from "../texts/en.js";
import { zh } from "../texts/zh.js";

const LANGUAGES = { en, zh };
const NAMES = { en: "English", zh: "中文" };
const listeners = [];

export const language = { now: chosen() };

function chosen() {
  const kept = localStorage.getItem("language");
  if (kept in LANGUAGES) return kept;
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => tag in LANGUAGES) ?? "en";
}

// The text of a key such as "digit.clear"; {name} in it is replaced by values.name.
export function text(key, values = {}) {
  const found = LANGUAGES[language.now][key] ?? LANGUAGES.en[key];
  if (found === undefined) throw new RangeError(`there is no text ${key}`);
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Fills in elements: data-text is what they say, data-label and data-hint their aria-label and title.
export function translate(root = document) {
  const fill = (attribute, put) => {
    for (const element of root.querySelectorAll(`[${attribute}]`)) put(element, text(element.getAttribute(attribute)));
  };
  fill("data-text", (element, words) => (element.textContent = words));
  fill("data-label", (element, words) => element.setAttribute("aria-label", words));
  fill("data-hint", (element, words) => (element.title = words));
}

// Called at once, and again whenever the language changes: for what a page writes by itself.
export function onLanguage(listener) {
  listeners.push(listener);
  listener();
}

export function speak(name) {
  language.now = name;
  localStorage.setItem("language", name);
  show();
}

function show() {
  document.documentElement.lang = language.now;
  translate();
  for (const listener of listeners) listener();
}

// The switch: a select with the id "language".
export function startLanguage() {
  const select = document.getElementById("language");
  select.replaceChildren(...Object.entries(NAMES).map(([name, shown]) => new Option(shown, name)));
  select.value = language.now;
  select.addEventListener("change", () => speak(select.value));
  show();
}
