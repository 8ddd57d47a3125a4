"""The networks of torch_peers.py run by ONNX Runtime: exported by torch.onnx, with the weights of xpnet's."""

import contextlib
import io
import logging
import tempfile
import warnings
from itertools import cycle
from pathlib import Path

import onnxruntime
import torch
from peers import BATCHES, Step, inputs, many
from torch_peers import twin

from xpnet.model import Model


def onnx_step(own: Model, network: str, batch: int, threads: int, count: int = BATCHES) -> Step:
    """An inference, NumPy's arrays in and out, of a file that is made for this size of the batch."""
    session = onnx_session(own, network, batch, threads)
    (name,), batches = [each.name for each in session.get_inputs()], cycle(many(batch, network, False, count))
    return Step(lambda: session.run(None, {name: next(batches)[0]})[0])


def onnx_session(own: Model, network: str, batch: int, threads: int) -> onnxruntime.InferenceSession:
    """With all of the optimizations that are its default."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors alone
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{network}.onnx"
        export(twin(own, network).eval(), torch.from_numpy(inputs(batch, network)), path)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def export(model: torch.nn.Module, x: torch.Tensor, path: Path) -> None:
    """In silence: what torch.onnx warns of are its own affairs, such as packages that it does not need."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False)
