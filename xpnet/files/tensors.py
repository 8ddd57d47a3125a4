"""Reading of the files that hold tensors by name."""

import os
from typing import Any

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.errors import FormatError


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """All tensors, as NumPy arrays, and the header's texts; safetensors checks sizes, offsets and data types.

    Raises FileError if the file cannot be read, FormatError if it is not what it should be.
    """
    from safetensors import SafetensorError, safe_open

    path = checked_path(path)
    try:
        with file_errors(f"cannot read {path}", advice=""):
            with open(path, "rb"):  # for the operating system's own word on what is wrong
                pass
            with safe_open(os.fspath(path), framework="numpy") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, MemoryError) as error:
        torch = "; of PyTorch's tensors, safetensors.torch.save_file makes one" * (path.suffix in (".pt", ".pth"))
        raise FormatError(f"{path} is no safetensors file, or it is damaged: {error}{torch}") from error
