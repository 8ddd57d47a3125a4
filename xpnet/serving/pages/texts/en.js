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
  "digit.target": "For which digit",
  "digit.target.read": "for what was read",
  "digit.target.digit": "for a {digit}",
  "digit.help.explain":
    "Three ways to ask why. Saliency: by how much does the score of the digit change with each pixel (its " +
    "derivative)? Occlusion: how much of the probability is lost when a small part of the picture is covered? " +
    "Grad-CAM: which of the last convolution's maps speak for the digit, and where? They need not agree; each " +
    "answers another question.",
  "digit.teach": "It was really a …",
  "digit.was": "It was a {label}",
  "digit.losses": "The loss, step by step",
  "digit.teaching": "Learning that this is a {label} …",
  "digit.lesson": "Learning that this is a {label}: step {step} of {steps}, loss {loss}",
  "digit.taught": "Learnt that this is a {label}: loss {from} → {to}.",
  "digit.undone": "Forgotten again.",
  "digit.unteach": "Undo the lesson",
  "digit.help.teach":
    "Tell the network what you meant, and it learns from your drawing: a few steps of gradient descent, on " +
    "your digit and on some from MNIST, so that it does not forget those. The loss says how wrong it is; it " +
    "falls as the network learns. Try to teach it something wrong, too. Undo gives it back what it knew before.",
  "digit.samples": "Digits by others",
  "digit.random": "A test digit",
  "digit.number": "No.",
  "digit.show": "Show",
  "digit.misread": "One it misreads",
  "digit.mistakes": "All it misreads",
  "digit.picture": "A picture of yours …",
  "digit.pictured": "The digit in the picture.",
  "digit.sample": "Test digit {index}, written as a {label}.",
  "digit.searching": "Looking through the 10,000 test digits …",
  "digit.searched": "Looked at {seen} of {of} test digits so far: {wrong} misread.",
  "digit.mistakes.note":
    "{wrong} of {of} test digits are misread; what it was → what was read. Choose one to see why.",
  "digit.mistakes.none": "It reads all test digits right.",
  "digit.mistake": "Test digit {index}: a {label}, read as a {answer}",
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
  "digit.untrained": "not trained yet",
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
  "digit.training.numbers": "Step {step} of {steps} · loss {loss} · {accuracy} right · {seconds} s left",
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

  // ---- end of playground.*

  // ---- watch a training (watch.*)

  // ---- end of watch.*
};
