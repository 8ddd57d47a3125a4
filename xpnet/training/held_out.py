"""Whether what was held out can say how well the network learns: a look at the classes in both parts."""

from typing import Any

import numpy as np

from xpnet.base.notice import notify
from xpnet.data.batches import Batches
from xpnet.losses import Loss
from xpnet.losses.class_loss import ClassLoss

MOST = 1 << 24  # labels that are looked at: more of them would take longer than a glance
FEW = 20  # samples of which an order says nothing


def warn_of_classes(loss: Loss | None, train: Any, held_out: Any, is_split: bool) -> None:
    """Warn of classes that the network never sees, and of a split of labels that are sorted."""
    if loss is None or not (isinstance(train, Batches) and isinstance(held_out, Batches)):
        return
    ours, theirs = _labels(loss, train.t), _labels(loss, held_out.t)
    if ours is None or theirs is None:
        return
    seen, tested = np.bincount(ours), np.bincount(theirs)
    only = [label for label in np.flatnonzero(tested) if label >= len(seen) or not seen[label]]
    whole = np.concatenate([ours, theirs]) if is_split and len(ours) >= FEW else ours[:0]
    steps = np.diff(whole)
    if steps.any() and ((steps >= 0).all() or (steps <= 0).all()):
        notify(
            "fit: the labels are sorted, and validation_split takes the last samples, which are of"
            f" {_named(np.flatnonzero(tested))} alone: shuffle samples and labels in one order first, or give"
            " validation_data of data.stratified_split, which takes of each class"
        )
    elif only:
        notify(
            f"fit: {_named(only)} {'occurs' if len(only) == 1 else 'occur'} in the validation data only, so that the"
            " network is tested on what it cannot learn: shuffle before samples are set aside, or take"
            " data.stratified_split, which takes of each class"
        )


def _labels(loss: Loss, t: Any) -> np.ndarray | None:
    """Class numbers (M,), one for each sample, of what the loss says are classes; None of all else."""
    if not isinstance(t, np.ndarray) or t.size > MOST:
        return None
    if isinstance(loss, ClassLoss) and t.ndim == 1:
        labels = t if loss.ignored_label is None else t[t != loss.ignored_label]
    elif isinstance(loss, ClassLoss) and t.ndim == 2 and (t.dtype.kind == "f" or (t.sum(axis=1) == 1).all()):  # rows
        labels = t.argmax(axis=1)
    elif loss.boundary is not None and (t.ndim == 1 or t.shape[1:] == (1,)):
        labels = (t.reshape(-1) > 0).astype(np.int64)
    else:
        return None
    return labels if labels.size and labels.min() >= 0 else None


def _named(labels: Any) -> str:
    shown = ", ".join(str(label) for label in labels[:6])
    return f"class{'es' if len(labels) > 1 else ''} {shown}{', ...' if len(labels) > 6 else ''}"
