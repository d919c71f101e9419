"""Block lists in the forms that firewalls, resolvers and sensors load.

Each module here has `files(blocks, allow, at) -> {name: text}`, the list itself first: complete, in
a fixed order, and the same for the same blocks. Nothing of the evidence but checked addresses,
names and hashes is ever written into one.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Final, cast

from labrys.errors import LabrysError
from labrys.respond.guards import Names
from labrys.respond.ledger import Block

FORMS: Final = ("nftables", "rpz", "suricata", "hosts", "text", "stix")


def files(form: str, blocks: Sequence[Block], allow: Names, at: int) -> dict[str, str]:
    """The files of a form with the blocks that hold at `at` (epoch milliseconds)."""
    if form not in FORMS:
        raise LabrysError(f"no format {form!r}; there are: {', '.join(FORMS)}")
    held = [each for each in blocks if each.active(at) and not allow.holds(each.kind, each.value)]
    held.sort(key=lambda each: (each.kind, each.value))
    module = import_module(f"labrys.respond.lists.{form}")
    return cast("dict[str, str]", module.files(held, allow, at))


def values(blocks: Sequence[Block], kind: str) -> list[str]:
    """The values of one kind."""
    return [each.value for each in blocks if each.kind == kind]
