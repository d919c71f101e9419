"""Checks DKIM signatures (RFC 6376, RFC 8301, RFC 8463)."""

from dataclasses import dataclass
from typing import Final

from labrys.evidence.mail.domains import ascii_host
from labrys.evidence.mail_auth.signature import (
    MOST_CHECKED,
    Bad,
    Field,
    Signed,
    Tags,
    body_hash,
    chosen,
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

NOT_GIVEN: Final = "no record given"
"""The result where the files of records do not say what would have to be known."""
MOST: Final = 10
"""Signatures of one message that are checked."""
_NEEDED: Final = ("v", "a", "b", "bh", "d", "h", "s")


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one signature: `result` as in RFC 8601, or `NOT_GIVEN`; whose it is; why."""

    result: str
    domain: str = ""
    why: str = ""


def check(message: Signed, zone: Zone, when: int | None) -> list[Checked]:
    """Every DKIM signature of a message that came at `when` (epoch milliseconds)."""
    found = [one for one in message.fields if one.name == "dkim-signature"]
    return [_checked(message, one, zone, when) for one in found[:MOST]]


def _checked(message: Signed, one: Field, zone: Zone, when: int | None) -> Checked:
    domain = ""
    try:
        found = tags(one.value)
        domain = ascii_host(told(found, "d"))
        testing = _testing(message, one, found, zone, when)
    except NotGiven as error:
        return Checked(NOT_GIVEN, domain, str(error))
    except Bad as bad:
        return Checked(bad.result, domain, str(bad))
    return Checked("pass", domain, "a key for testing" if testing else "")


def _testing(message: Signed, one: Field, found: Tags, zone: Zone, when: int | None) -> bool:
    """Whether the key of a good signature is for testing only; `Bad` where it is not good."""
    domain = told(found, "d").lower()
    if any(not told(found, name) for name in _NEEDED) or told(found, "v") != "1":
        raise Bad("permerror", "not a whole signature")
    user = told(found, "i", f"@{domain}").lower().rpartition("@")[2]
    if user != domain and not user.endswith(f".{domain}"):
        raise Bad("permerror", "i= is not of the domain")
    if "from" not in names(found):
        raise Bad("permerror", "From is not signed")
    expires = number(found, "x")
    record = key_record(zone, domain, told(found, "s"))
    flags = told(record, "t").split(":")
    try:
        if "s" in flags and user != domain:
            raise Bad("permerror", "the key is not for domains below")
        if expires is not None and when is not None and when > expires * 1000:
            raise Bad("fail", "the signature had expired")
        whole = check_one(message, one, found, record)
    except Bad as bad:
        # A domain that tries DKIM out asks that a failure count for nothing (section 3.6.1).
        raise Bad("neutral" if "y" in flags else bad.result, str(bad)) from bad
    if not whole:
        raise Bad("policy", "only the beginning of the body is signed")
    return "y" in flags


def check_one(message: Signed, one: Field, found: Tags, record: Tags) -> bool:
    """Whether a good signature covers the whole body; `Bad` where it is not good."""
    message.checked += 1
    if message.checked > MOST_CHECKED:
        raise Bad("permerror", "too many signatures")
    form = told(found, "c", "simple/simple").partition("/")
    if not {form[0], form[2] or "simple"} <= {"simple", "relaxed"}:
        raise Bad("permerror", "an unknown canonical form")
    whole = body_hash(message, found, simple=form[2] != "relaxed")
    simple = form[0] == "simple"
    parts = [
        header_form(each, simple) + b"\r\n" for each in chosen(message.fields, names(found), one)
    ]
    data = b"".join(parts) + header_form(without_signature(one), simple)
    verify(told(found, "a"), record, data, decoded(found, "b"))
    return whole
