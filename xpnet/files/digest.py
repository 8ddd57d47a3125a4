"""A number that two networks share only if their weights are the same bits."""

from __future__ import annotations

import hashlib

import numpy as np

from xpnet.core.network import Network


def weights_sha256(model: Network) -> str:
    """SHA-256 over the parameters, in hexadecimal digits: the same for the same weights, on any machine and backend.

    Parameters are taken in the order of their names (`named_parameters`), as Python sorts them. Of each are hashed its
    name in UTF-8, a zero byte, its data type (as NumPy has it: float32), a zero byte, its shape as 64-bit integers, and
    its entries, row by row; all numbers are little-endian. Running statistics are among them.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters(), key=lambda named: named[0]):
        value = np.asarray(parameter.backend.to_numpy(parameter.value))
        digest.update(f"{name}\0{value.dtype.name}\0".encode())
        digest.update(np.array(value.shape, "<i8").tobytes())
        digest.update(value.astype(value.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
