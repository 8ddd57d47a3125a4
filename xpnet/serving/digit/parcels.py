"""Files that a page sends, in one message or in parts."""

from pathlib import Path
from tempfile import TemporaryDirectory

from xpnet.base.file_kinds import other_kind
from xpnet.errors import DataError, FormatError
from xpnet.serving.digit.shelf import Entry, entry_of_file
from xpnet.serving.frames import Frame

LARGEST = 32 << 20  # bytes


class Parcel:
    """The parts of one file, as far as they have come. A first part begins anew."""

    def __init__(self, array: str) -> None:
        self.array = array  # of the frames, what holds the bytes
        self._parts: list[bytes] = []

    def take(self, frame: Frame) -> bytes | None:
        """The whole file once its last part is here; DataError for parts out of order, or too many bytes."""
        part, parts = int(frame.fields.get("part", 0)), int(frame.fields.get("parts", 1))
        if part == 0:
            self._parts = []
        if part != len(self._parts) or not part < parts:
            self._parts = []
            raise DataError(f"part {part} of {parts} of a file does not follow the one before: send it anew")
        self._parts.append(frame.arrays[self.array].tobytes())
        if sum(map(len, self._parts)) > LARGEST:
            self._parts = []
            raise DataError(f"a file may have at most {LARGEST >> 20} MiB")
        if part + 1 < parts:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole


def opened(data: bytes, name: str, key: str) -> Entry:
    """The network in a file that a page has sent; an XpnetError if it is none for digits."""
    name = name[:80] or "file"
    header = int.from_bytes(data[:8], "little")  # so long; people choose files of all kinds
    if not 8 < 8 + header <= len(data) or data[8:9] != b"{":
        found = other_kind(data, "safetensors", weights=True)
        what = f": {found}" if found else ""
        raise FormatError(f"{name} is no network's file{what}: choose one that xpnet has saved (.safetensors)")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "opened.safetensors"
        path.write_bytes(data)
        return entry_of_file(path, "own", key, name)
