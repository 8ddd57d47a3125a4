import { startFrame } from "./shared/frame.js";

startFrame();
