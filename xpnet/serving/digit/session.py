"""What a page on which digits are drawn has on this machine."""

from xpnet.serving.session import Session


class DigitSession(Session):
    def __init__(self, file: str | None = None) -> None:
        super().__init__()
        self.file = file
