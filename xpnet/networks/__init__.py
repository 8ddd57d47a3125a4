"""Networks that are ready to train, a file each; every one says its source and its number of parameters."""

from typing import TYPE_CHECKING

from xpnet.base.on_demand import imported_on_demand

if TYPE_CHECKING:
    from xpnet.networks import sampling as sampling
    from xpnet.networks.alexnet import AlexNet
    from xpnet.networks.autoencoder import Autoencoder, ConvAutoencoder
    from xpnet.networks.deepconvnet import DeepConvNet
    from xpnet.networks.gan import DCGAN
    from xpnet.networks.gpt import GPT
    from xpnet.networks.inception import ConvNorm, Inception, InceptionNet
    from xpnet.networks.lenet5 import LeNet5, Subsampling, TableConv2D
    from xpnet.networks.mlp import MLP
    from xpnet.networks.mobilenet import InvertedResidual, MobileNetV1, MobileNetV2
    from xpnet.networks.multicolumn import MultiColumn
    from xpnet.networks.radial_basis import RadialBasis
    from xpnet.networks.recurrent import RecurrentClassifier, RecurrentLanguageModel
    from xpnet.networks.resnet import (
        BasicBlock,
        Bottleneck,
        PaddedShortcut,
        ResNet,
        ResNet18,
        ResNet20,
        ResNet34,
        ResNet50,
        ResNet56,
    )
    from xpnet.networks.simpleconvnet import SimpleConvNet
    from xpnet.networks.unet import DoubleConv, UNet
    from xpnet.networks.vae import VAE, Sampling
    from xpnet.networks.vgg import VGG, VGG11, VGG13, VGG16, VGG19
    from xpnet.networks.vit import ViT

# Where they stand: each is imported when somebody asks for it, so that `import xpnet` stays quick.
_PLACES = {
    "alexnet": ("AlexNet",),
    "autoencoder": ("Autoencoder", "ConvAutoencoder"),
    "deepconvnet": ("DeepConvNet",),
    "gan": ("DCGAN",),
    "gpt": ("GPT",),
    "inception": ("ConvNorm", "Inception", "InceptionNet"),
    "lenet5": ("LeNet5", "Subsampling", "TableConv2D"),
    "mlp": ("MLP",),
    "mobilenet": ("InvertedResidual", "MobileNetV1", "MobileNetV2"),
    "multicolumn": ("MultiColumn",),
    "radial_basis": ("RadialBasis",),
    "recurrent": ("RecurrentClassifier", "RecurrentLanguageModel"),
    "resnet": (
        "BasicBlock", "Bottleneck", "PaddedShortcut", "ResNet", "ResNet18", "ResNet20", "ResNet34", "ResNet50",
        "ResNet56",
    ),
    "sampling": (),
    "simpleconvnet": ("SimpleConvNet",),
    "unet": ("DoubleConv", "UNet"),
    "vae": ("VAE", "Sampling"),
    "vgg": ("VGG", "VGG11", "VGG13", "VGG16", "VGG19"),
    "vit": ("ViT",),
}  # fmt: skip

__all__ = [
    "DCGAN", "GPT", "MLP", "VAE", "VGG", "VGG11", "VGG13", "VGG16", "VGG19", "AlexNet", "Autoencoder", "BasicBlock",
    "Bottleneck", "ConvAutoencoder", "ConvNorm", "DeepConvNet", "DoubleConv", "Inception", "InceptionNet",
    "InvertedResidual", "LeNet5", "MobileNetV1", "MobileNetV2", "MultiColumn", "PaddedShortcut", "RadialBasis",
    "RecurrentClassifier", "RecurrentLanguageModel", "ResNet", "ResNet18", "ResNet20", "ResNet34", "ResNet50",
    "ResNet56", "Sampling", "SimpleConvNet", "Subsampling", "TableConv2D", "UNet", "ViT",
]  # fmt: skip

if not TYPE_CHECKING:  # which should know no name that is not there
    __getattr__, __dir__ = imported_on_demand(__name__, _PLACES, __all__)
