// Validation images that the network gets wrong, the surest mistakes first.

import { onLanguage, text } from "../shared/language.js";
import { short } from "./numbers.js";

export function startMistakes(wire) {
  const [section, what, list] = ["", "-what", "-list"].map((end) => document.getElementById(`mistakes${end}`));
  let frame = null;

  function show() {
    if (!frame) return;
    const { looked, wrong, epoch, labels, answers, sure, arrays } = frame;
    section.hidden = false;
    const values = { looked: short(looked), wrong: short(wrong), shown: labels.length, epoch };
    what.textContent = text(wrong > labels.length ? "watch.mistakesSome" : "watch.mistakesAll", values);
    list.replaceChildren(
      ...labels.map((label, i) => {
        const figure = document.createElement("figure");
        const canvas = document.createElement("canvas");
        const caption = document.createElement("figcaption");
        drawImage(canvas, arrays.pixels, i);
        caption.textContent = text("watch.mistake", { label, answer: answers[i], sure: Math.round(100 * sure[i]) });
        canvas.setAttribute("aria-hidden", "true"); // the caption says what it is
        figure.append(canvas, caption);
        return figure;
      }),
    );
  }

  wire.on("mistakes", (given) => {
    frame = given;
    show();
  });
  wire.on("state", (state) => {
    if (!state.images) section.hidden = true;
  });
  wire.on("open", () => {
    frame = null;
    section.hidden = true;
  });
  onLanguage(show);
}

// pixels (n, H, W, 1 or 3).
function drawImage(canvas, { data, shape }, number) {
  const [, H, W, C] = shape;
  [canvas.width, canvas.height] = [W, H];
  const picture = new ImageData(W, H);
  for (let i = 0; i < H * W; i++) {
    const from = (number * H * W + i) * C;
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = data[from + (C === 3 ? c : 0)];
    picture.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
