"""Numbers about networks, without matplotlib: what they are made of, what they make of samples, and why.

`xpnet.visualize` draws them, `xpnet predict` prints them.
"""

from xpnet.analysis.explanations import grad_cam, saliency
from xpnet.analysis.filters import filters
from xpnet.analysis.occlusion import occlusion
from xpnet.analysis.outputs import activations, feature_maps
from xpnet.analysis.patches import Patches, exciting_patches
from xpnet.analysis.predictions import Mistakes, confusion_matrix, misclassified, probabilities
from xpnet.analysis.receptive_field import Span, receptive_field
from xpnet.analysis.summary import summary

__all__ = [
    "Mistakes",
    "Patches",
    "Span",
    "activations",
    "confusion_matrix",
    "exciting_patches",
    "feature_maps",
    "filters",
    "grad_cam",
    "misclassified",
    "occlusion",
    "probabilities",
    "receptive_field",
    "saliency",
    "summary",
]
