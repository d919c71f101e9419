"""An nftables table of its own: sets of addresses with timeouts, and chains that drop them.

Source: nft(8). `nft -f labrys.nft` replaces the whole table in one transaction, so it may be loaded
again at any time; `nft -f labrys-undo.nft` takes it away, and touches nothing else.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from labrys.respond.guards import Names
from labrys.respond.ledger import Block

TABLE: Final = "labrys"
_CHAINS: Final = """\
  chain input {
    type filter hook input priority -10; policy accept;
    ip saddr @blocked4 counter drop
    ip6 saddr @blocked6 counter drop
  }
  chain output {
    type filter hook output priority -10; policy accept;
    ip daddr @blocked4 counter drop
    ip6 daddr @blocked6 counter drop
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    ip saddr @blocked4 counter drop
    ip daddr @blocked4 counter drop
    ip6 saddr @blocked6 counter drop
    ip6 daddr @blocked6 counter drop
  }
"""


def files(blocks: Sequence[Block], allow: Names, at: int, table: str = TABLE) -> dict[str, str]:
    """See `labrys.respond.lists`."""
    # Naming the table first makes the deletion succeed also where there is none.
    fresh = f"table inet {table}\ndelete table inet {table}\n"
    sets = "".join(_set(blocks, version, at) for version in (4, 6))
    whole = f"{fresh}table inet {table} {{\n{sets}{_CHAINS}}}\n"
    return {"labrys.nft": whole, "labrys-undo.nft": fresh}


def _set(blocks: Sequence[Block], version: int, at: int) -> str:
    mine = [
        f'      {each.value} timeout {max(1, (each.until - at) // 1000)}s comment "{each.id}"'
        for each in blocks
        if each.kind == "ip" and ipaddress.ip_address(each.value).version == version
    ]
    listed = "" if not mine else "    elements = {\n" + ",\n".join(mine) + "\n    }\n"
    return (
        f"  set blocked{version} {{\n    type ipv{version}_addr\n    flags timeout\n{listed}  }}\n"
    )
