"""A hosts file: blocked names lead nowhere on the one machine that has it. Source: hosts(5)."""

from collections.abc import Sequence

from labrys.respond.guards import Names
from labrys.respond.ledger import Block
from labrys.respond.lists import values


def files(blocks: Sequence[Block], allow: Names, at: int) -> dict[str, str]:
    """See `labrys.respond.lists`; a hosts file knows no names below a name."""
    lines = [
        f"{nowhere} {name}\n"
        for name in values(blocks, "domain")
        for nowhere in ("0.0.0.0", "::")  # noqa: S104 nowhere
    ]
    return {"labrys.hosts": "# Blocks of labrys.\n" + "".join(lines)}
