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
  "playground.share": "Take it along",
  "playground.share.note":
    "The address of this page holds all that is set here, with the seed: whoever opens it sees the same. The " +
      "script and the file work without this page.",
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

  // ---- end of watch.*
};
