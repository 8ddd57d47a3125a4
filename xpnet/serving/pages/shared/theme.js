// Dark or light: as the system has it, or as the button with the id "theme" says. Colours are variables in style.css.

import { text } from "./language.js";

const listeners = [];
const dark = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const kept = localStorage.getItem("theme");
  return kept ? kept === "dark" : dark.matches;
}

// The value of a colour variable, such as "--ink", for a canvas.
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The same as red, green and blue; of a colour that is written as #rrggbb.
export function rgb(name) {
  const hex = colour(name);
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// Called whenever the theme changes: for what is drawn on a canvas.
export function onTheme(listener) {
  listeners.push(listener);
}

function show() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  const button = document.getElementById("theme"); // says what it does
  button.dataset.text = isDark() ? "frame.light" : "frame.dark";
  button.textContent = text(button.dataset.text);
  for (const listener of listeners) listener();
}

export function startTheme() {
  document.getElementById("theme").addEventListener("click", () => {
    localStorage.setItem("theme", isDark() ? "light" : "dark");
    show();
  });
  dark.addEventListener("change", show);
  show();
}
