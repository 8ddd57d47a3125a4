// The playground: a small network, computed by the server, and everything that one can do with it.

import { startFrame } from "../shared/frame.js";
import { Wire } from "../shared/wire.js";
import { startControls, startResults } from "./controls.js";
import { Curves } from "./curves.js";
import { startData } from "./data.js";
import { startEditor } from "./editor.js";
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

// What went wrong is said until something goes well, or for some seconds while the network learns.
let forgetting = 0;
wire.on("error", (frame) => {
  notice("playground.error", { why: frame.text });
  clearTimeout(forgetting);
  forgetting = setTimeout(() => notice(""), 10000);
});
wire.on("built", () => notice(""));
wire.on("numbers", (frame) => frame.running || notice(""));

startControls(page);
startResults(page);
startData(page);
startEditor(page);
const network = new Network(page);
new Output(page);
new Curves(page);
new Phases(page, network);
new Table(page);
startLessons(page);
startShare(page);
startParts(page);
