"""What was measured for each lesson and its variants: the texts of the page say it, and test_lessons.py asks for it."""

FINDINGS = {
    ("neuron", "base"): (
        "One unit: two weights, a bias, and a straight line between the clouds. After 50 steps 96 % of the points "
        "are right, after 250 all (loss 0.03)."
    ),
    ("xor", "base"): (
        "Without a hidden layer the loss stays at 0.69 = ln 2, and about half of the points are right: no straight "
        "line parts them."
    ),
    ("xor", "two"): "Two units: two lines, and a band between them: about 89 % are right, loss 0.32.",
    ("xor", "four"): "Four units with ReLU: 98 to 100 % are right, loss 0.01 in training.",
    ("xor", "product"): (
        "With x1x2 as the input one unit alone solves it: what a network is given decides what it has to learn."
    ),
    ("overfitting", "base"): (
        "50 points with noise and 8 and 8 units: the training loss falls on (0.38, 0.13, 0.03, 0.003 after 250, "
        "1000, 5000, 10000 steps), the test loss falls to 0.39 and then rises (0.67, 0.92)."
    ),
    ("overfitting", "more"): (
        "The same network on 450 points: training loss 0.24, test loss 0.18; there is nothing it could learn by heart."
    ),
    ("rate", "base"): "Far too large a rate: the loss jumps between 0.8 and 5 and nothing is learned.",
    ("rate", "small"): "Far too small: after 2500 steps the loss has moved from 0.707 to 0.702.",
    ("rate", "good"): "Ten times the usual 0.03 is fine here: loss 0.006 after 2500 steps (0.136 with 0.03).",
    ("rate", "diverging"): (
        "One linear unit with squared error: every step overshoots, the numbers grow without bound, and after some "
        "25 steps the run stops: the loss is no finite number any more. With 0.03 it is solved in 250 steps."
    ),
    ("vanishing", "base"): (
        "Six layers of 8 sigmoids, Xavier start: at the beginning the gradients are 0.085 in the last layer and "
        "0.00001 in the first, a factor of some 8000; after 5000 steps the loss is 0.69 still."
    ),
    ("vanishing", "small"): (
        "With weights that start near zero the gradients of the first layer are 0.00000000000001."
    ),
    ("vanishing", "tanh"): (
        "tanh with the Xavier start: gradients of all layers are between 0.006 and 0.04, and after 2500 steps the "
        "loss is 0.002."
    ),
    ("vanishing", "relu"): (
        "ReLU with the He start: gradients of all layers are between 0.003 and 0.1, and after 2500 steps the loss is "
        "0.003."
    ),
    ("vanishing", "relu small"): (
        "ReLU with a start near zero learns nothing either: the start matters as much as the activation."
    ),
    ("regularization", "base"): (
        "The network and the points of the lesson on overfitting, with L2: after 5000 steps training loss 0.18, test "
        "loss 0.33 (without: 0.03 and 0.67). Weights are a third as large (mean |w| 0.31, without 0.90)."
    ),
    ("regularization", "none"): "Without: 0.03 in training, 0.67 in the test.",
    ("regularization", "L1"): "L1 brings 72 of 88 weights to (almost) zero: links disappear. Test loss 0.44.",
    ("regularization", "dropout"): "Dropout of 0.3 does it another way: 0.15 in training, 0.34 in the test.",
}
