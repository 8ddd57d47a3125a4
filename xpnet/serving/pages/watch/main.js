import { startFrame } from "../shared/frame.js";
import { Wire } from "../shared/wire.js";

const wire = new Wire("");
startFrame(wire);
