"""Checks the chain that hosts on the way signed: ARC (RFC 8617). Who they are is another question."""

from typing import Final

from labrys.evidence.mail.domains import ascii_host
from labrys.evidence.mail_auth.dkim import NOT_GIVEN, Checked, check_one
from labrys.evidence.mail_auth.signature import (
    MOST_CHECKED,
    Bad,
    Field,
    Signed,
    Tags,
    decoded,
    header_form,
    key_record,
    names,
    number,
    tags,
    told,
    verify,
    without_signature,
)
from labrys.evidence.mail_auth.zone import NotGiven, Zone

_NAMES: Final = ("arc-authentication-results", "arc-message-signature", "arc-seal")
MOST: Final = 50
"""Links of a chain (RFC 8617 section 4.2.1)."""


def check(message: Signed, zone: Zone) -> Checked:
    """The chain: `none`, `pass`, `fail`, or `NOT_GIVEN`; `domain` is who sealed it last."""
    sealer = ""
    try:
        sets = _sets(message.fields)
        if not sets:
            return Checked("none")
        seals = [tags(one[2].value) for one in sets]
        sealer = ascii_host(told(seals[-1], "d"))
        _check(message, sets, seals, zone)
    except NotGiven as error:
        return Checked(NOT_GIVEN, sealer, str(error))
    except Bad as bad:
        return Checked("fail", sealer, str(bad))
    return Checked("pass", sealer)


def _sets(fields: list[Field]) -> list[tuple[Field, Field, Field]]:
    """The three fields of each host, the first host's first."""
    found: dict[tuple[int, str], Field] = {}
    for one in fields:
        if one.name in _NAMES:
            raw = one.value.partition(b";")[0] + b";" if one.name == _NAMES[0] else one.value
            place = number(tags(raw), "i") or 0
            if not 1 <= place <= MOST or (place, one.name) in found:
                raise Bad("fail", "a chain whose links are not in order")
            found[place, one.name] = one
    last = len(found) // len(_NAMES)
    try:
        return [
            (found[place, _NAMES[0]], found[place, _NAMES[1]], found[place, _NAMES[2]])
            for place in range(1, -(-len(found) // len(_NAMES)) + 1)
        ]
    except KeyError as error:
        raise Bad("fail", f"a chain of {last} links with one missing") from error


def _check(
    message: Signed, sets: list[tuple[Field, Field, Field]], seals: list[Tags], zone: Zone
) -> None:
    for place, seal in enumerate(seals, 1):
        if told(seal, "cv") != ("none" if place == 1 else "pass") or "h" in seal:
            raise Bad("fail", f"link {place} says that the chain was broken")
    _, newest, _ = sets[-1]
    found = tags(newest.value)
    if {"arc-seal"} & set(names(found)) or "from" not in names(found):
        raise Bad("fail", "the last link does not sign what it must")
    check_one(message, newest, found, _key(zone, found))
    for place in range(len(sets), 0, -1):
        message.checked += 1
        if message.checked > MOST_CHECKED:
            raise Bad("fail", "too many signatures")
        _seal(sets[:place], seals[place - 1], zone)


def _seal(sets: list[tuple[Field, Field, Field]], seal: Tags, zone: Zone) -> None:
    record = _key(zone, seal)
    fields = [one for link in sets for one in link]
    data = b"".join(header_form(one, simple=False) + b"\r\n" for one in fields[:-1])
    data += header_form(without_signature(fields[-1]), simple=False)
    verify(told(seal, "a"), record, data, decoded(seal, "b"))


def _key(zone: Zone, found: Tags) -> Tags:
    return key_record(zone, told(found, "d").lower(), told(found, "s"))
