"""The command line, a contract others script against; one file for each command."""

import os
import sys
from collections.abc import Sequence
from typing import Final

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 done but something was inconclusive, 2 bad usage, 3 bug."""
    # NumPy's linear algebra is not used here, but would start a thread, with memory, for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from labrys.cli.app import app
    from labrys.errors import LabrysError

    try:
        app(args=None if arguments is None else list(arguments), prog_name="labrys")
    except SystemExit as done:
        if done.code == _INTERRUPTED:
            sys.stderr.write("labrys: interrupted; what was read is kept, run it again to go on\n")
        raise
    except LabrysError as error:
        sys.stderr.write(f"labrys: {shown(str(error))}\n")
        sys.exit(2)
    except Exception as error:
        if "--debug" in (arguments or sys.argv):
            raise
        sys.stderr.write(
            f"labrys: internal error: {type(error).__name__}: {shown(str(error))}\n"
            "This is a bug in labrys, not in your evidence; --debug shows where it happened.\n"
        )
        sys.exit(3)


def shown(text: str) -> str:
    """Text from evidence made safe for a terminal: control characters as escapes."""
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )
