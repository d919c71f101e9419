"""One address, name or hash a line, for whatever takes a plain list."""

from collections.abc import Sequence

from labrys.respond.guards import Names
from labrys.respond.ledger import Block


def files(blocks: Sequence[Block], allow: Names, at: int) -> dict[str, str]:
    """See `labrys.respond.lists`."""
    return {"labrys.txt": "".join(f"{each.value}\n" for each in blocks)}
