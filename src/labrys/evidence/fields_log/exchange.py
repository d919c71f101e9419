"""Says what the logs of Exchange Server tell: messages, requests, and log-ons over mail protocols."""

import re
from typing import Any, Final

_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")
_REFUSED: Final = re.compile(
    r"AuthFailed|LogonDenied|AUTHENTICATE failed|Authentication (?:failure|unsuccessful)",
    re.IGNORECASE,
)
_END: Final = re.compile(r"\[?([0-9A-Fa-f.:]{2,45}?)\]?:(\d{1,5})$", re.ASCII)
_USER: Final = re.compile(r"User: ?([^\s,;\"]{1,200})")


def complete(fields: dict[str, Any], kind: str) -> tuple[str, str | None]:
    """The shape of a record of a log of this kind, and its server; adds what all share.

    Ours: `src_ip`, `src_port` of the client, `event_kind` (logon) and `event_outcome`.
    """
    name = _NOT_A_WORD.sub("_", kind.lower().removesuffix(" log").removesuffix(" logs")).strip("_")
    for remote in ("remote-endpoint", "cIp", "client-ip", "ClientIpAddress"):
        if (value := fields.get(remote)) is not None:
            end = _END.match(value)
            fields["src_ip"] = end[1] if end else value
            if end:
                fields["src_port"] = end[2]
            break
    said = " ".join(str(fields.get(part, "")) for part in ("data", "context"))
    if _REFUSED.search(said):
        user = _USER.search(said)
        fields |= {"event_kind": "logon", "event_outcome": "failure"}
        if user and not fields.get("user"):
            fields["user"] = user[1]
    host = fields.get("server-hostname") or fields.get("ServerHostName")
    return f"exchange.{name[:40] or 'other'}", host
