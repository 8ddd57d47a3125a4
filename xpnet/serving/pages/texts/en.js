// Every text of the pages in English; zh.js has the same keys. {name} is filled in.

export const en = {
  // ---- around every page
  "frame.pages": "Pages",
  "frame.skip": "Skip to the content",
  "frame.digit": "Draw a digit",
  "frame.playground": "Playground",
  "frame.watch": "Watch a training",
  "frame.language": "Language",
  "frame.dark": "Dark",
  "frame.closed": "The server does not answer. Is xpnet still running? This page tries again by itself.",
  "frame.refused": "The server has ended the connection: {why}",

  // ---- the first page
  "start.title": "See a neural network work",
  "start.what": "All that these pages show is computed on this machine, by xpnet, while you look.",
  "start.digit": "Draw a digit, let a network read it, and look at what every one of its layers makes of it.",
  "start.playground": "Build a small network, train it on points in the plane, and watch its neurons find their shapes.",

  // ---- draw a digit (digit.*)

  // ---- end of digit.*

  // ---- playground (playground.*)

  // ---- end of playground.*

  // ---- watch a training (watch.*)
  "watch.title": "Watch a training: {model}",
  "watch.now": "The training now",
  "watch.progress": "Progress",
  "watch.controls": "Controls",
  "watch.phase.begins": "Begins",
  "watch.phase.training": "Training",
  "watch.phase.validation": "Validating",
  "watch.phase.paused": "Paused",
  "watch.phase.ends": "Ends",
  "watch.pausing": "Pauses after this step …",
  "watch.stopping": "Stops after this step …",
  "watch.finished": "Finished",
  "watch.stopped": "Stopped before its time",
  "watch.interrupted": "Interrupted",
  "watch.place": "epoch {epoch} of {epochs}, step {batch} of {batches}",
  "watch.epoch": "epoch",
  "watch.step": "step",
  "watch.speed": "samples/s",
  "watch.time": "time",
  "watch.left": "left (about)",
  "watch.pause": "Pause",
  "watch.goOn": "Go on",
  "watch.stop": "Stop …",
  "watch.sure": "End the training here? It is validated and saved as if it were complete.",
  "watch.yes": "Yes, end it",
  "watch.no": "No",
  "watch.rate": "Learning rate",
  "watch.set": "Set",
  "watch.half": "Halve the learning rate",
  "watch.twice": "Double the learning rate",
  "watch.scaled": "{factor} times what was planned",
  "watch.curves": "Curves",
  "watch.axis": "Axis of the curves",
  "watch.bySteps": "by step",
  "watch.byEpochs": "by epoch",
  "watch.log": "logarithmic",
  "watch.curvesHint":
    "By step, metrics are means over the epoch so far, and the loss is that of the step, in long trainings of several." +
    " Point at a chart, or use the arrow keys in it, to read values.",
  "watch.loss": "Loss",
  "watch.accuracy": "Accuracy",
  "watch.throughput": "Throughput (samples per second)",
  "watch.training": "training",
  "watch.validation": "validation",
  "watch.value": "now",
  "watch.mark.fit": "a training begins",
  "watch.mark.resumed": "goes on from a backup",
  "watch.mark.rate": "{name} changed from {before} to {after}",
  "watch.filters": "Filters of the first layer",
  "watch.filtersHint":
    "{name}: {shown} of {filters} filters, {height} × {width}. Each looks for its pattern everywhere in the image.",
  "watch.filtersColour":
    "{name}: {shown} of {filters} filters, {height} × {width}, in the colours of the image; grey is 0.",
  "watch.film": "Back in time",
  "watch.atStep": "step {step}",
  "watch.live": "step {step}, the newest",
  "watch.mistakes": "Misclassified images",
  "watch.mistakesAll": "After epoch {epoch}: {wrong} of {looked} validation images that were looked at, the surest first.",
  "watch.mistakesSome":
    "After epoch {epoch}: {wrong} of {looked} validation images that were looked at; the {shown} surest.",
  "watch.mistake": "{label}, read as {answer} ({sure}\u00a0%)",
  "watch.histograms": "Weights and gradients",
  "watch.part": "Which parameters",
  "watch.histogramsHint":
    "At step {step}, from the lowest value to the highest; the line is 0, σ the standard deviation. Gradients are those" +
    " before clipping; of large arrays an even sample is counted.",
  "watch.weights": "weights",
  "watch.gradients": "gradients",
  "watch.none": "none seen",
  "watch.bad": "{what}: {bad} are not finite",
  "watch.gone": "The training is over, and so is the process that served this page. What you see is its result.",
  // ---- end of watch.*
};
