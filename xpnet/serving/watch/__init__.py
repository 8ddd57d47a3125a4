"""Watch a training in the browser: the callback, and what its page gets to see."""

from xpnet.serving.watch.callback import Watch

__all__ = ["Watch"]
