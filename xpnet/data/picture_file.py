"""The pixels of a picture's file, or of an array, as brightness from 0 to 1."""

import io
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from xpnet.base.file_kinds import other_kind
from xpnet.base.notice import unheard
from xpnet.errors import DataError, DTypeError, FormatError, ShapeError

if TYPE_CHECKING:
    from PIL import Image

Background = Literal["auto", "light", "dark"]
Floats = npt.NDArray[np.float32]

_DEPTHS = (1, 8, 10, 12, 14, 16, 24, 32, 64)  # bits of what cameras, scanners and programs write
_THUMB = 64  # pixels: enough to see which colours there are


def decode(path: str | os.PathLike[str], data: bytes, background: Background) -> npt.NDArray[Any]:
    """Brightness (H, W) of the picture in a file's bytes: uint8, uint16, or float32 of any range."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with unheard(), Image.open(io.BytesIO(data)) as image:  # of metadata that is odd but harmless
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise FormatError(f"{image.width} x {image.height} pixels are suspiciously many")
            return np.asarray(_grey(ImageOps.exif_transpose(image), background))
    except Exception as error:  # on damaged files Pillow's decoders raise errors of a dozen kinds
        why = "it has no format that is known" if isinstance(error, UnidentifiedImageError) else str(error)
        why = other_kind(data, "a picture") or why
        raise FormatError(f"{path} cannot be read as an image ({why}); expected a PNG, JPEG or the like") from error


def brightness(a: npt.NDArray[Any]) -> Floats:
    """`a` as float32 from 0 to 1."""
    if a.ndim != 2 or a.size == 0:
        raise ShapeError(f"a picture must have shape (H, W) with at least one pixel, not {a.shape}")
    if a.dtype.kind not in "buif":
        raise DTypeError(f"a picture must hold real numbers, not {a.dtype}")
    full = full_scale(a)
    a = a.astype(np.float32)
    if not np.isfinite(a).all():
        raise DataError("the picture holds NaN or infinite values")
    a /= max(full, float(np.abs(a).max()))
    return a


def full_scale(a: npt.NDArray[Any]) -> float:
    """White: 1 for floats; for integers the greatest number of as few bits as there are, 4095 of a 12-bit picture."""
    if a.dtype.kind not in "ui":
        return 1.0
    if a.dtype == np.uint8 and a.max() > 1:
        return 255.0
    largest = max(int(a.max()), -int(a.min()))
    return float(next(2**bits - 1 for bits in _DEPTHS if largest <= 2**bits))  # -2**63 has one more


def _grey(image: "Image.Image", background: Background) -> npt.NDArray[Any]:
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)  # in the byte order of this machine
    if image.mode in ("I", "F"):
        return np.asarray(image, np.int32 if image.mode == "I" else np.float32)
    if not image.has_transparency_data:
        return np.asarray(_telling(image.convert("RGB")))
    rgba = image.convert("RGBA")
    grey, alpha = np.asarray(rgba.convert("RGB").convert("L")), np.asarray(rgba.getchannel("A"))
    opaque = grey[alpha > 127]
    if opaque.size == 0:
        return np.full_like(grey, 255)
    if 2 * opaque.size > grey.size:  # a card with transparent edges: they get its colour
        card = np.median(np.asarray(rgba)[alpha > 127], axis=0)
        return np.asarray(_telling(_laid_on(rgba, tuple(int(value) for value in card[:3]))))
    if background == "auto":  # strokes alone: what is behind contrasts with them
        behind = 255 if opaque.mean() < 128 else 0
    else:
        behind = 255 if background == "light" else 0
    return np.asarray(_laid_on(rgba, (behind,) * 3).convert("L"))


def _laid_on(rgba: "Image.Image", colour: tuple[int, ...]) -> "Image.Image":
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", rgba.size, (*colour, 255)), rgba).convert("RGB")


def _telling(rgb: "Image.Image") -> "Image.Image":
    """Its brightness; where red, green or blue shows twice as much (orange on light blue), that one."""
    grey = rgb.convert("L")
    contrasts = [_contrast(channel) for channel in (grey, *rgb.split())]
    best = int(np.argmax(contrasts))
    return rgb.getchannel(best - 1) if contrasts[best] > 2 * contrasts[0] else grey


def _contrast(channel: "Image.Image") -> float:
    """How far anything stands out from the most of it; noise is averaged away."""
    scale = max(channel.size) / _THUMB
    if scale > 1:
        channel = channel.resize((max(1, round(channel.width / scale)), max(1, round(channel.height / scale))))
    a = np.asarray(channel, np.float32)
    return float(np.abs(a - np.median(a)).max())
