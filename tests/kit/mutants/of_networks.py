"""Networks: their own gradients, shapes and sizes."""

from tests.kit.mutants.mutant import Mutant

NETWORKS = "tests/networks/test_networks.py"
RADIAL = "tests/networks/test_radial_basis.py"
RESNET = "tests/networks/test_resnet.py"
IMAGES = "tests/networks/test_reconstructions.py"
SHAPES = "tests/networks/test_counts.py"
TRANSFORMERS = "tests/networks/test_transformers.py"
RECURRENT = "tests/networks/test_recurrent_networks.py"
ALEXNET = "tests/networks/test_alexnet_vgg.py"
SMALL = "tests/networks/test_image_networks.py"
UNET = "tests/networks/test_unet.py"
LESSONS = "tests/training/test_functions.py"

MUTANTS = [
    Mutant("networks/lenet5.py", "self.backend.sum(dy * total", "-self.backend.sum(dy * total", NETWORKS),
    Mutant("networks/lenet5.py", "self.xp.concat(connected", "-self.xp.concat(connected", NETWORKS),
    Mutant("networks/radial_basis.py", "return -2 * self", "return 2 * self", RADIAL),
    Mutant("networks/resnet.py", "dx[:, :, ::s, ::s] = dy", "dx[:, :, ::s, ::s] = -dy", RESNET),
    Mutant("networks/vae.py", "dz, dz * noise / 2", "dz, dz * noise", IMAGES),
    Mutant("networks/vae.py", "dlog_var + (var - 1) *", "dlog_var + var *", IMAGES),
    Mutant("networks/vae.py", "dmean + mean * (weight / N)", "dmean + mean * weight", IMAGES),
    Mutant("networks/gan.py", "with self.discriminator.frozen():", "if True:", IMAGES),
    # shapes and sizes
    Mutant("networks/mobilenet.py", "int(maps + 4) // 8 * 8", "int(maps) // 8 * 8", SMALL, "multiples_of_eight"),
    Mutant("networks/mobilenet.py", "1 if number else stride", "stride", SMALL),
    Mutant("networks/mobilenet.py", "self.stride == 1 and self.maps == self.filters else y", "False else y", SMALL),
    Mutant("networks/resnet.py", "self.filters * 2**stage, 1 + (stage > 0)", "self.filters * 2**stage, 2", RESNET),
    Mutant("networks/deepconvnet.py", "(32, 2), (64, 1)", "(32, 1), (64, 1)", NETWORKS),
    Mutant("networks/simpleconvnet.py", "Conv2D(filters, 5,", "Conv2D(filters, 3,", NETWORKS),
    Mutant("networks/lenet5.py", "Conv2D(16, 5, activation", "Conv2D(16, 5, padding=2, activation", NETWORKS),
    Mutant("networks/lenet5.py", "amplitude=1.7159", "amplitude=1.0", NETWORKS),
    Mutant(
        "networks/alexnet.py",
        "(self.features[place] for place in (4, 10, 12))",
        "(self.features[place] for place in (0, 10, 12))",
        ALEXNET,
    ),
    Mutant("networks/alexnet.py", "Conv2D(64, 11, 4, padding=2)", "Conv2D(64, 11, 4, padding=0)", ALEXNET),
    Mutant("networks/vgg.py", "(512, 512), (512, 512)\n\n\nclass VGG13", "(512, 512), (512,)\n\n\nclass VGG13", SHAPES),
    Mutant("networks/inception.py", "ConvNorm(fives, largest)", "ConvNorm(fives, 3)", SHAPES, "Inception"),
    Mutant(
        "networks/unet.py",
        "block(self.concat(passed.pop(), enlarge(x)))",
        "block(self.concat(enlarge(x), passed.pop()))",
        UNET,
    ),
    Mutant("networks/gpt.py", "(2 * layers) ** -0.5", "layers**-0.5", TRANSFORMERS),
    Mutant("networks/gpt.py", "causal=True", "causal=False", TRANSFORMERS),
    Mutant("networks/vit.py", "self.mean(self.turn_back(self.encoder(x)))", "self.mean(self.encoder(x))", TRANSFORMERS),
    Mutant(
        "networks/recurrent.py",
        "return_sequence=False, layers=layers",
        "return_sequence=False, layers=1",
        RECURRENT,
    ),
    Mutant("networks/sampling.py", "total <= u * total[:, -1:]", "total < 0 * u", RECURRENT, "drawn"),
    Mutant("networks/sampling.py", "order[:, top_k:], -np.inf", "order[:, top_k + 1 :], -np.inf", RECURRENT, "drawn"),
    Mutant(
        "networks/sampling.py",
        "(scores - largest) / temperature",
        "(scores - largest) * temperature",
        RECURRENT,
        "drawn",
    ),
    Mutant("networks/autoencoder.py", "units in reversed(self.hidden)]", "units in self.hidden]", IMAGES),
    Mutant("networks/multicolumn.py", "Dense(self.classes), LogSoftmax()]", "Dense(self.classes)]", NETWORKS),
]
