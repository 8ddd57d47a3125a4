// The page "Draw a digit": makes its parts, and connects them with each other and with the server.

import { startFrame } from "../shared/frame.js";
import { Wire } from "../shared/wire.js";
import { Bars } from "./bars.js";
import { Drawing } from "./canvas.js";
import { Explain } from "./explain.js";
import { Files } from "./files.js";
import { startMaps } from "./maps.js";
import { Networks } from "./networks.js";
import { Reader } from "./reader.js";
import { Samples } from "./samples.js";
import { Teach } from "./teach.js";
import { Trainings } from "./training.js";
import { Unit } from "./unit.js";

const wire = new Wire("digit");
const notice = startFrame(wire, "frame.digit");

const drawing = new Drawing(document.getElementById("digit"));
const networks = new Networks(wire);
const reader = new Reader(wire, drawing, networks);
const unit = new Unit(wire);
new Bars(wire, networks);
new Explain(wire, networks, drawing);
new Teach(wire, drawing, networks);
new Trainings(wire, networks);
new Files(wire, drawing, new Samples(wire, drawing));
startMaps(wire, unit);

drawing.onChange(() => reader.ask());
wire.on("network", () => reader.ask());

let fading;
wire.on("error", (frame) => {
  notice("digit.error", { why: frame.text });
  clearTimeout(fading);
  fading = setTimeout(() => notice(""), 15000);
});
