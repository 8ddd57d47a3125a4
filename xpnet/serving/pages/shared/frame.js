// What all pages have around them: the bar at the top, and the line that says how the connection is.

import { onLanguage, startLanguage, text } from "./language.js";
import { startTheme } from "./theme.js";

// Sets up the page; returns notice(key, values): a line in the element with the id "notice", empty without a key.
// title: the key of what the window is called, unless the page sees to that.
export function startFrame(wire, title = "") {
  startTheme();
  startLanguage();
  if (title) onLanguage(() => (document.title = `xpnet: ${text(title)}`));
  const notice = makeNotice();
  if (wire) {
    wire.on("open", () => notice(""));
    wire.on("closed", ({ refused }) => refused || notice("frame.closed"));
    wire.on("refused", (frame) => notice("frame.refused", { why: frame.text }));
  }
  return notice;
}

function makeNotice() {
  const line = document.getElementById("notice");
  let said = ["", {}];
  const show = () => (line.textContent = said[0] ? text(said[0], said[1]) : "");
  onLanguage(show);
  return (key, values = {}) => {
    said = [key, values];
    show();
  };
}
