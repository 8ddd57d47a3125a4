// Controls that are put away, as for a class that need not see all of them. The address says which: #hide=noise,batch

import { translate } from "../shared/language.js";
import { byId, make } from "./page.js";

export function startParts(page) {
  const parts = [...document.querySelectorAll("[data-part]")].map((element) => {
    const key = element.dataset.part;
    const name = key.replace("playground.", "");
    const box = make("input", { id: `part-${name}`, type: "checkbox" });
    box.addEventListener("change", () => {
      page.hide(box.checked ? page.hidden.filter((each) => each !== name) : [...page.hidden, name]);
    });
    byId("part-choices").append(make("label", {}, box, " ", make("span", { "data-text": key })));
    return { element, name, box };
  });
  const show = () => {
    for (const { element, name, box } of parts) {
      box.checked = !page.hidden.includes(name);
      element.classList.toggle("away", !box.checked);
    }
  };
  page.on("hidden", show);
  translate(byId("part-choices"));
  show();
}
