// Histograms of weights and gradients, of one parameter after the other.

import { onLanguage, text } from "../shared/language.js";
import { colour, onTheme } from "../shared/theme.js";
import { short } from "./numbers.js";

const AT_ONCE = 24; // parameters
const [WIDTH, HEIGHT] = [160, 60];

export function startHistograms(wire) {
  const [section, list, part] = ["", "-list", "-part"].map((end) => document.getElementById(`histograms${end}`));
  let frame = null;
  const shown = []; // elements of a parameter, in their order

  function show() {
    if (!frame) return;
    const { parameters, step, arrays } = frame;
    section.hidden = !parameters.length;
    document.getElementById("histograms-what").textContent = text("watch.histogramsHint", { step: short(step) });
    const first = showParts(parameters);
    const now = parameters.slice(first, first + AT_ONCE);
    while (shown.length > now.length) shown.pop().figure.remove();
    while (shown.length < now.length) shown.push(makeParameter(list));
    now.forEach((parameter, i) => {
      const bins = arrays.weights.shape[1];
      const of = (array) => array.data.subarray((first + i) * bins, (first + i + 1) * bins);
      shown[i].show(parameter, of(arrays.weights), of(arrays.gradients));
    });
  }

  // The select where there are too many parameters for one look; returns the first that is shown.
  function showParts(parameters) {
    part.hidden = parameters.length <= AT_ONCE;
    const count = Math.ceil(parameters.length / AT_ONCE);
    if (part.options.length !== count) {
      const options = [];
      for (let i = 0; i < count; i++) {
        const [from, to] = [i * AT_ONCE, Math.min((i + 1) * AT_ONCE, parameters.length)];
        options.push(new Option(`${from + 1}–${to}: ${parameters[from].name} …`, String(i)));
      }
      part.replaceChildren(...options);
    }
    return Number(part.value || 0) * AT_ONCE;
  }

  part.addEventListener("change", show);
  wire.on("histograms", (given) => {
    frame = given;
    requestAnimationFrame(show);
  });
  wire.on("open", () => {
    frame = null;
    section.hidden = true;
  });
  onLanguage(show);
  onTheme(show);
}

function makeParameter(parent) {
  const figure = document.createElement("figure");
  figure.className = "panel parameter";
  const title = document.createElement("figcaption");
  const [weights, gradients] = [makeBars("--positive"), makeBars("--negative")];
  const both = document.createElement("div");
  both.className = "both";
  both.append(weights.element, gradients.element);
  figure.append(title, both);
  parent.append(figure);
  return {
    figure,
    show(parameter, ofWeights, ofGradients) {
      title.textContent = `${parameter.name} (${parameter.shape.join(" × ")})`;
      weights.show(text("watch.weights"), parameter.weight, ofWeights);
      gradients.show(text("watch.gradients"), parameter.gradient, ofGradients);
    },
  };
}

// One histogram: bars, and below them the lowest and the highest value; zero is a line.
function makeBars(name) {
  const element = document.createElement("div");
  const [title, canvas, ends] = ["div", "canvas", "div"].map((tag) => document.createElement(tag));
  ends.className = "ends number";
  title.className = "hint";
  canvas.setAttribute("role", "img");
  const [low, spread, high] = [0, 1, 2].map(() => document.createElement("span"));
  ends.append(low, spread, high);
  element.append(title, canvas, ends);
  return {
    element,
    show(what, numbers, counts) {
      title.textContent = numbers?.bad ? text("watch.bad", { what, bad: numbers.bad }) : what;
      low.textContent = numbers ? short(numbers.low, 2) : text("watch.none");
      spread.textContent = numbers ? `σ ${short(numbers.spread, 2)}` : "";
      high.textContent = numbers ? short(numbers.high, 2) : "";
      canvas.setAttribute("aria-label", [what, low.textContent, spread.textContent, high.textContent].join(" "));
      drawBars(canvas, name, numbers, counts);
    },
  };
}

function drawBars(canvas, name, numbers, counts) {
  const density = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [WIDTH * density, HEIGHT * density];
  const pen = canvas.getContext("2d");
  pen.scale(density, density);
  pen.fillStyle = colour(name);
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  if (!numbers || !most) return;
  const width = WIDTH / counts.length;
  counts.forEach((count, i) => {
    const height = (count / most) * (HEIGHT - 2);
    pen.fillRect(i * width, HEIGHT - height, Math.max(1, width - 0.5), height);
  });
  if (numbers.low < 0 && numbers.high > 0) {
    pen.fillStyle = colour("--ink");
    pen.fillRect((-numbers.low / (numbers.high - numbers.low)) * WIDTH, 0, 1, HEIGHT);
  }
}
