"""What DKIM and ARC share: tag lists, canonical forms, and keys (RFC 6376, RFC 8301, RFC 8463)."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import eddsa, pkcs1_15

from labrys.evidence.mail_auth.zone import Zone

MOST_CHECKED: Final = 300
"""Signatures that are checked for one message and all inside it."""
_LONGEST: Final = 64 << 10
_MOST_NAMES: Final = 500
_KEY_BITS: Final = (1024, 4096)
_BLANKS: Final = re.compile(rb"[ \t]+")
_ANY_BLANKS: Final = re.compile(rb"[ \t\r\n]+")
_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_VALUE: Final = re.compile(rb"((?:\A|;)[ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")

Tags = dict[str, bytes]


class Bad(Exception):
    """Why a signature is not good; `result` as RFC 8601 calls it."""

    def __init__(self, result: str, why: str) -> None:
        super().__init__(why)
        self.result = result


@dataclass(frozen=True, slots=True)
class Field:
    """A header field as it stands in the message, line ends made CRLF: `name:value`, without the
    last line end."""

    name: str
    raw: bytes

    @property
    def value(self) -> bytes:
        """What is behind the colon."""
        return self.raw.partition(b":")[2]


@dataclass(slots=True)
class Signed:
    """What signatures of a message are checked against; what was computed once is kept."""

    fields: list[Field]
    body: bytes
    """With line ends of line feeds only."""
    checked: int = 0
    forms: dict[str, bytes] = field(default_factory=dict)

    def body_form(self, simple: bool) -> bytes:
        """The body in its canonical form (RFC 6376 section 3.4.3, 3.4.4)."""
        name = "simple" if simple else "relaxed"
        if name not in self.forms:
            self.forms[name] = _simple_body(self.body) if simple else _relaxed_body(self.body)
        return self.forms[name]


def signed(header: bytes, body: bytes) -> Signed:
    """A message's header block and body as they can be checked."""
    text = header.replace(b"\r\n", b"\n").rstrip(b"\n")
    made: list[Field] = []
    for part in re.split(rb"\n(?![ \t])", text):
        name, colon, _ = part.partition(b":")
        if colon:
            low = name.rstrip(b" \t").decode("ascii", "replace").lower()
            made.append(Field(low, part.replace(b"\n", b"\r\n")))
    return Signed(made, body.replace(b"\r\n", b"\n"))


def _simple_body(body: bytes) -> bytes:
    return (body.rstrip(b"\n") + b"\n").replace(b"\n", b"\r\n")


def _relaxed_body(body: bytes) -> bytes:
    # A run of blanks becomes one first: then the one before a line end is found without a search.
    made = _BLANKS.sub(b" ", body).replace(b" \n", b"\n")
    made = (made[:-1] if made.endswith(b" ") else made).rstrip(b"\n")
    return (made + b"\n").replace(b"\n", b"\r\n") if made else b""


def header_form(one: Field, simple: bool) -> bytes:
    """A field in its canonical form, without the last line end (section 3.4.1, 3.4.2)."""
    if simple:
        return one.raw
    value = _ANY_BLANKS.sub(b" ", one.value).strip(b" ")
    return one.name.encode("ascii", "replace") + b":" + value


def without_signature(one: Field) -> Field:
    """The field with its own signature left empty, as it was when it was signed."""
    name, _, value = one.raw.partition(b":")
    return Field(one.name, name + b":" + _VALUE.sub(rb"\1", value, count=1))


def chosen(fields: Sequence[Field], names: Sequence[str], own: Field) -> list[Field]:
    """The fields of these names, of several the last not yet taken (section 5.4.2)."""
    left: dict[str, list[Field]] = {}
    for one in fields:
        if one is not own:
            left.setdefault(one.name, []).append(one)
    return [left[name].pop() for name in names if left.get(name)]


def tags(raw: bytes) -> Tags:
    """A tag list (section 3.2); `Bad` where it is none."""
    made: Tags = {}
    if len(raw) > _LONGEST:
        raise Bad("permerror", "a signature too long")
    *parts, last = raw.split(b";")
    for part in (*parts, last) if last.strip(b" \t\r\n") else parts:
        name, equals, value = part.partition(b"=")
        key = name.strip(b" \t\r\n").decode("ascii", "replace")
        if not equals or _TAG.match(key) is None:
            raise Bad("permerror", "a list of tags that is none")
        if key in made:
            raise Bad("permerror", f"the tag {key[:20]} is given twice")
        made[key] = value.strip(b" \t\r\n")
    return made


def told(found: Tags, name: str, default: str = "") -> str:
    """A tag's value as text without blanks."""
    raw = found.get(name)
    return default if raw is None else _ANY_BLANKS.sub(b"", raw).decode("utf-8", "replace")


def number(found: Tags, name: str) -> int | None:
    """A tag's value as a number; `Bad` where it is none."""
    said = told(found, name)
    if not said:
        return None
    if not said.isascii() or not said.isdecimal() or len(said) > 15:
        raise Bad("permerror", f"{name}= is no number")
    return int(said)


def names(found: Tags) -> list[str]:
    """The header fields that a signature covers."""
    made = [name.lower() for name in told(found, "h").split(":")]
    if len(made) > _MOST_NAMES:
        raise Bad("permerror", "covers too many header fields")
    return made


def decoded(found: Tags, name: str) -> bytes:
    """A tag's value of base64; `Bad` where it is none."""
    try:
        return base64.b64decode(_ANY_BLANKS.sub(b"", found[name]), validate=True)
    except (KeyError, binascii.Error) as error:
        raise Bad("permerror", f"{name}= is missing or no base64") from error


def body_hash(message: Signed, found: Tags, simple: bool) -> bool:
    """Whether the signature covers the whole body; `Bad` where the body is another one."""
    form = message.body_form(simple)
    limit = number(found, "l")
    if limit is not None and limit > len(form):
        raise Bad("permerror", "covers more than there is")
    covered = form if limit is None else form[:limit]
    if sha256(covered).digest() != decoded(found, "bh"):
        raise Bad("fail", "the body is not what was signed")
    return len(covered) == len(form)


def key_record(zone: Zone, domain: str, selector: str) -> Tags:
    """The key that a domain published under a selector; `Bad`, or `NotGiven` where no file says."""
    values = zone.ask(f"{selector}._domainkey.{domain}", "TXT")
    if not values:
        raise Bad("permerror", "the domain has no such key")
    found = tags(values[0].encode("utf-8", "replace"))
    if told(found, "v", "DKIM1") != "DKIM1":
        raise Bad("permerror", "the key is of another version")
    if not found.get("p"):
        raise Bad("permerror", "the key was withdrawn")
    services = told(found, "s", "*").split(":")
    if not {"*", "email"} & set(services) or "sha256" not in told(found, "h", "sha256").split(":"):
        raise Bad("permerror", "the key is not for this")
    return found


def verify(algorithm: str, record: Tags, data: bytes, signature: bytes) -> None:
    """Raise `Bad` where the signature is not of this data by this key."""
    kind = told(record, "k", "rsa")
    if algorithm not in ("rsa-sha256", "ed25519-sha256"):
        raise Bad("permerror", f"signed with {algorithm[:30]}, which is not to be trusted")
    if kind != algorithm.partition("-")[0]:
        raise Bad("permerror", "the key is of another kind")
    made = _key(kind, decoded(record, "p"))
    hashed = SHA256.new(data)
    try:
        if kind == "rsa":
            pkcs1_15.new(made).verify(hashed, signature)
        else:
            eddsa.new(made, "rfc8032").verify(hashed.digest(), signature)
    except ValueError as error:
        raise Bad("fail", "the signature is not by this key") from error


@lru_cache(maxsize=1_024)
def _key(kind: str, data: bytes) -> Any:
    try:
        if kind != "rsa":
            return eddsa.import_public_key(data)
        made = RSA.import_key(data)
    except (ValueError, IndexError, TypeError) as error:
        raise Bad("permerror", "the key cannot be read") from error
    low, high = _KEY_BITS
    if not low <= made.size_in_bits() <= high:
        raise Bad("permerror", f"the key has {made.size_in_bits()} bits")
    return made
