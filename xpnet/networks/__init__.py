"""Networks that are ready to train, a file each; every one says its source and its number of parameters."""

import importlib
from typing import TYPE_CHECKING, Any

from xpnet.base.hints import no_attribute

if TYPE_CHECKING:
    from xpnet.networks.deepconvnet import DeepConvNet
    from xpnet.networks.lenet5 import LeNet5, Subsampling, TableConv2D
    from xpnet.networks.mlp import MLP
    from xpnet.networks.multicolumn import MultiColumn
    from xpnet.networks.simpleconvnet import SimpleConvNet

# Where they stand: each is imported when somebody asks for it, so that `import xpnet` stays quick.
_PLACES = {
    "deepconvnet": ("DeepConvNet",),
    "lenet5": ("LeNet5", "Subsampling", "TableConv2D"),
    "mlp": ("MLP",),
    "multicolumn": ("MultiColumn",),
    "simpleconvnet": ("SimpleConvNet",),
}


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name == place or name in names:
            module = importlib.import_module(f"xpnet.networks.{place}")
            return module if name == place else getattr(module, name)
    raise no_attribute("xpnet.networks", name, __all__)


__all__ = ["MLP", "DeepConvNet", "LeNet5", "MultiColumn", "SimpleConvNet", "Subsampling", "TableConv2D"]
