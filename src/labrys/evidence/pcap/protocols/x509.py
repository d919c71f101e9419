"""Reads what a certificate says of itself (RFC 5280); nothing is verified."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from labrys.evidence.pcap.protocols import der
from labrys.evidence.pcap.protocols.der import Part
from labrys.evidence.pcap.talk import printable

_NAMES: Final = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L",
    "2.5.4.8": "ST", "2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title",
    "2.5.4.42": "GN", "1.2.840.113549.1.9.1": "emailAddress", "2.5.4.15": "businessCategory",
    "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}  # fmt: skip
_ALTERNATIVES: Final = b"\x55\x1d\x11"  # 2.5.29.17
_MOST_NAMES: Final = 100
_UTC_TIME: Final = 0x17


@lru_cache(maxsize=1 << 10)
def read(data: bytes) -> dict[str, Any]:
    """Subject, issuer, serial number, validity and names; what cannot be read is left out."""
    made: dict[str, Any] = {"fingerprint": hashlib.sha256(data).hexdigest()}
    whole = der.part(data, 0, len(data))
    body = der.part(data, whole.begin, whole.end) if whole is not None else None
    if body is None:
        return made
    fields = der.inside(data, body)
    if fields and fields[0].tag == 0xA0:  # the version
        made["version"] = str(data[fields[0].end - 1] + 1)
        fields = fields[1:]
    if len(fields) < 5:
        return made
    serial, _, issuer, validity, subject = fields[:5]
    made["serial"] = der.content(data, serial).hex().upper()[:80]
    made["issuer"], made["subject"] = _name(data, issuer), _name(data, subject)
    made["self_signed"] = der.content(data, issuer) == der.content(data, subject)
    times = [_time(data, one) for one in der.inside(data, validity)]
    if len(times) == 2:
        made["not_before"], made["not_after"] = times
    for extensions in fields[5:]:
        if extensions.tag == 0xA3:
            made["names"] = _alternatives(data, extensions)
    return made


def _name(data: bytes, whole: Part) -> str:
    """A distinguished name, its last part first (RFC 4514)."""
    found = []
    for group in der.inside(data, whole)[:_MOST_NAMES]:
        for pair in der.inside(data, group)[:1]:
            both = der.inside(data, pair)
            if len(both) == 2:
                kind = der.oid(der.content(data, both[0]))
                found.append(f"{_NAMES.get(kind, kind)}={_escaped(_text(data, both[1]))}")
    return ",".join(reversed(found))


def _escaped(text: str) -> str:
    for sign in ("\\", ",", "+", '"', ";", "<", ">"):
        text = text.replace(sign, f"\\{sign}")
    return text


def _text(data: bytes, of: Part) -> str:
    raw = der.content(data, of)[:1024]
    if of.tag == 0x1E:  # BMPString
        return printable(raw.decode("utf-16-be", "replace").encode())
    return printable(raw)


def _time(data: bytes, of: Part) -> str | None:
    text = der.content(data, of).decode("latin-1")
    try:
        if of.tag == _UTC_TIME:  # years below 50 are of this century (RFC 5280, 4.1.2.5.1)
            text = ("20" if text[:2] < "50" else "19") + text
        when = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alternatives(data: bytes, extensions: Part) -> list[str]:
    """The DNS names and addresses that the certificate is for as well."""
    found: list[str] = []
    for sequence in der.inside(data, extensions):
        for extension in der.inside(data, sequence):
            fields = der.inside(data, extension)
            if len(fields) < 2 or der.content(data, fields[0]) != _ALTERNATIVES:
                continue
            names = der.part(data, fields[-1].begin, fields[-1].end)
            for name in der.inside(data, names)[:_MOST_NAMES] if names is not None else ():
                if name.tag == 0x82:
                    found.append(printable(der.content(data, name)[:256]))
                elif name.tag == 0x87 and name.end - name.begin == 4:
                    found.append(".".join(map(str, der.content(data, name))))
    return found
