"""Pages in the browser, all computed here: draw a digit, play with a network, watch a training.

`xpnet play` serves the first two. The server is starlette and uvicorn, the extra `web`, imported when a page is served.
What a page has on this machine is a Session (session.py), with a thread of its own; what they say to each other
are frames (frames.py). The pages themselves are in pages/: modules that a browser runs as they are, with no build step.
"""

from typing import TYPE_CHECKING

from xpnet.base.on_demand import imported_on_demand

if TYPE_CHECKING:
    from xpnet.serving.watch import Watch

_PLACES = {"watch": ("Watch",)}

__all__ = ["Watch"]

if not TYPE_CHECKING:  # which should know no name that is not there
    __getattr__, __dir__ = imported_on_demand(__name__, _PLACES, __all__)
