"""The specification: every hot primitive once, in code that uses the Python array API standard only.

It is written to be read and to be right, on any conforming namespace (NumPy, CuPy, PyTorch, array-api-strict); other
backends override what is worth it and are tested against it. There is a file for each family of primitives. Names: N
batch, C channels in, O channels out, H and W image, KH and KW kernel, OH and OW output, G groups. Gradients are called
after what they belong to: `dy` is the gradient with respect to y. Nothing here writes into an argument, but for the
running statistics and the update steps, which change parameter and state in place.
"""

from xpnet.backend.reference.arrays import Array, Memory, TrainingPlan, dtype_name
from xpnet.backend.reference.attention import Attention
from xpnet.backend.reference.dense import Dense
from xpnet.backend.reference.dropout import Dropout
from xpnet.backend.reference.elementwise import Elementwise
from xpnet.backend.reference.embedding import Embedding
from xpnet.backend.reference.explanation import Explanation
from xpnet.backend.reference.fading import Fading
from xpnet.backend.reference.group_norm import GroupNorm
from xpnet.backend.reference.late_updates import LateUpdates, MomentStep, MuonStep
from xpnet.backend.reference.losses import Losses
from xpnet.backend.reference.pooling import Pooling
from xpnet.backend.reference.recurrent import Recurrent
from xpnet.backend.reference.transposed import Transposed
from xpnet.backend.reference.updates import AdamStep, Updates

__all__ = ["AdamStep", "Array", "Backend", "Memory", "MomentStep", "MuonStep", "TrainingPlan", "dtype_name"]


class Backend(
    Transposed,
    Explanation,
    Dense,
    Attention,
    Embedding,
    Pooling,
    GroupNorm,
    Elementwise,
    Recurrent,
    Losses,
    Dropout,
    Updates,
    LateUpdates,
    Fading,
):
    """An array namespace `xp` on a device, and the primitives that layers, losses and optimizers are made of."""
