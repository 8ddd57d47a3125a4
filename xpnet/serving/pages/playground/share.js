// The state to take along: as an address, as a script that gives the same numbers, as a file.

import { onLanguage, text } from "../shared/language.js";
import { byId, make } from "./page.js";

export function startShare(page) {
  const showAddress = () => (byId("address").value = location.href);
  page.on("address", showAddress);
  window.addEventListener("popstate", showAddress);
  showAddress();
  copies("copy-address", () => byId("address").value);
  copies("copy-script", () => byId("script-text").textContent);
  let exact = true; // whether nothing was changed on the way to these numbers
  const say = () =>
    (byId("script-note").textContent = text(exact ? "playground.script.note" : "playground.script.changed"));
  onLanguage(say);
  byId("script").addEventListener("click", () => page.wire.ask("script"));
  byId("script-close").addEventListener("click", () => {
    byId("script-shown").hidden = true;
    byId("script").focus();
  });
  byId("save-script").addEventListener("click", () => save("playground.py", byId("script-text").textContent));
  page.wire.on("script", (frame) => {
    byId("script-text").textContent = frame.text;
    exact = frame.exact !== false;
    say();
    byId("script-shown").hidden = false;
    byId("script-text").focus();
  });
  byId("file").addEventListener("click", () => page.wire.ask("file"));
  page.wire.on("file", ({ name, arrays }) => save(name, Object.values(arrays)[0].data));
  byId("open-file").addEventListener("change", () => open(page));
}

async function open(page) {
  const [file] = byId("open-file").files;
  if (!file) return;
  const data = new Uint8Array(await file.arrayBuffer());
  page.ask("open", {}, { bytes: { data, shape: [data.length] } });
  byId("open-file").value = ""; // the same file may be chosen again
}

function save(name, content) {
  const address = URL.createObjectURL(new Blob([content]));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// A button that copies a text and says so for a moment.
function copies(id, read) {
  const button = byId(id);
  let copied = false;
  const say = () => (button.textContent = text(copied ? "playground.copied" : "playground.copy"));
  onLanguage(say);
  button.addEventListener("click", async () => {
    copied = await copy(read());
    say();
    setTimeout(() => {
      copied = false;
      say();
    }, 2000);
  });
}

// Without a secure connection there is no clipboard; then the text is marked in a field and copied from there.
async function copy(words) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(words);
      return true;
    } catch {
      // not allowed here: the other way
    }
  }
  const field = make("textarea", { class: "unseen" });
  field.value = words;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
