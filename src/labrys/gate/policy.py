"""What is done about a message, given its judgement: a table that the postmaster can change.

[gate]
tag = "low"            # from this severity on; "never" for not at all
quarantine = "high"
reject = "never"
surely = 50            # a finding less sure than this, of 100, only tags
unread = "tag"         # accept, tag, quarantine or defer what could not all be read
failed = "accept"      # accept (fail open) or defer (fail closed) what could not be judged
"""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from labrys.errors import LabrysError
from labrys.gate.judge import Judgement
from labrys.ocsf.schema import Severity

Level = Literal["never", "informational", "low", "medium", "high", "critical"]
_NEVER: Final = 99


class Action(StrEnum):
    """What the mail server is told."""

    ACCEPT = "accept"
    TAG = "tag"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    DEFER = "defer"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which severity what is done; and what, where nothing is known. The default loses no
    mail: it tags, and lets the server hold what is very likely harmful."""

    tag: Level = "low"
    quarantine: Level = "high"
    reject: Level = "never"
    surely: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    unread: Literal["accept", "tag", "quarantine", "defer"] = "tag"
    failed: Literal["accept", "defer"] = "accept"

    def action(self, judged: Judgement | None) -> Action:
        """What to do; None stands for a message that could not be judged."""
        if judged is None:
            return Action(self.failed)
        worst = Action.ACCEPT
        for reason in judged.reasons:
            worst = max(worst, self._by(reason.severity, reason.confidence), key=_ORDER.index)
        if judged.problems:
            worst = max(worst, Action(self.unread), key=_ORDER.index)
        return worst

    def _by(self, severity: int, confidence: int) -> Action:
        if confidence >= self.surely:
            if severity >= _number(self.reject):
                return Action.REJECT
            if severity >= _number(self.quarantine):
                return Action.QUARANTINE
        return Action.TAG if severity >= _number(self.tag) else Action.ACCEPT


_ORDER: Final = (Action.ACCEPT, Action.TAG, Action.DEFER, Action.QUARANTINE, Action.REJECT)


def read(path: Path | None) -> Policy:
    """The policy in a TOML file, or the default; `LabrysError` says what is wrong with it."""
    if path is None:
        return Policy()
    try:
        table: Any = tomllib.loads(path.read_text("utf-8")).get("gate", {})
        return msgspec.convert(table, Policy)
    except (OSError, ValueError) as error:
        raise LabrysError(f"{path}: not a policy for the gate ({error})") from error


def _number(level: Level) -> int:
    return _NEVER if level == "never" else int(Severity[level.upper()])
