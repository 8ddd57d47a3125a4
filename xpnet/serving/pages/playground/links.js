// The links between neurons: blue for positive weights, orange and dashed for negative ones, the wider the larger.
// When a step is taken slowly, each link says its numbers.

import { rem } from "../shared/canvas.js";
import { text } from "../shared/language.js";
import { openEditor } from "./editor.js";
import { short } from "./page.js";

const SPACE = "http://www.w3.org/2000/svg";
const [WORDS, LINE] = [4.1, 1.75]; // rem: width and height of what stands before a neuron for each of its links
const MOST_NUMBERS = 24; // links between two layers that all say their numbers; of more, those of one neuron at a time

function draw(tag, attributes) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export class Links {
  constructor(network, picture) {
    this.network = network;
    this.picture = picture;
    this.links = []; // { layer, unit, input, line, target, words }; layer is that of the weights: 0 leads to layer 1
    this.pointed = null;
    this.write = null; // (link) => what it says, while it says anything
    picture.addEventListener("click", ({ target }) => this.edit(target));
    picture.addEventListener("pointermove", (event) => this.tip(event));
    picture.addEventListener("pointerleave", () => this.tip(null));
  }

  build(sizes) {
    this.links = [];
    this.write = null; // it was about those that were there before
    for (let layer = 0; layer + 1 < sizes.length; layer++) {
      for (let unit = 0; unit < sizes[layer + 1]; unit++) {
        for (let input = 0; input < sizes[layer]; input++)
          this.links.push({ layer, unit, input, among: sizes[layer], many: sizes[layer] * sizes[layer + 1] });
      }
    }
    for (const [number, link] of this.links.entries()) {
      link.line = draw("path", { id: `link-${link.layer}-${link.unit}-${link.input}`, class: "link" });
      link.target = draw("path", { class: "target", "data-link": number });
      link.words = draw("text", { class: "words" });
    }
    const all = (key) => this.links.map((link) => link[key]);
    this.picture.replaceChildren(...all("line"), ...all("target"), ...all("words"));
  }

  // Whether a link always says its numbers when a step is taken slowly.
  isCounted(link) {
    return this.network.slowly && link.many <= MOST_NUMBERS;
  }

  // Whether some say them only when a neuron is pointed at.
  hasMany() {
    return this.links.some((link) => link.many > MOST_NUMBERS);
  }

  // The height that the numbers in front of one neuron need.
  room() {
    const counted = this.links.filter((link) => this.isCounted(link));
    return LINE * rem() * Math.max(0, ...counted.map((link) => link.among));
  }

  arrange(width, height) {
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const half = this.network.unit / 2;
    for (const link of this.links) {
      const from = this.network.at(link.layer, link.input);
      const to = this.network.at(link.layer + 1, link.unit);
      const ends = [from.x + half, from.y, to.x - half, to.y];
      if (this.isCounted(link)) {
        ends[2] -= WORDS * rem();
        ends[3] += (link.input - (link.among - 1) / 2) * LINE * rem();
        this.putWords(link, ends[2] + (WORDS / 2 - 0.2) * rem(), ends[3]);
      } else this.place(link, ends);
      const middle = (ends[0] + ends[2]) / 2;
      const path = `M${ends[0]} ${ends[1]}C${middle} ${ends[1]} ${middle} ${ends[3]} ${ends[2]} ${ends[3]}`;
      link.line.setAttribute("d", path);
      link.target.setAttribute("d", path);
    }
    if (this.write) this.say(this.write);
  }

  // Of many links, those of one neuron say their numbers, where they lie apart from each other.
  place(link, [x0, y0, x1, y1]) {
    const t = 0.4;
    const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t ** 2 * (1 - t), t ** 3];
    const middle = (x0 + x1) / 2;
    this.putWords(link, a * x0 + (b + c) * middle + d * x1, (a + b) * y0 + (c + d) * y1);
  }

  putWords(link, x, y) {
    link.words.setAttribute("x", x);
    link.words.setAttribute("y", y);
  }

  show(layers) {
    for (const link of this.links) {
      const weight = layers[link.layer].weight[link.unit][link.input];
      link.weight = weight;
      link.line.setAttribute("class", weight < 0 ? "link negative" : "link");
      link.line.style.strokeWidth = `${Math.min(9, 0.6 + 1.8 * Math.abs(weight))}px`;
      link.line.style.strokeOpacity = Math.min(1, 0.3 + Math.abs(weight) / 1.5);
    }
    if (this.write) this.say(this.write);
  }

  // The neuron that the pointer or the keyboard is at: its links stand out.
  point(seen) {
    this.pointed = seen;
    this.picture.classList.toggle("pointed", Boolean(seen));
    for (const link of this.links) {
      const own = seen && (this.leadsTo(link, seen) || (link.layer === seen.layer && link.input === seen.unit));
      link.line.classList.toggle("own", Boolean(own));
    }
    if (this.write) this.say(this.write);
  }

  leadsTo(link, { layer, unit }) {
    return link.layer + 1 === layer && link.unit === unit;
  }

  // write(link): two texts, or none; null: nothing is said any more.
  say(write) {
    this.write = write;
    for (const link of this.links) {
      const shown = write && (this.isCounted(link) || (this.pointed && this.leadsTo(link, this.pointed)));
      const parts = shown ? write(link) : [];
      link.words.replaceChildren(...parts.map((words, i) => span(words, i, parts.length, link.words)));
    }
  }

  edit(target) {
    const link = this.links[target.dataset.link];
    if (link) openEditor(this.network, link.layer + 1, link.unit, link.input, target);
  }

  tip(event) {
    const link = event && this.links[event.target.dataset.link];
    const tip = this.network.tip;
    for (const each of this.links) each.line.classList.toggle("under", each === link);
    tip.hidden = !link;
    if (!link) return;
    const parts = [
      text("playground.tip.weight", { number: short(link.weight) }),
      ...(this.write?.(link).slice(1) ?? []),
    ];
    tip.textContent = `${parts.join(" · ")} — ${text("playground.tip.change")}`;
    tip.style.left = `${event.clientX + 12}px`;
    tip.style.top = `${event.clientY + 14}px`;
  }
}

function span(words, line, many, parent) {
  const element = draw("tspan", {
    x: parent.getAttribute("x"),
    dy: line ? "1.1em" : many > 1 ? "-0.5em" : "0",
    class: line ? "second" : "",
  });
  element.textContent = words;
  return element;
}
