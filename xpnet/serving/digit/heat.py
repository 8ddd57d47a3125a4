"""Where a digit speaks for a class, as a map that a page can draw."""

import numpy as np

from xpnet.analysis import grad_cam, occlusion, saliency
from xpnet.errors import OptionError
from xpnet.model import Model
from xpnet.serving.digit.look import Floats

SIZE, STRIDE = 6, 3  # pixels: 144 predictions


def explanation(model: Model, digit: Floats, method: str, label: int) -> Floats:
    """(28, 28). Saliency and Grad-CAM are scaled so that the largest is 1; occlusion is the drop of the probability."""
    x = digit.reshape(1, *(model.input_shape or ()))
    if method == "occlusion":
        return np.asarray(occlusion(model, x, label, SIZE, STRIDE), np.float32).reshape(28, 28)
    if method not in ("saliency", "grad_cam"):
        raise OptionError(f'a digit is explained by "saliency", "occlusion" or "grad_cam", not {method[:40]!r}')
    heat = saliency(model, x, label) if method == "saliency" else grad_cam(model, x, label)
    largest = float(heat.max())
    return np.asarray(heat / largest if largest > 0 else heat, np.float32).reshape(28, 28)
