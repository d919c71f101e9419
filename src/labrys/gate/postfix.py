"""Tells Postfix to let go what it holds: its own commands, with nothing but a queue's name."""

import re
import shutil
import subprocess
from typing import Final

from labrys.errors import LabrysError

_NAME: Final = re.compile(r"[0-9A-Za-z]{5,40}")
_SECONDS: Final = 30


def let_go(queue_id: str) -> None:
    """Release a held message (`postsuper -H`) and have it tried at once; LabrysError if refused."""
    if not _NAME.fullmatch(queue_id):
        raise LabrysError(f"{queue_id!r} is no name of a queue file")
    program = shutil.which("postsuper", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    if program is None:
        raise LabrysError("there is no postsuper here; run this on the mail server, or --no-server")
    done = subprocess.run(  # noqa: S603 a fixed program, one checked word
        [program, "-H", queue_id], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode or "Released" not in done.stderr:
        said = done.stderr.strip().splitlines()
        raise LabrysError(f"postsuper released nothing: {said[-1] if said else 'no such message'}")
