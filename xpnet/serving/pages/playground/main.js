// The playground: a small network, computed by the server, and everything that one can do with it.

import { startFrame } from "../shared/frame.js";
import { Wire } from "../shared/wire.js";
import { startControls, startResults } from "./controls.js";
import { Curves } from "./curves.js";
import { startData } from "./data.js";
import { startEditor } from "./editor.js";
import { startHelp } from "./help.js";
import { startLessons } from "./lessons.js";
import { Network } from "./network.js";
import { Output } from "./output.js";
import { Page } from "./page.js";
import { startParts } from "./parts.js";
import { Phases } from "./phases.js";
import { startShare } from "./share.js";
import { Table } from "./table.js";

const wire = new Wire("playground");
const notice = startFrame(wire, "frame.playground");
const page = new Page(wire);

// What went wrong is said until something goes well, or for some seconds while the network learns; what was taken
// instead of what the address says, until something is changed.
let forgetting = 0;
const calm = () => {
  const shown = page.misread.slice(0, 4).map(({ given, taken }) => `${cut(given)} → ${cut(String(taken)) || "–"}`);
  if (shown.length > 0) notice("playground.misread", { what: shown.join(", ") });
  else notice("");
};
const cut = (words) => (words.length > 32 ? `${words.slice(0, 30)}…` : words);
wire.on("error", (frame) => {
  notice("playground.error", { why: frame.text });
  clearTimeout(forgetting);
  forgetting = setTimeout(calm, 10000);
});
wire.on("built", calm);
wire.on("numbers", (frame) => frame.running || calm());
page.on("misread", calm);

startControls(page);
startResults(page);
startData(page);
startEditor(page);
const network = new Network(page);
new Output(page);
new Curves(page);
new Phases(page, network);
new Table(page);
startHelp();
startLessons(page);
startShare(page);
startParts(page);
