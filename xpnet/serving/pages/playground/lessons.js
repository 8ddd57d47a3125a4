// Six lessons (lessons.json): each a text, a state of the page to try it on, and variants of that to compare it with.

import { onLanguage, text } from "../shared/language.js";
import { byId, make } from "./page.js";
import { DEFAULTS, onlyShown, settled } from "./state.js";

const LONG = 3000; // steps; what needs more is run faster

export async function startLessons(page) {
  const lessons = await (await fetch("/pages/playground/lessons.json")).json();
  for (const lesson of lessons) {
    lesson.name = `playground.lesson.${lesson.key}`;
    lesson.tries = [{ ...lesson, key: "base" }, ...lesson.variants].map((each) => readTry(lesson, each));
    lesson.button = make("button", { id: `lesson-${lesson.key}`, class: "chip" });
    lesson.button.addEventListener("click", () => begin(page, lesson, lesson.tries[0]));
    byId("lessons").append(lesson.button);
  }
  if (page.lesson && !lessons.some(({ key }) => key === page.lesson))
    page.takeOther([...page.misread, { given: `lesson=${page.lesson}`, taken: "" }]);
  const show = () => showLesson(page, lessons);
  byId("lesson-close").addEventListener("click", () => {
    const opener = byId(`lesson-${page.lesson}`);
    page.show(page.state, "", "push");
    opener?.focus();
  });
  page.on("lesson", show);
  page.on("state", () => showTries(page, lessons));
  onLanguage(show);
}

function readTry(lesson, { key, state, steps }) {
  const name = `playground.lesson.${lesson.key}.${key}`;
  return {
    id: `lesson-${lesson.key}-${key.replaceAll(" ", "-")}`,
    name,
    steps,
    state: settled({ ...DEFAULTS, ...state }),
  };
}

function begin(page, lesson, { state, steps }) {
  page.begin(state, lesson.key);
  page.tell("pace", steps > LONG ? 1000 : 200);
}

function showLesson(page, lessons) {
  for (const [i, { key, name, button }] of lessons.entries()) {
    button.textContent = `${i + 1} ${text(name)}`;
    button.setAttribute("aria-pressed", String(key === page.lesson));
  }
  const lesson = lessons.find(({ key }) => key === page.lesson);
  byId("lesson").hidden = !lesson;
  if (!lesson) return;
  byId("lesson-title").textContent = text(lesson.name);
  byId("lesson-text").replaceChildren(
    ...text(`${lesson.name}.text`)
      .split("\n")
      .map((words) => make("p", {}, words)),
  );
  byId("lesson-tries").hidden = lesson.tries.length === 1;
  byId("lesson-choices").replaceChildren(
    ...(lesson.tries.length > 1 ? lesson.tries : []).map((each) => {
      const button = make("button", { id: each.id, class: "chip" }, text(each.name));
      button.addEventListener("click", () => begin(page, lesson, each));
      return button;
    }),
  );
  showTries(page, lessons);
}

// Which of the variants the page shows, and what comes of it.
function showTries(page, lessons) {
  const lesson = lessons.find(({ key }) => key === page.lesson);
  if (!lesson || lesson.tries.length === 1) return;
  const now = lesson.tries.find(({ state }) => onlyShown(state, page.state));
  for (const each of lesson.tries) byId(each.id)?.setAttribute("aria-pressed", String(each === now));
  byId("lesson-finding").textContent = now ? text(`${now.name}.text`) : text("playground.lesson.changed");
}
