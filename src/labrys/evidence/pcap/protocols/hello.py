"""Reads the hellos of a TLS handshake and makes their fingerprints.

RFC 8446 and 5246; JA3: https://github.com/salesforce/ja3; JA4: technical details of JA4 (the TLS
client's, BSD-3-Clause), https://github.com/FoxIO-LLC/ja4.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from labrys.evidence.pcap.talk import printable

_GREASE: Final = frozenset(0x0A0A + 0x1010 * number for number in range(16))
_SERVER_NAME, _GROUPS, _FORMATS, _SIGNATURES, _ALPN, _VERSIONS = 0, 10, 11, 13, 16, 43
_MOST_EXTENSIONS: Final = 256
_JA4_VERSIONS: Final = {
    0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2",
    0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip


@dataclass(slots=True)
class Hello:
    """What a client or a server offers or chooses."""

    version: int
    ciphers: list[int]
    extensions: list[tuple[int, bytes]] = field(default_factory=list)
    session: bytes = b""

    def extension(self, kind: int) -> bytes | None:
        """The content of an extension."""
        return next((data for code, data in self.extensions if code == kind), None)

    def server_name(self) -> str | None:
        """The name that the client asks for (RFC 6066, 3)."""
        data = self.extension(_SERVER_NAME)
        if data is None or len(data) < 5:
            return None
        length = int.from_bytes(data[3:5], "big")
        return printable(data[5 : 5 + length]) or None

    def protocols(self) -> list[bytes]:
        """The application protocols (RFC 7301)."""
        data = (self.extension(_ALPN) or b"")[2:]
        found: list[bytes] = []
        at = 0
        while at < len(data) and len(found) < 32:
            found.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
        return found

    def chosen_version(self) -> int:
        """The highest version offered, or the one a server chose."""
        data = self.extension(_VERSIONS)
        if data is None:
            return self.version
        if len(data) == 2:
            return int.from_bytes(data, "big")
        versions = [one for one in _numbers(data[1:]) if one not in _GREASE]
        return max(versions, default=self.version)


def client(body: bytes) -> Hello | None:
    """A ClientHello; None where it is none."""
    if len(body) < 38:
        return None
    at = 35 + body[34]
    session = body[35:at]
    length = int.from_bytes(body[at : at + 2], "big")
    ciphers = _numbers(body[at + 2 : at + 2 + length])
    at += 2 + length
    if at >= len(body):
        return Hello(int.from_bytes(body[:2], "big"), ciphers, session=session) if ciphers else None
    at += 1 + body[at]
    return Hello(int.from_bytes(body[:2], "big"), ciphers, _extensions(body, at), session)


def server(body: bytes) -> Hello | None:
    """A ServerHello; None where it is none."""
    if len(body) < 38:
        return None
    at = 35 + body[34]
    cipher = int.from_bytes(body[at : at + 2], "big")
    return Hello(int.from_bytes(body[:2], "big"), [cipher], _extensions(body, at + 3), body[35:at])


def _numbers(data: bytes) -> list[int]:
    return [data[at] << 8 | data[at + 1] for at in range(0, len(data) - 1, 2)]


def _extensions(body: bytes, at: int) -> list[tuple[int, bytes]]:
    end = min(at + 2 + int.from_bytes(body[at : at + 2], "big"), len(body))
    at += 2
    found: list[tuple[int, bytes]] = []
    while at + 4 <= end and len(found) < _MOST_EXTENSIONS:
        kind, length = body[at] << 8 | body[at + 1], body[at + 2] << 8 | body[at + 3]
        found.append((kind, body[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def _plain(numbers: Sequence[int]) -> list[int]:
    return [number for number in numbers if number not in _GREASE]


def ja3(hello: Hello) -> str:
    """The client's JA3, an MD5."""
    groups = _numbers((hello.extension(_GROUPS) or b"")[2:])
    formats = list((hello.extension(_FORMATS) or b"")[1:])
    kinds = [kind for kind, _ in hello.extensions]
    lists = (_plain(hello.ciphers), _plain(kinds), _plain(groups), formats)
    return _md5(",".join((str(hello.version), *("-".join(map(str, one)) for one in lists))))


def ja3s(hello: Hello) -> str:
    """The server's JA3S, an MD5."""
    kinds = "-".join(str(kind) for kind, _ in hello.extensions)
    return _md5(f"{hello.version},{hello.ciphers[0]},{kinds}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ja4(hello: Hello, *, quic: bool = False) -> str:
    """The client's JA4."""
    ciphers = _plain(hello.ciphers)
    kinds = _plain([kind for kind, _ in hello.extensions])
    named = "d" if hello.extension(_SERVER_NAME) is not None else "i"
    version = _JA4_VERSIONS.get(hello.chosen_version(), "00")
    first = "".join((
        "q" if quic else "t", version, named, f"{min(len(ciphers), 99):02d}",
        f"{min(len(kinds), 99):02d}", _ja4_protocol(hello.protocols()),
    ))  # fmt: skip
    rest = sorted(kind for kind in kinds if kind not in (_SERVER_NAME, _ALPN))
    signatures = _plain(_numbers((hello.extension(_SIGNATURES) or b"")[2:]))
    texts = ",".join(f"{kind:04x}" for kind in rest)
    if signatures:
        texts += "_" + ",".join(f"{one:04x}" for one in signatures)
    return f"{first}_{_short(','.join(f'{one:04x}' for one in sorted(ciphers)))}_{_short(texts)}"


def _ja4_protocol(protocols: list[bytes]) -> str:
    if not protocols or not protocols[0]:
        return "00"
    name = protocols[0]
    ends = chr(name[0]) + chr(name[-1])
    if ends.isascii() and ends.isalnum():
        return ends
    digits = name.hex()
    return digits[0] + digits[-1]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12
