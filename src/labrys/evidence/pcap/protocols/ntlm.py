"""Reads who logs in by NTLM (MS-NLMP), wherever its messages are carried."""

from typing import Any, Final

SIGNATURE: Final = b"NTLMSSP\0"
_CHALLENGE, _AUTHENTICATE = 2, 3
_UNICODE: Final = 1
_NAMES: Final = {
    1: "server_nb_computer_name", 2: "server_nb_domain_name", 3: "server_dns_computer_name",
    4: "server_dns_domain_name", 5: "server_tree_name",
}  # fmt: skip
_MOST_NAME: Final = 512


def parse(data: bytes) -> dict[str, Any] | None:
    """The fields of a challenge or of an answer to one, named as in Zeek's `ntlm.log`; else None.

    `kind` says which it is.
    """
    kind = int.from_bytes(data[8:12], "little")
    if not data.startswith(SIGNATURE) or len(data) < 32:
        return None
    if kind == _CHALLENGE:
        made: dict[str, Any] = {"kind": "challenge"}
        info, at = _buffer(data, 40), 0
        while at + 4 <= len(info):
            name = int.from_bytes(info[at : at + 2], "little")
            size = int.from_bytes(info[at + 2 : at + 4], "little")
            if name == 0:
                break
            if name in _NAMES:
                made[_NAMES[name]] = text(info[at + 4 : at + 4 + size])
            at += 4 + size
        return made
    if kind != _AUTHENTICATE or len(data) < 64:
        return None
    wide = bool(int.from_bytes(data[60:64], "little") & _UNICODE)
    names = {"domainname": 28, "username": 36, "hostname": 44}
    found = {name: _word(_buffer(data, at), wide) for name, at in names.items()}
    return {"kind": "answer", **{name: word or None for name, word in found.items()}}


def _buffer(data: bytes, at: int) -> bytes:
    size = int.from_bytes(data[at : at + 2], "little")
    offset = int.from_bytes(data[at + 4 : at + 8], "little")
    return data[offset : offset + size]


def _word(data: bytes, wide: bool) -> str:
    return text(data) if wide else text(data.decode("latin-1").encode("utf-16-le"))


def text(data: bytes) -> str:
    """UTF-16 as text, with what is not shown in hex."""
    plain = data[:_MOST_NAME].decode("utf-16-le", "replace").rstrip("\0")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in plain)
