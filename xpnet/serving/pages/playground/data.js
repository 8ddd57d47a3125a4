// The data: which set, how noisy, how many to learn from; and points of one's own.

import { onLanguage, text, translate } from "../shared/language.js";
import { onTheme } from "../shared/theme.js";
import { SHAPES, drawPoint, pointColour, sharp } from "./colours.js";
import { byId, make } from "./page.js";
import { sketch } from "./sketches.js";
import { DATA, MOST, RANGES, outputsOf } from "./state.js";

const SLIDERS = ["train", "noise", "batch", "classes"];

export function startData(page) {
  startSets(page);
  startSliders(page);
  startOwn(page);
}

// A button with a picture for each set; the pictures are sketches, made here.
function startSets(page) {
  let problem = "";
  const show = () => {
    const { state } = page;
    if (problem !== state.problem) {
      problem = state.problem;
      byId("sets").replaceChildren(...DATA[problem].map((name) => setButton(page, name)));
      translate(byId("sets"));
      draw(page);
    }
    for (const name of DATA[problem]) byId(`data-${name}`).setAttribute("aria-pressed", String(name === state.data));
  };
  page.on("state", show);
  onTheme(() => draw(page));
  show();
}

function setButton(page, name) {
  const button = make("button", { id: `data-${name}`, class: "set" }, make("canvas", { "aria-hidden": "true" }));
  button.append(make("span", { "data-text": `playground.data.${name}` }));
  // Of points of one's own, most are there to learn from, and all are to be seen.
  const own = { classes: 2, train: 90, show_test: true };
  button.addEventListener(
    "click",
    () => page.state.data !== name && page.change({ data: name, ...(name === "own" ? own : {}) }),
  );
  return button;
}

function draw(page) {
  const { problem } = page.state;
  for (const name of DATA[problem]) {
    const { context, width, height } = sharp(byId(`data-${name}`).firstChild);
    const like = { problem, classes: name === "blobs" ? 4 : 2 };
    context.lineWidth = 0;
    context.strokeStyle = "transparent";
    for (const [x, y, target] of sketch(name)) {
      drawPoint(context, ((x + 6) / 12) * width, ((6 - y) / 12) * height, width / 32, target, like);
    }
  }
}

function startSliders(page) {
  const show = () => {
    for (const key of SLIDERS) {
      byId(key).value = page.state[key];
      byId(`${key}-shown`).textContent = page.state[key] + (key === "noise" || key === "train" ? " %" : "");
    }
    byId("seed").value = page.state.seed;
    byId("classes-line").hidden = !["blobs", "spiral"].includes(page.state.data);
    byId("classes").min = page.state.data === "blobs" ? 3 : 2;
    byId("noise-line").hidden = byId("regenerate").hidden = page.state.data === "own";
  };
  for (const key of SLIDERS) {
    byId(key).addEventListener("input", () => {
      byId(`${key}-shown`).textContent = byId(key).value + (key === "noise" || key === "train" ? " %" : "");
    });
    byId(key).addEventListener("change", () => page.change({ [key]: Number(byId(key).value) }));
  }
  byId("seed").addEventListener("change", () => {
    const given = byId("seed").value;
    const [least, most] = RANGES.seed;
    if (given !== "") page.change({ seed: Math.min(most, Math.max(least, Math.round(Number(given)))) });
    const { seed } = page.state;
    const same = given === "" || Number(given) === seed;
    page.takeOther(same ? [] : [{ given: `${text("playground.seed")} ${given}`, taken: seed }]);
    show();
  });
  byId("regenerate").addEventListener("click", () => page.ask("regenerate"));
  page.on("state", show);
  show();
}

// Points of one's own: a click on the large map, or lines of numbers.
function startOwn(page) {
  let scaled = false; // whether the server has fitted them to the plane
  const show = () => {
    const { state } = page;
    byId("own").hidden = state.data !== "own";
    if (state.data !== "own") return;
    byId("own-count").textContent = text(scaled ? "playground.own.scaled" : "playground.own.count", {
      number: state.points.length,
    });
    const numbers = state.problem === "regression";
    byId("own-classes").hidden = numbers;
    byId("own-value-line").hidden = !numbers;
  };
  byId("own-classes").append(...SHAPES.slice(0, MOST.classes).map((shape, k) => classChoice(shape, k)));
  const colourClasses = () => {
    for (const [k, label] of [...byId("own-classes").querySelectorAll("label")].entries()) {
      const like = { problem: "classification", classes: Math.max(k + 1, outputsOf(page.state)) };
      label.lastChild.style.color = pointColour(k, like);
    }
  };
  byId("add-csv").addEventListener("click", () => page.ask("csv", { text: byId("csv").value }));
  byId("csv-file").addEventListener("change", async () => {
    const [file] = byId("csv-file").files;
    if (!file) return;
    byId("csv").value = await file.text();
    byId("csv-file").value = ""; // the same file may be read again
    page.ask("csv", { text: byId("csv").value });
  });
  byId("clear-points").addEventListener("click", () => page.ask("clear"));
  page.on("state", () => {
    show();
    colourClasses();
  });
  page.wire.on("points", (frame) => {
    scaled = frame.scaled;
    show();
  });
  page.on("place", ([x, y]) => {
    const round = (value) => Math.round(100 * value) / 100;
    page.ask("add", { points: [[round(x), round(y), chosenTarget(page.state)]] });
  });
  onTheme(colourClasses);
  onLanguage(show);
  colourClasses();
}

function classChoice(shape, k) {
  const input = make("input", { type: "radio", name: "own-class", id: `own-class-${k}`, value: String(k) });
  input.checked = k === 0;
  return make(
    "label",
    {},
    input,
    make("span", { class: "number" }, ` ${k} `),
    make("span", { "aria-hidden": "true" }, shape),
  );
}

function chosenTarget(state) {
  if (state.problem === "regression") return Math.max(-1, Math.min(1, Number(byId("own-value").value) || 0));
  return Number(document.querySelector("input[name=own-class]:checked").value);
}
