// Six lessons: each a text, and a state of the page to try it on (lessons.json).

import { onLanguage, text } from "../shared/language.js";
import { byId, make } from "./page.js";
import { DEFAULTS, settled } from "./state.js";

export async function startLessons(page) {
  const lessons = await (await fetch("/pages/playground/lessons.json")).json();
  const buttons = lessons.map(({ key, state }) => {
    const button = make("button", { id: `lesson-${key}`, class: "chip" });
    button.addEventListener("click", () => page.begin(settled({ ...DEFAULTS, ...state }), key));
    return button;
  });
  byId("lessons").append(...buttons);
  const show = () => {
    for (const [i, { key }] of lessons.entries()) {
      buttons[i].textContent = `${i + 1} ${text(`playground.lesson.${key}`)}`;
      buttons[i].setAttribute("aria-pressed", String(key === page.lesson));
    }
    const lesson = lessons.find(({ key }) => key === page.lesson);
    byId("lesson").hidden = !lesson;
    if (!lesson) return;
    byId("lesson-title").textContent = text(`playground.lesson.${lesson.key}`);
    const paragraphs = text(`playground.lesson.${lesson.key}.text`).split("\n");
    byId("lesson-text").replaceChildren(...paragraphs.map((paragraph) => make("p", {}, paragraph)));
  };
  byId("lesson-close").addEventListener("click", () => {
    const opener = byId(`lesson-${page.lesson}`);
    page.show(page.state, "", "push");
    opener?.focus();
  });
  page.on("lesson", show);
  onLanguage(show);
}
