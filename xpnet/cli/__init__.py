"""The commands: `xpnet train`, `evaluate`, `predict`, `play`, `summary`, `gradcheck` and `doctor`, a file each.

A command returns its exit status (None is 0). What goes wrong is said in one line on stderr; the status is then 1, or 2
for a command line that cannot be understood, or 130 after Ctrl-C. A reader who goes before the end, as `head` does, is
no error: there is no line, and the status is 141.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from xpnet import __version__
from xpnet.base.interrupt import interruptible

with interruptible():
    import click

    from xpnet.cli.common import complain
    from xpnet.cli.doctor import doctor
    from xpnet.cli.ends import CLOSED, INTERRUPTED, Commands, OutputClosed, discard_output
    from xpnet.cli.evaluate import evaluate
    from xpnet.cli.gradcheck import gradcheck
    from xpnet.cli.play import play
    from xpnet.cli.predict import predict
    from xpnet.cli.summary import summary
    from xpnet.cli.train import train
    from xpnet.errors import XpnetError

__all__ = ["main", "run"]


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, invoke_without_command=True, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="xpnet", message="%(prog)s %(version)s")
@click.pass_context
def xpnet(context: click.Context) -> None:
    """Deep learning whose core one person can read in an evening.

    The environment variables XPNET_BACKEND (numpy, cupy, auto, ...) and XPNET_NUM_THREADS hold for every command.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (train, evaluate, predict, play, summary, gradcheck, doctor):
    xpnet.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: the one of this process) and return the exit status."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # NumPy's, of overflow: training says itself where a loss became NaN
            status: int | None = xpnet.main(arguments, prog_name="xpnet", standalone_mode=False)
        return status or 0
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "xpnet"
        complain(f"{error.format_message().rstrip('.')} (see {path} --help)")
        return 2
    except click.ClickException as error:
        complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except OutputClosed:
        discard_output()
        return CLOSED
    except MemoryError as error:
        complain(f"the memory does not suffice ({error}); a smaller --batch-size needs less")
    except XpnetError as error:
        complain(error)
    except OSError as error:
        complain(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        discard_output()  # the disk that stdout goes to may be full
    return 1


def main() -> NoReturn:
    """The entry point of the command `xpnet`."""
    sys.exit(run())
