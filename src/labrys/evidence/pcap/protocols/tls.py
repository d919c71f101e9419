"""Reads TLS handshakes (RFC 8446, 5246), named as in Zeek's `ssl.log`."""

from typing import Any, Final, NamedTuple

from labrys.evidence.pcap.protocols import hello as hellos
from labrys.evidence.pcap.protocols import x509
from labrys.evidence.pcap.protocols.ciphers import CIPHERS
from labrys.evidence.pcap.protocols.hello import Hello
from labrys.evidence.pcap.talk import Stream, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.tls"
MOST_RECORD: Final = (1 << 14) + 2048
"""The longest record that RFC 5246 allows; a longer one is no TLS."""
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _SERVER_DONE = 1, 2, 11, 14
_STARTS: Final = (b"\x16\x03", b"\x15\x03")
_HANDSHAKE, _CHANGE, _ALERT, _DATA = 22, 20, 21, 23
_VERSIONS: Final = {
    0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv10", 0x0302: "TLSv11", 0x0303: "TLSv12",
    0x0304: "TLSv13",
}  # fmt: skip
_ALERTS: Final = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked",
    45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca",
    49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version",
    71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
    90: "user_canceled", 112: "unrecognized_name", 116: "certificate_required",
    120: "no_application_protocol",
}  # fmt: skip


class Said(NamedTuple):
    """What one side said in the clear: handshake messages, and what came behind them."""

    messages: list[tuple[int, bytes]]
    encrypted: bool  # a change of cipher or application data
    alert: int | None
    cut: bool  # the last message is not whole

    def lacks(self, kind: int) -> bool:
        """Whether it is a message of this kind that is cut off."""
        return self.cut and self.messages[-1][0] == kind


def step(talk: Talk, records: Records, final: bool) -> None:
    """One record for a connection, once both sides have said what they say in the clear."""
    seen: tuple[int, int] | None = talk.state
    ours, theirs = _records(talk.asked), _records(talk.said)
    sizes = (len(ours), len(theirs))
    if sizes == seen and not final:
        return
    talk.state = sizes
    asked, said = parse(ours), parse(theirs)
    if not final and not (said.encrypted and asked.messages):
        return
    at = talk.first()
    fields = _fields(asked, said)
    if fields and at is not None:
        emit(records, talk, SHAPE, fields, at)
    talk.finish()


def _records(side: Stream) -> bytes:
    """What a side said from its first handshake on: other protocols may have agreed to begin one."""
    text = side.text()
    if text.startswith(_STARTS):
        return text
    base: int | None = None
    for place, piece in side.ordered():
        base = place if base is None else base
        if piece.data.startswith(_STARTS):
            return text[place - base :]
    return b""


def parse(text: bytes) -> Said:
    """The messages in the records at the beginning of a stream."""
    flow: list[bytes] = []
    at, encrypted, alert = 0, False, None
    size = len(text)
    while at + 5 <= size:
        kind, length = text[at], text[at + 3] << 8 | text[at + 4]
        if text[at + 1] != 3 or length > MOST_RECORD or kind not in (20, 21, 22, 23):
            break
        if kind == _HANDSHAKE and not encrypted:
            flow.append(text[at + 5 : at + 5 + length])
        elif kind == _ALERT and length == 2 and at + 7 <= size and not encrypted:
            alert = text[at + 6]
        elif kind in (_CHANGE, _DATA):
            encrypted = True
        at += 5 + length
    body = b"".join(flow)
    messages: list[tuple[int, bytes]] = []
    at = 0
    while at + 4 <= len(body) and len(messages) < 64:
        length = int.from_bytes(body[at + 1 : at + 4], "big")
        messages.append((body[at], body[at + 4 : at + 4 + length]))
        at += 4 + length
    return Said(messages, encrypted, alert, at > len(body))


def _fields(asked: Said, said: Said) -> dict[str, Any]:
    client = _first(asked, _CLIENT_HELLO, hellos.client)
    server = _first(said, _SERVER_HELLO, hellos.server)
    made: dict[str, Any] = {}
    if client is not None:
        made |= client_fields(client)
        if asked.lacks(_CLIENT_HELLO):  # a fingerprint of a part would be another's
            made["ja3"] = made["ja4"] = None
    if server is not None:
        made |= _server_fields(server, client)
        if said.lacks(_SERVER_HELLO):
            made["ja3s"] = None
    chain = _chain(said)
    if chain:
        made |= _certificate(chain)
    alerts = [_ALERTS.get(one, str(one)) for one in (said.alert, asked.alert) if one is not None]
    if alerts:
        made["last_alert"] = alerts[0]
    if made:
        made["established"] = "T" if asked.encrypted and said.encrypted else "F"
    return made


def client_fields(client: Hello, *, quic: bool = False) -> dict[str, Any]:
    """What a client offers."""
    return {
        "version": None,
        "server_name": client.server_name(),
        "offered_version": _version(client.chosen_version()),
        "client_alpn": [printable(one) for one in client.protocols()] or None,
        "ja3": hellos.ja3(client),
        "ja4": hellos.ja4(client, quic=quic),
    }


def _server_fields(server: Hello, client: Hello | None) -> dict[str, Any]:
    chosen = server.protocols()
    same = client is not None and len(client.session) > 0 and client.session == server.session
    version = server.chosen_version()
    return {
        "version": _version(version),
        "cipher": CIPHERS.get(server.ciphers[0], f"unknown-{server.ciphers[0]}"),
        "next_protocol": printable(chosen[0]) if chosen else None,
        "resumed": "T" if same and version < 0x0304 else "F",
        "ja3s": hellos.ja3s(server),
    }


def _version(number: int) -> str:
    return _VERSIONS.get(number, f"unknown-{number}")


def _first(of: Said, kind: int, read: Any) -> Hello | None:
    for code, body in of.messages:
        if code == kind:
            made: Hello | None = read(body)
            return made
    return None


def _chain(said: Said) -> list[bytes]:
    """The server's certificates, its own first; only those that are whole."""
    for kind, body in said.messages:
        if kind != _CERTIFICATE:
            continue
        found: list[bytes] = []
        at = 3
        while at + 3 <= len(body) and len(found) < 10:
            length = int.from_bytes(body[at : at + 3], "big")
            if at + 3 + length > len(body):
                break
            found.append(body[at + 3 : at + 3 + length])
            at += 3 + length
        return found
    return []


def _certificate(chain: list[bytes]) -> dict[str, Any]:
    own = x509.read(chain[0])
    made: dict[str, Any] = {
        "cert_chain_fps": [x509.read(one)["fingerprint"] for one in chain],
        "subject": own.get("subject"),
        "issuer": own.get("issuer"),
        "certificate.serial": own.get("serial"),
        "certificate.not_valid_before": own.get("not_before"),
        "certificate.not_valid_after": own.get("not_after"),
        "san.dns": own.get("names"),
    }
    if own.get("self_signed"):
        made["validation_status"] = "self signed certificate"  # in the words of OpenSSL
    if "self_signed" in own:
        made["self_signed"] = "T" if own["self_signed"] else "F"
    return made
