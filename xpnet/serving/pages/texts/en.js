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
  "frame.light": "Light",
  "frame.closed": "The server does not answer. Is xpnet still running? This page tries again by itself.",
  "frame.large": "That is more than the server takes at once: 1 MB at most.",
  "frame.refused": "The server has ended the connection: {why}",

  // ---- an address that is none
  "lost.title": "There is no such page",
  "lost.what": "Nothing is at this address.",
  "lost.back": "To the first page",

  // ---- the first page
  "start.title": "See a neural network work",
  "start.what": "All that these pages show is computed on this machine, by xpnet, while you look.",
  "start.digit": "Draw a digit, let a network read it, and look at what every one of its layers makes of it.",
  "start.playground": "Build a small network, train it on points in the plane, and watch its neurons find their shapes.",

  // ---- draw a digit (digit.*)
  "digit.draw": "Draw a digit",
  "digit.canvas": "Sheet to draw a digit on",
  "digit.hint": "Draw a digit here, 0 to 9",
  "digit.clear": "Clear",
  "digit.back": "Undo",
  "digit.width": "Pen",
  "digit.pen.down": "The pen is down.",
  "digit.pen.up": "The pen is up.",
  "digit.help": "What am I seeing?",
  "digit.keys":
    "With the keyboard: arrow keys move the pen, with Shift more finely; Space puts it down and lifts it; " +
    "Delete clears the sheet; Ctrl+Z goes back.",
  "digit.help.draw":
    "Draw one digit with the mouse, a pen or a finger, large or small, wherever you like: it is brought to the " +
    "middle and to the right size before the network sees it. You can also drop a picture of a digit here, or " +
    "the file of a network.",
  "digit.reads": "The network reads",
  "digit.bars": "How sure it is of each digit",
  "digit.took": "{ms} ms",
  "digit.help.bars":
    "The network gives each of the ten digits a share, and the shares add up to 100 %. The largest is its " +
    "answer. Watch the bars while you draw: a 1 can turn into a 7, and a 3 into an 8. The network has to " +
    "choose one of the ten: also for a smiley.",
  "digit.sees": "What the network sees",
  "digit.help.sees":
    "The network never sees your sheet, only this: 28 × 28 numbers from 0 (paper) to 1 (ink). The digit was " +
    "scaled to 20 × 20 and put in the middle, as in MNIST, the 60,000 digits from which the network has learnt.",
  "digit.why": "Where does it look?",
  "digit.method.none": "Only the digit",
  "digit.method.saliency": "Saliency",
  "digit.method.occlusion": "Occlusion",
  "digit.method.grad_cam": "Grad-CAM",
  "digit.method.saliency.note": "Red: if such a pixel changes a little, the score changes most.",
  "digit.method.occlusion.note":
    "Red: if this part is covered, the network becomes less sure. Blue: it becomes more sure.",
  "digit.method.grad_cam.note": "Red: what the last convolution has found here speaks for the digit.",
  "digit.mute": "{name} has no convolution, so Grad-CAM has nothing to show of it: choose another way.",
  "digit.target": "For which digit",
  "digit.target.read": "for what was read",
  "digit.target.digit": "for the digit {digit}",
  "digit.help.explain":
    "Three ways to ask why. Saliency: by how much does the score of the digit change with each pixel (its " +
    "derivative)? Occlusion: how much of the probability is lost when a small part of the picture is covered? " +
    "Grad-CAM: which of the last convolution's maps speak for the digit, and where? They need not agree; each " +
    "answers another question.",
  "digit.teach": "It was really a …",
  "digit.was": "It was the digit {label}",
  "digit.losses": "The loss, step by step",
  "digit.teaching": "Learning that this is the digit {label} …",
  "digit.lesson": "Learning that this is the digit {label}: step {step} of {steps}, loss {loss}",
  "digit.taught.one": "It was taught that this is the digit {label}.",
  "digit.taught.both": "Both networks were taught that this is the digit {label}.",
  "digit.taught.reads": "{name} now reads {answer} (loss of its lesson {from} → {to}).",
  "digit.taught.still": "{name} still reads {answer} (loss of its lesson {from} → {to}): teach it again.",
  "digit.taught.name": "{name}, taught",
  "digit.taught.note": "What was taught here changes the network of this page alone, and is lost when it is left.",
  "digit.undone": "Forgotten again.",
  "digit.unteach": "Undo the lesson",
  "digit.help.teach":
    "Tell the network what you meant, and it learns from your drawing: a few steps of gradient descent, on " +
    "your digit and on some from MNIST, so that it does not forget those. The loss says how wrong it is; it " +
    "falls as the network learns. Try to teach it something wrong, too. Undo gives it back what it knew before.",
  "digit.samples": "Digits by others",
  "digit.random": "A test digit",
  "digit.number": "No.",
  "digit.number.none": "Type a number from 0 to 9999.",
  "digit.show": "Show",
  "digit.misread": "One it misreads",
  "digit.mistakes": "All it misreads",
  "digit.picture": "A picture of yours …",
  "digit.pictured": "The digit in the picture.",
  "digit.sample": "Test digit {index}, written as {label}.",
  "digit.searching": "Looking through the 10,000 test digits …",
  "digit.searched": "Looked at {seen} of {of} test digits so far: {wrong} misread.",
  "digit.mistakes.note":
    "{wrong} of {of} test digits are misread; what it was → what was read. Choose one to see why.",
  "digit.mistakes.none": "It reads all test digits right.",
  "digit.mistake": "Test digit {index}: {label}, read as {answer}",
  "digit.help.samples":
    "10,000 digits that the network has never seen in training, by 250 people. They tell how good it really " +
    "is. Those it misreads are often hard for people, too. A picture may be a photo of a digit on paper: one " +
    "digit alone, with some contrast.",
  "digit.network": "Inside the network",
  "digit.choose": "Network",
  "digit.compare": "Compare with",
  "digit.compare.none": "none",
  "digit.open": "Open a network’s file …",
  "digit.open.large": "{name} is larger than 32 MiB.",
  "digit.opening": "Opening {name} …",
  "digit.parameters": "It has {count} parameters.",
  "digit.group.trained": "Trained",
  "digit.group.new": "New: it learns before your eyes",
  "digit.note.package": "A trained network that comes with xpnet.",
  "digit.note.file": "The network of the file {where}.",
  "digit.note.runs": "Trained on this machine: {where}.",
  "digit.note.here": "Trained on this page.",
  "digit.note.own": "The network of the file that you opened.",
  "digit.note.new": "Not trained yet: choose it, and it learns before your eyes.",
  "digit.training":
    "{name} has just been born: its weights are random, so it guesses. It is now learning from MNIST’s digits, " +
    "right here. Draw already, and watch it get better.",
  "digit.training.begins": "Starting …",
  "digit.training.numbers": "Step {step} of {steps} · loss {loss} · {accuracy} of the latest training digits right · {seconds} s left",
  "digit.training.tests": "Now it takes its exam: 10,000 test digits.",
  "digit.pause": "Pause",
  "digit.goOn": "Go on",
  "digit.scale": "Colours:",
  "digit.local": "each map its own",
  "digit.common": "one for the layer",
  "digit.local.hint": "Each map uses the full range of colours for itself: weak patterns are visible, too",
  "digit.common.hint": "All maps of a layer share one range of colours: strong and weak can be compared",
  "digit.itsOwn": "max",
  "digit.legend": "Colours: orange is negative, the colour of the paper is zero, blue is positive",
  "digit.negative": "negative",
  "digit.positive": "positive",
  "digit.strip":
    "{layer}, {what}. Arrow keys go from unit to unit, Page Up and Page Down from map to map, Enter holds one.",
  "digit.strip.shown": "{layer}, {what}",
  "digit.help.maps":
    "Follow the digit from top to bottom. Each layer turns the numbers above it into new numbers; each small " +
    "picture is a feature map, and each of its pixels is a unit, a single number. Blue is positive, orange is " +
    "negative, and what looks like paper is zero. Point at a unit to see what it was computed from.",
  "digit.help.conv":
    "Convolution: a map looks for one small pattern, its kernel, at every place of the picture. Where the " +
    "pattern is, the map is strong. The kernels of the first layer are shown as pictures: many look for edges " +
    "in one direction. ReLU then turns all negative numbers into zero.",
  "digit.help.pool":
    "Pooling: of every 2 × 2 numbers only the largest remains. The maps become smaller, and it matters less " +
    "where exactly a pattern was.",
  "digit.help.dense":
    "Dense: here there are no maps any more. Each unit adds up all numbers of the layer before, each with a " +
    "weight of its own.",
  "digit.help.softmax": "Softmax: turns the last ten scores into shares that add up to 1: the bars at the top.",
  "digit.help.scale":
    "“Each map its own” shows weak maps as clearly as strong ones. “One for the layer” shows how strong the " +
    "maps are compared with each other.",
  "digit.kind.input": "Input",
  "digit.kind.kernels": "Kernels",
  "digit.kind.conv": "convolution",
  "digit.kind.pool": "pooling",
  "digit.kind.dense": "dense",
  "digit.kind.relu": "ReLU",
  "digit.kind.tanh": "tanh",
  "digit.kind.sigmoid": "sigmoid",
  "digit.kind.softmax": "softmax",
  "digit.kind.norm": "batch norm",
  "digit.kind.flatten": "flatten",
  "digit.kind.dropout": "dropout",
  "digit.kind.subsampling": "subsampling",
  "digit.kind.global_pool": "global pooling",
  "digit.kind.adaptive_pool": "pooling",
  "digit.kind.radial_basis": "radial basis",
  "digit.kind.lrn": "local response norm",
  "digit.kind.pad": "padding",
  "digit.kind.add": "addition",
  "digit.kind.concat": "concatenation",
  "digit.kind.reshape": "reshape",
  "digit.copies.flatten": "the same numbers, written in one row",
  "digit.copies.dropout": "in training only: leaves units out at random; here it changes nothing",
  "digit.size.units": "{count} units",
  "digit.size.map": "{rows} × {columns}",
  "digit.size.maps": "{count} maps, {rows} × {columns}",
  "digit.size.kernels": "{count} patterns that the first layer looks for, {rows} × {columns}",
  "digit.kernel": "pattern {channel}, row {row}, column {column}: {value}; it makes the map that is framed",
  "digit.place.map": "map {channel}, row {row}, column {column}",
  "digit.place.unit": "unit {channel}",
  "digit.help.unit":
    "A number in a network has nothing secret about it. In a convolution, the numbers in a small window of the " +
    "layer before are multiplied by the numbers of the kernel, which the network has learnt; the products are " +
    "added, a bias is added, and the activation follows. The window is marked in red in the layer before. Go " +
    "there next, and so back to the digit itself.",
  "digit.unit": "One unit, number by number",
  "digit.unit.none":
    "Point at a unit of a layer (or go to it with the arrow keys) to see what it was computed from. A click " +
    "holds it.",
  "digit.unit.held": "Held: click it again to let go.",
  "digit.unit.more": "There is more below: a click holds the unit, and you can scroll here.",
  "digit.close": "Close",
  "digit.unit.conv.one": "The window of the picture × the kernel, number by number:",
  "digit.unit.conv":
    "The window in each of the {count} maps of {from} × the kernel for that map, number by number; what adds " +
    "most comes first:",
  "digit.unit.map": "map {map}: together {sum}",
  "digit.unit.rest": "The other {count} maps together: {sum}",
  "digit.unit.all": "Show all {count}",
  "digit.unit.dense": "All {count} numbers of the layer before, each × its weight:",
  "digit.unit.inputs": "inputs",
  "digit.unit.weights": "× weights",
  "digit.unit.products": "= products",
  "digit.unit.input": "input",
  "digit.unit.weight": "× weight",
  "digit.unit.product": "= product",
  "digit.unit.where": "map (row, column)",
  "digit.unit.where.one": "(row, column)",
  "digit.unit.others": "The other {count} products together: {sum}",
  "digit.unit.max": "The largest of the {count} numbers in the window, nothing else:",
  "digit.unit.average": "The mean of the {count} numbers in the window, times a weight:",
  "digit.unit.mean": "The mean of the {count} numbers in the window:",
  "digit.unit.normalization": "Brought to the scale that all digits have here on average:",
  "digit.unit.elementwise": "Computed from the one number at the same place:",
  "digit.unit.distance": "How far the numbers are from the code of this digit: the nearest code wins.",
  "digit.unit.copy": "The same number as in the layer before.",
  "digit.unit.linear": "This layer close to these numbers: by how much each of them changes the result.",
  "digit.unit.softmax": "exp makes every score positive; divided by the sum of all ten, {sum}, they become shares:",
  "digit.unit.sum": "sum of the products",
  "digit.unit.bias": "+ bias",
  "digit.unit.before": "= before the activation",
  "digit.unit.value": "= value of the unit",
  "digit.unit.activation": "activation",
  "digit.unit.formula": "computed as",
  "digit.unit.relu.on": "ReLU lets positive numbers pass as they are.",
  "digit.unit.relu.off": "ReLU turns negative numbers into 0: the pattern is not here.",
  "digit.error": "{why}",

  // ---- end of digit.*

  // ---- playground (playground.*)
  "playground.running": "Train",
  "playground.run": "Run",
  "playground.pause": "Pause",
  "playground.step": "Step",
  "playground.step.hint": "One batch of points",
  "playground.epoch": "Epoch",
  "playground.epoch.hint": "All training points once",
  "playground.reset": "Reset",
  "playground.reset.hint": "Begin anew, with the weights it had at first",
  "playground.epochs": "Epochs",
  "playground.steps": "Steps",
  "playground.speed": "{number} a second",
  "playground.sentence.classification": "Press Run, and the network learns to tell the colours apart.",
  "playground.sentence.regression": "Press Run, and the network learns the number of each point.",
  "playground.sentence.learning": "It is learning: watch the map find the points.",
  "playground.sentence.learned": "Run goes on, Reset begins anew. Change whatever you like.",
  "playground.sentence.own": "Click into the map to place points, then press Run.",
  "playground.pace": "Speed",
  "playground.pace.2": "2 / s",
  "playground.pace.20": "20 / s",
  "playground.pace.200": "200 / s",
  "playground.pace.1000": "1000 / s",
  "playground.pace.0": "Full speed",
  "playground.settings": "How it learns",
  "playground.problem": "Problem",
  "playground.problem.classification": "Classification",
  "playground.problem.regression": "Regression",
  "playground.lr": "Learning rate",
  "playground.activation": "Activation",
  "playground.activation.relu": "ReLU",
  "playground.activation.tanh": "Tanh",
  "playground.activation.sigmoid": "Sigmoid",
  "playground.activation.linear": "Linear",
  "playground.activation.mixed": "(mixed)",
  "playground.loss": "Loss",
  "playground.loss.auto": "Automatic",
  "playground.loss.binary_cross_entropy": "Cross-entropy",
  "playground.loss.softmax_cross_entropy": "Cross-entropy",
  "playground.loss.mean_squared_error": "Squared error",
  "playground.loss.mean_absolute_error": "Absolute error",
  "playground.loss.huber": "Huber",
  "playground.loss.hinge": "Hinge",
  "playground.loss.squared_hinge": "Squared hinge",
  "playground.loss.multi_class_hinge": "Hinge",
  "playground.optimizer": "Optimizer",
  "playground.optimizer.sgd": "SGD",
  "playground.optimizer.momentum": "Momentum",
  "playground.optimizer.nesterov": "Nesterov",
  "playground.optimizer.adagrad": "AdaGrad",
  "playground.optimizer.rmsprop": "RMSProp",
  "playground.optimizer.adam": "Adam",
  "playground.optimizer.adamw": "AdamW",
  "playground.optimizer.nadam": "Nadam",
  "playground.optimizer.radam": "RAdam",
  "playground.optimizer.lion": "Lion",
  "playground.optimizer.muon": "Muon",
  "playground.regularization": "Regularisation",
  "playground.regularization.none": "None",
  "playground.regularization.L1": "L1",
  "playground.regularization.L2": "L2",
  "playground.rate": "Its rate",
  "playground.initializer": "First weights",
  "playground.initializer.xavier": "Xavier",
  "playground.initializer.he": "He",
  "playground.initializer.uniform": "Uniform ±0.5",
  "playground.initializer.small": "Small",
  "playground.initializer.large": "Large",
  "playground.initializer.zeros": "Zeros",
  "playground.lesson.try": "Try:",
  "playground.lesson.changed": "You have changed something: find out what comes of it.",
  "playground.lessons": "Lessons",
  "playground.close": "Close",
  "playground.data": "Data",
  "playground.data.circle": "Circle",
  "playground.data.xor": "XOR",
  "playground.data.gauss": "Gaussian",
  "playground.data.spiral": "Spiral",
  "playground.data.blobs": "Groups",
  "playground.data.own": "Your own",
  "playground.data.plane": "Plane",
  "playground.data.multigauss": "Hills",
  "playground.own.note": "Click into the map to place a point of this class or number.",
  "playground.own.class": "Class of new points",
  "playground.own.value": "Number of new points",
  "playground.own.count": "{number} points",
  "playground.own.scaled": "{number} points, fitted to the plane",
  "playground.own.clear": "Remove all points",
  "playground.own.csv": "Paste a table",
  "playground.own.csv.note": "A line for each point: x1, x2, and its class or number.",
  "playground.own.csv.file": "Read a file",
  "playground.own.csv.use": "Use these points",
  "playground.classes": "Classes",
  "playground.train": "Training points",
  "playground.noise": "Noise",
  "playground.batch": "Batch size",
  "playground.seed": "Seed",
  "playground.regenerate": "New points",
  "playground.regenerate.hint": "The next seed: other points of the same kind",
  "playground.network": "Network",
  "playground.layers": "{number} hidden layers",
  "playground.layers.more": "One hidden layer more",
  "playground.layers.fewer": "One hidden layer less",
  "playground.inputs": "Inputs",
  "playground.inputs.note": "Click to switch one on or off",
  "playground.output": "Output",
  "playground.output.one": "1 number",
  "playground.outputs": "{number} classes",
  "playground.layer.name": "Layer {number}",
  "playground.layer.more": "One neuron more in layer {number}",
  "playground.layer.fewer": "One neuron less in layer {number}",
  "playground.layer.activation": "Activation of layer {number}",
  "playground.layer.dropout": "Dropout of layer {number}",
  "playground.dropout": "Dropout",
  "playground.batch_norm": "Batch norm",
  "playground.stage": "The network; arrow keys go from neuron to neuron",
  "playground.network.hint":
    "Each square is a neuron, its colours what it gives at each place of the plane. Point at one to see it " +
      "large; click it, or a link, to change its numbers.",
  "playground.network.wide": "The network is wider than this window: push it sideways. ⟷",
  "playground.unit.input": "Input {name}",
  "playground.unit.hidden": "Layer {layer}, neuron {unit}",
  "playground.unit.class": "Class {unit}",
  "playground.unit.output": "Output",
  "playground.unit.label": "{name}, bias {bias}",
  "playground.bias": "Bias",
  "playground.weight.from": "Weight from {name}",
  "playground.tip.weight": "weight {number}",
  "playground.tip.change": "click to change it",
  "playground.phases": "One step, slowly:",
  "playground.forward": "1 Forward",
  "playground.backward": "2 Backward",
  "playground.update": "3 Update",
  "playground.phase.hint": "A step has three parts: see the numbers on every link",
  "playground.phase.forward":
    "Forward: {number} points went through the network. Each link shows its weight, each neuron what it gives " +
      "for one of the points. Together, their loss is {loss}.",
  "playground.phase.backward":
    "Backward: from right to left, each link learned how the loss, {loss}, changes with its weight: its " +
      "gradient ∇. At a neuron, δ says the same of its output.",
  "playground.phase.update":
    "Update: each weight went a small way, Δ, against its gradient; how far, the learning rate {lr} says. That " +
      "was one step; the next batch is waiting.",
  "playground.phase.many": "Between large layers, point at a neuron to see the numbers of its links.",
  "playground.phase.sample": "Point",
  "playground.phase.point": "of {number}: x₁ {x1}, x₂ {x2}, target {target}; output {answers}",
  "playground.phase.score": "score {score}: {name}",
  "playground.phase.share": "score {score} = {percent} % {blue}",
  "playground.class.0": "orange (class 0)",
  "playground.class.1": "blue (class 1)",
  "playground.loss.train": "Training loss",
  "playground.loss.test": "Test loss",
  "playground.right": "{number} % right",
  "playground.curves.label": "Curves of the loss: training {train}, test {test}",
  "playground.curves.step": "step {number}",
  "playground.map": "Map of {name} over the plane of x1 and x2, with the points",
  "playground.show_test": "Show test points",
  "playground.discrete": "Discretise the output",
  "playground.weights": "All weights as a table",
  "playground.weights.note": "They can be changed here, too; ∇ is the gradient, once you have pressed Backward.",
  "playground.layers.count": "Number of layers",
  "playground.parts": "What there is to set",
  "playground.parts.note": "What is not ticked is put away. The address says so, too: for a class, or to point at one thing.",
  "playground.share": "Take it along",
  "playground.share.note":
    "The address of this page holds all that is set here, with the seed. Opened on this computer, it shows the same " +
      "points and the same first weights; press Run to train them. What has been learned is in the file " +
      "(Save the network). The script works without this page.",
  "playground.address": "Address of this state",
  "playground.copy": "Copy",
  "playground.copied": "Copied",
  "playground.script": "Show as Python",
  "playground.script.note": "With xpnet, this script gives the same numbers.",
  "playground.script.changed":
    "With xpnet, this script gives the numbers of a network that has had these settings from the beginning: " +
      "here something was changed on the way.",
  "playground.script.save": "Save as a file",
  "playground.file": "Save the network",
  "playground.file.open": "Open a network",
  "playground.error": "That did not work: {why}",
  "playground.misread": "Not everything was understood; what was given, and what was taken instead: {what}",
  "playground.compiling": "Numba compiles what this network needs, once: it takes some seconds.",
  "playground.sentence.anew":
    "The page was loaded anew: your settings are still here, what was learned is not. Press Run.",
  "playground.help": "What am I seeing?",
  "playground.help.all":
    "Points lie in a plane. A small network is shown their places and learns to say their colour: after each " +
    "step its answer for the whole plane is painted behind them. Each square in the network is a neuron and " +
    "shows what it gives; a line between two is a weight, blue if it is positive, orange if it is negative.",
  "playground.help.inputs":
    "What the network is told of a point: its two coordinates, or also squares, the product and sines of " +
    "them.",
  "playground.help.lr":
    "How far each step goes. Too small, and nothing moves; too large, and the loss jumps or grows without " +
    "end.",
  "playground.help.batch":
    "How many points each step looks at. With few, steps are quick and jittery; with many, calm.",
  "playground.help.activation":
    "What a neuron makes of its sum. Without one (Linear), all layers together can draw only straight lines.",
  "playground.help.loss":
    "The number that learning makes smaller: how wrong the answers are. Cross-entropy is usual for classes, " +
    "the squared error for numbers; Huber and the absolute error mind outliers less, Hinge minds only points " +
    "near the border.",
  "playground.help.optimizer":
    "How a gradient becomes a step. SGD follows it; Momentum and Nesterov keep some of the last steps; " +
    "AdaGrad, RMSProp and Adam give each weight a step size of its own (AdamW, Nadam and RAdam are kinds of " +
    "Adam); Lion takes only signs; Muon turns whole weight matrices.",
  "playground.help.regularization":
    "A price on large weights, so that the network does not learn noise by heart. L1 brings many weights to " +
    "zero, L2 makes all of them smaller.",
  "playground.help.rate": "How high the price of regularisation is.",
  "playground.help.initializer":
    "Where the weights begin, by chance. Xavier (for tanh and sigmoid) and He (for ReLU) choose the size so " +
    "that signals neither fade nor grow from layer to layer; with zeros all neurons of a layer stay alike.",
  "playground.help.batch_norm":
    "Brings the sums of a layer to mean 0 and variance 1 over each batch: deep networks learn more easily.",
  "playground.help.dropout":
    "In each step of the training, this share of the layer's neurons is silent, at random: no neuron can " +
    "rely on another. It works against learning by heart.",
  "playground.help.train":
    "The share of the points that the network learns from. On the others, the test points, it is only tested.",
  "playground.help.noise": "How much the points are scattered, at random.",
  "playground.help.seed":
    "The number from which all that is random follows: points, first weights, order. The same seed gives the " +
    "same numbers.",
  "playground.help.show_test": "Shows the points that the network does not learn from.",
  "playground.help.discrete": "Paints only which class wins, not how sure the network is.",
  "playground.help.pace": "How many steps a second are taken at most. It changes nothing but the speed.",
  "playground.help.phases":
    "A step in three parts: the answers and their loss, the gradients back through all layers, and the " +
    "change of the weights.",
  "playground.lesson.neuron": "What a neuron is",
  "playground.lesson.neuron.text":
    "This network is one neuron: it multiplies each input by a weight, adds a bias, and gives the sum. Where " +
      "the sum is positive it answers blue, elsewhere orange; so its border is a straight line.\nPress Run: the " +
      "line turns until it parts the two clouds. Then click a link and change its weight: the line turns. Click " +
      "the output and change its bias: the line shifts.",
  "playground.lesson.xor": "Exclusive or",
  "playground.lesson.xor.text":
    "Blue lies where both coordinates have the same sign: no straight line parts that from orange. Press Run, " +
      "and see a network without hidden layers fail. Then try the others, and press Run each time.",
  "playground.lesson.xor.base": "No hidden layer",
  "playground.lesson.xor.base.text":
    "One line only: about half of the points are right, and the loss stays at 0.69, which is that of guessing.",
  "playground.lesson.xor.two": "Two neurons",
  "playground.lesson.xor.two.text": "Two lines and a band between them: about 89 % of the points are right.",
  "playground.lesson.xor.four": "Four neurons with ReLU",
  "playground.lesson.xor.four.text":
    "After 2,500 steps nearly all points are right: each neuron draws a line, and the output puts them " +
      "together.",
  "playground.lesson.xor.product": "The input x₁x₂",
  "playground.lesson.xor.product.text":
    "With the product as its input, one neuron solves it alone: what a network is given decides what it has to " +
      "learn.",
  "playground.lesson.overfitting": "Overfitting",
  "playground.lesson.overfitting.text":
    "Fifty noisy points, and a network that is large for so few. Press Run and watch the two curves: the " +
      "training loss goes on falling; the test loss falls at first, then it rises. The network learns the noise " +
      "by heart. The test points, those with a dark rim, show where it is wrong.",
  "playground.lesson.overfitting.base": "50 points",
  "playground.lesson.overfitting.base.text":
    "The test loss is lowest, at 0.4, after some 250 steps. After 10,000 it is 0.9, and the training loss " +
      "0.003.",
  "playground.lesson.overfitting.more": "450 points",
  "playground.lesson.overfitting.more.text":
    "The same network on more points: training loss 0.24, test loss 0.18. So many cannot be learned by heart.",
  "playground.lesson.rate": "Learning rate",
  "playground.lesson.rate.text":
    "The learning rate says how far each step goes against the gradient. Here it is far too large: press Run, " +
      "and the loss jumps. Then try the others; the best rate is often a little below the one at which the loss " +
      "begins to jump.",
  "playground.lesson.rate.base": "10",
  "playground.lesson.rate.base.text": "The loss jumps between 0.8 and 5, and nothing is learned.",
  "playground.lesson.rate.small": "0.0003",
  "playground.lesson.rate.small.text":
    "After 2,500 steps the loss has gone from 0.707 to 0.702: one might think that it stands still.",
  "playground.lesson.rate.good": "0.3",
  "playground.lesson.rate.good.text":
    "Ten times the usual rate does well here: after 2,500 steps the loss is 0.006, where 0.03 leaves it at " +
      "0.14.",
  "playground.lesson.rate.diverging": "A plane, with 0.3",
  "playground.lesson.rate.diverging.text":
    "Each step overshoots by more than the one before: after some 25 steps the numbers are beyond all bounds, " +
      "and the run stops. With 0.03 it is solved in 250 steps.",
  "playground.lesson.vanishing": "Vanishing gradients",
  "playground.lesson.vanishing.text":
    "Six layers of sigmoids. On its way back, the gradient is multiplied at each layer by the slope of the " +
      "sigmoid, which is 0.25 at most. Press Forward and Backward, point at a neuron of layer 6 and then at one " +
      "of layer 1, and compare the gradients ∇ on their links. Press Run: for long, nothing happens.\nXavier " +
      "chose first weights so that with tanh the signal keeps its size from layer to layer; He did it for ReLU. " +
      "Try them.",
  "playground.lesson.vanishing.base": "Sigmoid, Xavier",
  "playground.lesson.vanishing.base.text":
    "The gradients are 0.085 in the last layer and 0.00001 in the first. After 5,000 steps the loss is still " +
      "0.69.",
  "playground.lesson.vanishing.small": "Sigmoid, small weights",
  "playground.lesson.vanishing.small.text":
    "With weights near zero, what arrives at the first layer is 0.00000000000001.",
  "playground.lesson.vanishing.tanh": "Tanh, Xavier",
  "playground.lesson.vanishing.tanh.text":
    "The gradients of all layers lie between 0.006 and 0.04, and after 2,500 steps the loss is 0.002.",
  "playground.lesson.vanishing.relu": "ReLU, He",
  "playground.lesson.vanishing.relu.text":
    "The gradients of all layers lie between 0.003 and 0.1, and after 2,500 steps the loss is 0.003.",
  "playground.lesson.vanishing.relu small": "ReLU, small weights",
  "playground.lesson.vanishing.relu small.text":
    "This learns nothing either: the first weights matter as much as the activation.",
  "playground.lesson.regularization": "Regularisation",
  "playground.lesson.regularization.text":
    "The points and the network of the lesson on overfitting, but large weights have a price: L2 adds their " +
      "squares to the loss, L1 their sizes. Press Run: the map stays smooth.",
  "playground.lesson.regularization.base": "L2",
  "playground.lesson.regularization.base.text":
    "After 5,000 steps the training loss is 0.18 and the test loss 0.33. The weights are a third as large as " +
      "without.",
  "playground.lesson.regularization.none": "Without",
  "playground.lesson.regularization.none.text": "0.03 in training, 0.67 in the test: learned by heart.",
  "playground.lesson.regularization.L1": "L1",
  "playground.lesson.regularization.L1.text":
    "Of 88 weights, 72 go to zero or nearly so: their links disappear. The test loss is 0.44.",
  "playground.lesson.regularization.dropout": "Dropout",
  "playground.lesson.regularization.dropout.text":
    "Another way: in each step, a share of the neurons is silent. 0.15 in training, 0.34 in the test.",

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
  "watch.filtersDense":
    "{name}: {shown} of {filters} units, {height} × {width}. Each has a weight for every pixel of the image, at its place.",
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
