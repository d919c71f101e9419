"""Reads the ClientHello in QUIC's first packets, named as in Zeek's `quic.log`.

RFC 9000 (packets), 9001, 5.2 (their keys, which everybody can derive), 9369 (version 2).
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from labrys.evidence.pcap.protocols import hello, tls
from labrys.evidence.pcap.talk import Piece, Talk, emit
from labrys.evidence.records import Records

SHAPE: Final = "net.quic"
MOST_BYTES: Final = 16 << 10
"""Bytes of a handshake that are kept."""
_CLIENT_HELLO: Final = 1
_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO = 0, 1, 2, 3, 6
_TAG: Final = 16
_MOST_FRAMES: Final = 2_000


class _Version(NamedTuple):
    name: str
    salt: bytes
    prefix: str
    initial: int  # the type of an Initial packet


_VERSIONS: Final = {
    1: _Version("1", bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), "quic", 0),
    0x6B3343CF: _Version(
        "quicv2", bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"), "quicv2", 1
    ),
}


class Keys(NamedTuple):
    """What a client's Initial packets are protected with."""

    key: bytes
    iv: bytes
    header: bytes


@dataclass(slots=True)
class _State:
    first: Piece
    identity: bytes
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0

    @property
    def weight(self) -> int:
        """The bytes that are kept."""
        return self.size + len(self.first.data)


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """One datagram; a record once the ClientHello is whole."""
    if reply:
        return
    data = piece.data
    version = _VERSIONS.get(int.from_bytes(data[1:5], "big"))
    if version is None or len(data) < 7 or data[0] >> 4 & 3 != version.initial:
        return
    identity = data[6 : 6 + data[5]]
    if talk.state is None:
        talk.state = _State(piece, identity)
    state: _State = talk.state
    opened = unprotected(data, keys(version, state.identity))
    if opened is None and identity != state.identity:
        opened = unprotected(data, keys(version, identity))
    if opened is None:
        return
    for offset, part in _crypto(opened):
        if state.size + len(part) <= MOST_BYTES and offset < MOST_BYTES:
            state.parts[offset] = part
            state.size += len(part)
    _finish(talk, records, version)


def _finish(talk: Talk, records: Records, version: _Version) -> None:
    state: _State = talk.state
    text = b""
    for offset in sorted(state.parts):
        part = state.parts[offset]
        if offset > len(text):
            break
        text += part[len(text) - offset :]
    if len(text) < 4 or text[0] != _CLIENT_HELLO:
        return
    length = int.from_bytes(text[1:4], "big")
    client = hello.client(text[4 : 4 + length]) if len(text) >= 4 + length else None
    if client is None:
        return
    fields = tls.client_fields(client, quic=True)
    fields["version"] = version.name
    fields["client_initial_dcid"] = state.identity.hex()
    fields["client_protocol"] = (fields["client_alpn"] or [None])[0]
    emit(records, talk, SHAPE, fields, state.first)
    talk.finish()


def keys(version: _Version, identity: bytes) -> Keys:
    """The client's keys for a connection's first identity."""
    secret = hmac.digest(version.salt, identity, "sha256")
    client = _expanded(secret, "client in", 32)
    return Keys(
        _expanded(client, f"{version.prefix} key", 16),
        _expanded(client, f"{version.prefix} iv", 12),
        _expanded(client, f"{version.prefix} hp", 16),
    )


def _expanded(secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label without a context, at most one block of SHA-256 (RFC 8446, 7.1)."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0\1"
    return hmac.new(secret, info, hashlib.sha256).digest()[:size]


def unprotected(data: bytes, of: Keys) -> bytes | None:
    """The frames of an Initial packet; None where the keys are not its own."""
    from Cryptodome.Cipher import AES

    at = 6 + data[5]
    if at >= len(data):
        return None
    at += 1 + data[at]
    token, at = _number(data, at)
    length, at = _number(data, at + token)
    if at + 20 > len(data) or at + length > len(data) or length < 20:
        return None
    mask = AES.new(of.header, AES.MODE_ECB).encrypt(data[at + 4 : at + 20])
    first = data[0] ^ mask[0] & 0x0F
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(data[at : at + size], mask[1:], strict=False))
    head = bytes([first]) + data[1:at] + number
    nonce = bytes(a ^ b for a, b in zip(of.iv, number.rjust(12, b"\0"), strict=True))
    sealed = data[at + size : at + length]
    cipher = AES.new(of.key, AES.MODE_GCM, nonce=nonce)
    cipher.update(head)
    try:
        made: bytes = cipher.decrypt_and_verify(sealed[:-_TAG], sealed[-_TAG:])
    except ValueError:
        return None
    return made


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length (RFC 9000, 16) and where it ends; far behind where cut off."""
    if at >= len(data):
        return 0, len(data) + 1
    size = 1 << (data[at] >> 6)
    number = int.from_bytes(data[at : at + size], "big") & (1 << (8 * size - 2)) - 1
    return number, at + size


def _crypto(frames: bytes) -> list[tuple[int, bytes]]:
    """The pieces of the handshake in a packet, with their places."""
    found: list[tuple[int, bytes]] = []
    at = 0
    for _ in range(_MOST_FRAMES):
        if at >= len(frames):
            break
        kind = frames[at]
        at += 1
        if kind == _CRYPTO:
            offset, at = _number(frames, at)
            length, at = _number(frames, at)
            found.append((offset, frames[at : at + length]))
            at += length
        elif kind in (_ACK, _ACK_ECN):
            for _ in range(2):
                _, at = _number(frames, at)
            count, at = _number(frames, at)
            for _ in range(1 + 2 * min(count, 64) + 3 * (kind == _ACK_ECN)):
                _, at = _number(frames, at)
        elif kind not in (_PADDING, _PING):
            break
        if kind == _PADDING:
            rest = frames[at:].lstrip(b"\0")
            at = len(frames) - len(rest)
    return found
