"""Blocks what new severe findings name, with the guards of `labrys.respond`, while watching."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from labrys.errors import LabrysError
from labrys.lake.case import Case
from labrys.ocsf.schema import Severity
from labrys.respond import nft
from labrys.respond.block import Plan, Policy, plan
from labrys.respond.guards import Refusal
from labrys.respond.ledger import Block, now, opened


@dataclass
class Reaction:
    """Reacts to findings of at least `level`; `apply`: also makes this machine drop them.

    `tell` is told of new blocks, of what is refused (each once), and of what went wrong.
    """

    case: Case
    policy: Policy
    url: str
    apply: bool
    tell: Callable[[str], None]
    level: int = Severity.HIGH
    _refused: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, found: pa.Table) -> list[Block]:
        """Block what these findings name; the new blocks."""
        severe = found.filter(pc.greater_equal(found["severity_id"], int(self.level)))
        if not severe.num_rows:
            return []
        with opened(self.case.path, self.url) as ledger:
            made = plan(self.case, severe, {}, self.policy, ledger.all())
            fresh, _ = ledger.add(made.blocks)
            blocks = ledger.all() if fresh else ()
        if fresh and self.apply:
            self._apply(blocks)
        self._say(made, fresh)
        return fresh

    def expire(self) -> None:
        """End what has been blocked long enough."""
        with opened(self.case.path, self.url) as ledger:
            over = ledger.expire()
            blocks = ledger.all() if over else ()
        if over and self.apply:
            self._apply(blocks)
        for each in over:
            self.tell(f"block of {each.value} has expired")

    def _apply(self, blocks: tuple[Block, ...]) -> None:
        try:
            nft.apply(nft.wanted(blocks, self.policy.allow, now()))
        except LabrysError as error:  # the watch must go on
            self.tell(str(error))

    def _say(self, made: Plan, fresh: list[Block]) -> None:
        for block in fresh:
            self.tell(f"blocked {block.kind} {block.value} ({block.id}): {block.why}")
        for no in made.refused:
            if self._first(no):
                self.tell(f"not blocked: {no.kind} {no.value}: {no.reason}")

    def _first(self, no: Refusal) -> bool:
        key = (no.value, no.reason)
        if key in self._refused or len(self._refused) > 10_000:
            return False
        self._refused.add(key)
        return True
