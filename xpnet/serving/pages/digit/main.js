// The page "Draw a digit": makes its parts, and connects them with each other and with the server.

import { startFrame } from "../shared/frame.js";
import { Wire } from "../shared/wire.js";
import { Bars } from "./bars.js";
import { Drawing } from "./canvas.js";
import { Explain } from "./explain.js";
import { Files } from "./files.js";
import { keepUntilNextTime } from "./kept.js";
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
const trainings = new Trainings(wire, networks);
new Files(wire, drawing, new Samples(wire, drawing));
startMaps(wire, unit);

drawing.onChange(() => reader.ask());
wire.on("network", () => reader.ask());

// What went wrong is said until something goes right.
let fading = 0;
function calm() {
  if (fading) notice("");
  clearTimeout(fading);
  fading = 0;
}
drawing.onChange(calm);
for (const kind of ["network", "sample", "mistakes", "picture", "opened", "taught", "undone"]) wire.on(kind, calm);
wire.on("closed", () => (fading = 0)); // that is said instead
wire.on("error", (frame) => {
  if (frame.about === "explain") return; // which is said there
  calm();
  notice("digit.error", { why: frame.text });
  fading = setTimeout(calm, 15000);
});

keepUntilNextTime(drawing, networks, trainings);
