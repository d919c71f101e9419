"""Finds the log-on that a line of any program's log tells of, by the words that all of them use.

Hundreds of programs ask for passwords, and each has its own words for a wrong one. What they share:
that something of a log-on failed or went well, and the address it came from. A line without an
address is left alone, and so is one that says why nobody could be asked (a time-out, a certificate).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from labrys.evidence.unix_message.address import as_ip

_LONGEST: Final = 2_000
_HINTS: Final = (
    "fail",
    "denied",
    "invalid",
    "incorrect",
    "wrong",
    "reject",
    "unknown",
    "bad ",
    "mismatch",
    "logondenied",
    "nt_status",
)
_MORE_HINTS: Final = ("cannot", "unable", "not found", "no such", "error", "unsuccess", "not exist")
_GOOD_HINTS: Final = (
    "success",
    "accepted",
    "logged in",
    "logged on",
    "login:",
    "succeeded",
    "ok login",
)
_ABOUT: Final = ("log", "auth", "password", "credential", "sign", "user", "account")

_WHAT: Final = (
    r"(?<![/\w.=])(?:log[io]n|log[- ](?:in|on)|sign[- _]?in|[12]fa|auth(?:entication|enticate|enticator)?"
    r"|passwords?|passwd|credentials?|log[io]n attempt)(?![\w/])"
)
_WHO: Final = r"(?<![/\w.=])(?:user(?:name)?|account|principal)\b"
_GONE_WRONG: Final = (
    r"\b(?:fail(?:ed|ure|s)?|denied|invalid|incorrect|wrong|rejected|mismatch|unsuccessful|error)\b"
)
_FAILED: Final = re.compile(
    rf"{_WHAT}[^/]{{0,60}}?{_GONE_WRONG}"
    rf"|\b(?:fail(?:ed|ure)?|denied|invalid|incorrect|wrong|bad|rejected|unsuccessful|unknown|no such)\b"
    rf"[^/]{{0,40}}?{_WHAT}"
    rf"|{_WHO}[^/]{{0,60}}?\b(?:not found|unknown|does not exist|no such user)\b"
    rf"|\b(?:unknown|invalid|no such|nonexistent) (?:user(?:name)?|account)\b"
    rf"|\b(?:cannot|unable to) {_WHAT}"
    r"|\baccess denied for user\b|\bcould not retrieve user\b|(?:log[io]n|auth(?:entication)?)_fail(?:ed|ure)\b"
    r"|\bNT_STATUS_(?:NO_SUCH_USER|WRONG_PASSWORD|LOGON_FAILURE|ACCOUNT_LOCKED_OUT)\b"
    r"|\b(?:ChallengeResponseFailed|InvalidPassword|InvalidAccountID|AuthFailed|LogonDenied)\b",
    re.IGNORECASE,
)
_SUCCEEDED: Final = re.compile(
    rf"{_WHAT}[\s:-]{{1,3}}(?:was |is )?(?:success(?:ful(?:ly)?)?|succeeded|accepted|granted)\b"
    rf"|\b(?:successful(?:ly)?|accepted|ok)\b[\s:]{{1,3}}(?:\w{{1,20}} )?(?:{_WHAT}|authenticated\b|logged in\b)"
    rf"|\blogged (?:in|on)\b(?! (?:users?|as of))|\blog[io]n: user[=:]|\bauthenticated successfully\b"
    r"|\bAuth: .{0,200}\bNT_STATUS_OK\b",
    re.IGNORECASE,
)
_NOT: Final = re.compile(
    r"time[d-]? ?out|unavailable|unreachable|connection refused|certificate|handshake|no such file"
    r"|not logged in|\bnot? (?:success|auth)|logged out|keep-?alive|\b(?:open|stat|connect)\(\)",
    re.IGNORECASE,
)
_V4: Final = r"(?:::ffff:)?(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)"
_V6: Final = r"(?=[0-9A-Fa-f:]{0,39}:[0-9A-Fa-f:]{0,39}:)[0-9A-Fa-f:]{2,39}(?:%\w{1,16})?"
_LABELLED: Final = re.compile(
    r"(?:\bfrom|\bby|\bclients?|\brhost|\brip|\boip|\bsource|\bsrc|\bpeer|\bip|\baddress"
    r"|remote(?:[_ ]?(?:ip|addr(?:ess)?|host))?|client[_ ]?(?:ip|addr(?:ess)?)|\bip4|unknown|@|\([^()\s]{1,80}\)(?= \[))"
    r"(?:[\"'=\s\[(<]|:(?!:)){1,5}"
    r"(?:(?:ip address|ip|host|localhost|user|\w{1,20}\[|[\w.-]{1,80} \()[\"'=\s\[(]{0,3}:?[\s\"]{0,2})?"
    rf"(?:ipv[46]:|IPV[46]/\w{{2,4}}/)?({_V4}|{_V6})",
    re.IGNORECASE | re.ASCII,
)
_ANY: Final = re.compile(rf"(?<![\w./-])({_V4})", re.ASCII)
_USERS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\buser \[[^\]]{0,60}\]\\\[([^\]]{1,100})\]",
        r"\[([\w.@\\+-]{1,60})\] (?:fail|ok) login",
        r"\b(?:user ?name|user|account(?:id)?|acct|set_id|sasl_username|principalname)"
        r"[\"']?\s?[=:]\s?[\"'<\[(]{0,2}([^\s\"'<>\[\]();,]{1,100})",
        r"\blog[io]n[=:](?: (?=[\"'<\[(]))?[\"'<\[(]{0,2}([^\s\"'<>\[\]();,]{1,100})",
        r"\b(?:user(?:name)?|account|log[io]n|password for|details for)(?: for)? \[?[\"'\[<(]{1,2}([^\"'\]>)]{1,100})[\"'\]>)]",
        r"\buser ([\w.@\\+-]{1,100})[:\s]",
        r"\bfor (?:invalid |unknown |illegal )?(?:user |account )?[\"'\[<(]{0,2}([^\s\"'<>\[\]();,:]{1,100})",
        r"\buser ([\w.@\\+-]{1,100})",
        r"\blog[io]n ([\w.\\+-]{1,100})@",
        r"\bby user [\"'\[<(]{0,2}([^\s\"'<>\[\]();,:]{1,100})",
        r"\b(?:pam|ldap|sql|passwd-file)\(([^,()\s]{1,100}),",
    )
)
_SAID: Final = frozenset(["msg", "message", "log", "text", "event", "short"])
_ADDRESSES: Final = frozenset(
    [
        "remoteaddr",
        "remoteip",
        "remote",
        "clientip",
        "ip",
        "srcip",
        "sourceip",
        "ipaddress",
        "client",
    ]
)
_NAMED: Final = frozenset(["user", "username", "login", "principalname", "account", "email"])
_ALERT: Final = frozenset(["rule", "ruleid", "alert", "signature", "ruletitle", "alertname"])
_NO_NAMES: Final = frozenset(
    word
    for line in (
        "a an the not was is has from found unknown failed with null undefined password name login",
        "logon user db and or in to attempt attempts authentication on by at -- ? none false true",
        "invalid incorrect wrong bad failure success client peer message error access here does did attempted this that it be",
    )
    for word in line.split()
)


def told(line: str) -> dict[str, Any] | None:
    """What a line says of a log-on: `event_kind`, `event_outcome`, `src_ip` and, if named, `user`.

    None where it speaks of none. `event_outcome` is success or failure.
    """
    line = line[:_LONGEST]
    low = line.lower()
    if not any(word in low for word in _ABOUT):
        return None
    bad = any(word in low for word in _HINTS) or any(word in low for word in _MORE_HINTS)
    if bad and _FAILED.search(line):
        how = "failure"
    elif any(word in low for word in _GOOD_HINTS) and _SUCCEEDED.search(line):
        how = "success"
    else:
        return None
    address = _address(line)
    if address is None or _NOT.search(line):
        return None
    fields: dict[str, Any] = {"event_kind": "logon", "event_outcome": how, "src_ip": address}
    if user := _user(line):
        fields["user"] = user.removesuffix(f"@{address}")
    return fields


def of_record(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same of a record with names: its message, and the address and the user beside it.

    None for alerts of other products, which speak of many log-ons at once.
    """
    said, address, user = "", None, None
    for name, value in fields.items():
        *outer, last = name.lower().replace("_", "").split(".")
        if last in _ALERT or not _ALERT.isdisjoint(outer):
            return None
        if not isinstance(value, str):
            continue
        if last in _SAID and len(value) > len(said):
            said = value[:_LONGEST]
        elif address is None and last in _ADDRESSES:
            found = _ANY.match(value)
            address = as_ip(found[1] if found else value)
        elif user is None and last in _NAMED and value not in ("-", "--", ""):
            user = value[:200]
    if not said or (found_in := told(f"{said} from {address}" if address else said)) is None:
        return None
    return found_in | ({"src_ip": address} if address else {}) | ({"user": user} if user else {})


def _address(line: str) -> str | None:
    """The address that the line says it came from, or the only one that is in it."""
    if found := _LABELLED.search(line):
        return as_ip(found[1])
    others = set(_ANY.findall(line))
    return as_ip(others.pop()) if len(others) == 1 else None


def _user(line: str) -> str | None:
    for form in _USERS:
        for found in form.finditer(line):
            name = found[1].rstrip(".:,")
            if (
                name[:1] not in ("", "/")
                and name.lower() not in _NO_NAMES
                and not _ANY.fullmatch(name)
            ):
                return name
    return None
