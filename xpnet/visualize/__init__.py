"""Pictures of training, data, mistakes, and the inside of networks. They need `pip install "xpnet[plot]"`.

Every `plot_` function returns a matplotlib Figure, saves it too if it is given a `path`, and draws into axes of your
own, `ax`, where one panel is enough. The others return the numbers behind the pictures, need no matplotlib, and stand
in xpnet.analysis and xpnet.experiments.
"""

from xpnet.analysis.explanations import grad_cam, saliency
from xpnet.analysis.outputs import activations, feature_maps
from xpnet.analysis.patches import exciting_patches
from xpnet.analysis.predictions import confusion_matrix, probabilities
from xpnet.experiments.compare_initializers import compare_initializers
from xpnet.visualize.explanations import plot_grad_cam, plot_saliency
from xpnet.visualize.figures import require_matplotlib
from xpnet.visualize.histograms import plot_activations
from xpnet.visualize.history import plot_history
from xpnet.visualize.images import plot_images, plot_misclassified
from xpnet.visualize.learning_rate import plot_lr_search
from xpnet.visualize.network import plot_exciting_patches, plot_feature_maps, plot_filters
from xpnet.visualize.predictions import plot_confusion_matrix

__all__ = [
    "activations",
    "compare_initializers",
    "confusion_matrix",
    "exciting_patches",
    "feature_maps",
    "grad_cam",
    "plot_activations",
    "plot_confusion_matrix",
    "plot_exciting_patches",
    "plot_feature_maps",
    "plot_filters",
    "plot_grad_cam",
    "plot_history",
    "plot_images",
    "plot_lr_search",
    "plot_misclassified",
    "plot_saliency",
    "probabilities",
    "require_matplotlib",
    "saliency",
]
