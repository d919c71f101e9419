"""Says which objects are GitHub audit log entries, and what rows they give.

Source: GitHub Enterprise Cloud, audit log events and audit log streaming.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "github.audit"

_OWN: Final = frozenset(
    {"@timestamp", "created_at", "_document_id", "org", "org_id", "business", "business_id", "repo"}
    | {"actor_ip", "actor_id", "actor_location", "operation_type", "repository", "user", "user_id"}
    | {
        "programmatic_access_type",
        "token_id",
        "hashed_token",
        "visibility",
        "repo_id",
        "user_agent",
    }
)

_CATEGORIES: Final = frozenset(
    {"business", "enterprise", "git", "hook", "integration_installation", "ip_allow_list", "org"}
    | {"protected_branch", "public_key", "repo", "repository_ruleset", "team", "workflows"}
)
"""First words of actions that only GitHub's log has: with an actor, as good as a name of its own."""


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an audit log entry; None for anything else."""
    action = record.get("action")
    if not isinstance(action, str) or "." not in action or " " in action:
        return None
    actor = record.get("actor")
    if actor is not None and not isinstance(actor, str):
        return None
    named = bool(actor) and action.partition(".")[0] in _CATEGORIES
    if len(_OWN & record.keys()) + named < 2:
        return None
    if isinstance(record.get("repository"), dict):  # a webhook delivery
        return None
    return [(SHAPE, flatten(record), time_of(record, "@timestamp", "created_at"))]
