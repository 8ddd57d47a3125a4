// The page on which a training is watched. Each panel has a file of its own and hears the frames that it shows.

import { startFrame } from "../shared/frame.js";
import { Wire } from "../shared/wire.js";
import { startControls } from "./controls.js";
import { startCurves } from "./curves.js";
import { startFilters } from "./filters.js";
import { startHistograms } from "./histograms.js";
import { startMistakes } from "./mistakes.js";

const wire = new Wire("");
const notice = startFrame(wire);
startControls(wire);
startCurves(wire);
startFilters(wire);
startHistograms(wire);
startMistakes(wire);

let ended = false;
wire.on("state", (state) => (ended = state.phase === "ended"));
wire.on("closed", ({ refused }) => {
  if (ended && !refused) notice("watch.gone");
});
