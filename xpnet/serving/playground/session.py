"""What a page of the playground has on this machine."""

from xpnet.serving.session import Session


class PlaygroundSession(Session):
    pass
