"""Reads LDAP (RFC 4511), over UDP too: binds and changes named as in Zeek's `ldap.log`, searches as in
`ldap_search.log`, filters as RFC 4515 writes them."""

from typing import Any, Final

from labrys.evidence.pcap import dialogue
from labrys.evidence.pcap.protocols import der, logon, ntlm
from labrys.evidence.pcap.protocols.der import Part
from labrys.evidence.pcap.talk import Piece, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.ldap"
SEARCH: Final = "net.ldap_search"
MOST_MESSAGES: Final = 20_000
_MOST_WAITING: Final = 256
_LARGEST: Final = 256 << 10
"""Bytes of a message that are kept until it is whole; of a longer one nothing is read."""
_MOST_FILTER: Final = 4_096
_DEEPEST: Final = 16
_BIND, _SEARCH, _ENTRY, _REFERENCE, _DONE = 0x60, 0x63, 0x64, 0x73, 0x65
_OPERATIONS: Final = {
    0x42: "unbind", 0x66: "modify", 0x68: "add", 0x4A: "delete", 0x6C: "modifyDN",
    0x6E: "compare", 0x77: "extended",
}  # fmt: skip
_REPLIES: Final = (0x61, _DONE, 0x67, 0x69, 0x6B, 0x6D, 0x6F, 0x78)
_RESULTS: Final = {
    0: "success", 1: "operations error", 2: "protocol error", 3: "time limit exceeded",
    4: "size limit exceeded", 7: "auth method not supported", 8: "stronger auth required",
    10: "referral", 14: "SASL bind in progress", 16: "no such attribute", 32: "no such object",
    34: "invalid DN syntax", 48: "inappropriate authentication", 49: "invalid credentials",
    50: "insufficient access rights", 51: "busy", 52: "unavailable", 53: "unwilling to perform",
    65: "object class violation", 68: "entry already exists", 80: "other",
}  # fmt: skip
_IN_PROGRESS: Final = 14
_SCOPES: Final = {0: "base", 1: "single", 2: "tree"}
_ALIASES: Final = {0: "never", 1: "searching", 2: "finding", 3: "always"}
_JOINED: Final = {0xA0: "&", 0xA1: "|", 0xA2: "!"}
_COMPARED: Final = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}


class _Asked:
    """A request whose reply is still to come."""

    __slots__ = ("at", "entries", "fields", "mechanism", "shape", "user")

    def __init__(self, at: Piece, shape: str, fields: dict[str, Any]) -> None:
        self.at, self.shape, self.fields = at, shape, fields
        self.entries = 0
        self.mechanism = ""
        self.user: str | None = None


class _Session(dialogue.Session):
    __slots__ = ("_count", "_over", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[str, _Asked] = {}
        self._over = [0, 0]
        self._count = 0

    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        side = self.said if reply else self.asked
        while not talk.done:
            self._over[reply] -= len(side.take(self._over[reply]))
            message = self._message(side, reply)
            if message is None:
                return
            if side.lost or message == b"" or self._count >= MOST_MESSAGES:
                self.over(talk, records)
                talk.finish()  # the rest is sealed, or cannot be told apart
                return
            self._count += 1
            self._take(talk, records, message, side.last, reply)

    def _message(self, side: dialogue.InOrder, reply: bool) -> bytes | None:
        """The next message; None where it is not whole yet, nothing where there is none."""
        head = side.buffer[:6]
        if len(head) < 2:
            return None
        count = head[1] & 0x7F if head[1] >= 0x80 else 0
        if head[0] != der.SEQUENCE or head[1] == 0x80 or count > 4:
            return b""
        if len(head) < 2 + count:
            return None
        size = 2 + count + (int.from_bytes(head[2 : 2 + count], "big") if count else head[1])
        if size > _LARGEST:
            self._over[reply] = size - len(side.take(size))
            return self._message(side, reply) if side.buffer else None
        return side.take(size) if len(side.buffer) >= size else None

    def _take(self, talk: Talk, records: Records, data: bytes, at: Piece, reply: bool) -> None:
        whole = der.part(data, 0, len(data))
        found = der.inside(data, whole) if whole is not None else []
        if len(found) < 2 or found[0].tag != der.INTEGER:
            return
        number, operation = str(_number(data, found[0])), found[1]
        if reply:
            self._reply(talk, records, number, data, operation)
            return
        asked = _asked(data, operation, at, number)
        if asked is None:
            return
        if len(self._waiting) >= _MOST_WAITING or asked.fields.get("opcode") == "unbind":
            self.over(talk, records)
        self._waiting[number] = asked

    def _reply(self, talk: Talk, records: Records, number: str, data: bytes, said: Part) -> None:
        asked = self._waiting.get(number)
        if asked is None:
            return
        if said.tag in (_ENTRY, _REFERENCE):
            asked.entries += 1
        elif said.tag in _REPLIES:
            result = der.inside(data, said)[:3]
            code = _number(data, result[0]) if result else 80
            asked.fields["result"] = _RESULTS.get(code, str(code))
            asked.fields["diagnostic_message"] = _text(data, result[2]) if len(result) > 2 else None
            self._tell(talk, records, self._waiting.pop(number), code)

    def _tell(self, talk: Talk, records: Records, asked: _Asked, code: int | None) -> None:
        if asked.shape == SEARCH:
            asked.fields["result_count"] = str(asked.entries)
        emit(records, talk, asked.shape, asked.fields, asked.at)
        if asked.mechanism and asked.user and code != _IN_PROGRESS:
            success = None if code is None else code == 0
            reply = asked.fields.get("result")
            mechanism = asked.mechanism
            logon.add(records, talk, asked.at, "ldap", mechanism, asked.user, success, reply)

    def over(self, talk: Talk, records: Records) -> None:
        for asked in self._waiting.values():
            self._tell(talk, records, asked, None)
        self._waiting = {}


packet = dialogue.packets(_Session)


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """Whole messages in a datagram: CLDAP (RFC 1798), as clients look for a domain's controllers."""
    session: _Session = talk.state or _Session()
    talk.state = session
    side = session.said if reply else session.asked
    side.buffer, side.last = piece.data, piece._replace(data=b"")
    session.heard(talk, records, reply)
    side.buffer = b""


def _asked(data: bytes, operation: Part, at: Piece, number: str) -> _Asked | None:
    fields: dict[str, Any] = {"message_id": number}
    if operation.tag == _SEARCH:
        return _search(data, operation, at, fields)
    if operation.tag == _BIND:
        return _bind(data, operation, at, fields)
    name = _OPERATIONS.get(operation.tag)
    if name is None:
        return None
    fields["opcode"] = name
    if operation.tag == 0x4A:
        fields["object"] = logon.shown(der.content(data, operation)) or None
    elif operation.tag != 0x42 and (inner := der.inside(data, operation)):
        fields["argument" if name == "extended" else "object"] = _text(data, inner[0])
    return _Asked(at, SHAPE, fields)


def _bind(data: bytes, operation: Part, at: Piece, fields: dict[str, Any]) -> _Asked | None:
    inner = der.inside(data, operation)
    if len(inner) < 3:
        return None
    name, how = _text(data, inner[1]), inner[2]
    made = _Asked(at, SHAPE, fields)
    fields["version"] = str(_number(data, inner[0]))
    fields["object"] = name
    if how.tag == 0x80:
        fields["opcode"], fields["argument"] = "bind simple", "REDACTED"
        made.mechanism, made.user = "simple", name
        if how.begin == how.end:
            fields["argument"], made.user = None, None  # nobody, or only a name
        return made
    fields["opcode"] = "bind SASL"
    parts = der.inside(data, how)
    if how.tag == 0xA3 and parts:
        made.mechanism = fields["argument"] = _text(data, parts[0]) or "SASL"
    token = data[how.begin : how.end]
    start = token.find(ntlm.SIGNATURE)
    told = ntlm.parse(token[start:]) if start >= 0 else None
    if told is not None and told["kind"] == "answer":
        made.user = told.get("username")
        fields["object"] = name or made.user
        made.mechanism = "NTLM"
    return made


def _search(data: bytes, operation: Part, at: Piece, fields: dict[str, Any]) -> _Asked | None:
    inner = der.inside(data, operation)
    if len(inner) < 8:
        return None
    scope, aliases = _number(data, inner[1]), _number(data, inner[2])
    wanted = [_text(data, one) or "" for one in der.inside(data, inner[7])[:64]]
    fields |= {
        "scope": _SCOPES.get(scope, str(scope)),
        "deref_aliases": _ALIASES.get(aliases, str(aliases)),
        "base_object": _text(data, inner[0]),
        "filter": filter_text(data, inner[6])[:_MOST_FILTER],
        "attributes": wanted or None,
    }
    return _Asked(at, SEARCH, fields)


def filter_text(data: bytes, of: Part, depth: int = 0) -> str:
    """A search's filter as RFC 4515 writes it; what is nested too deep is left out."""
    if depth > _DEEPEST:
        return "(…)"
    if of.tag in _JOINED:
        made, size = [], 0
        for one in der.parts(data, of.begin, of.end):
            made.append(filter_text(data, one, depth + 1))
            size += len(made[-1])
            if size > _MOST_FILTER:
                break
        return f"({_JOINED[of.tag]}{''.join(made)})"
    if of.tag == 0x87:
        return f"({_shown(data, of)}=*)"
    inner = der.inside(data, of)
    if of.tag == 0xA9:
        named = {one.tag: _shown(data, one) for one in inner}
        rule = f":{named[0x81]}" if 0x81 in named else ""
        return f"({named.get(0x82, '')}{rule}:={named.get(0x83, '')})"
    if len(inner) < 2 or (of.tag not in _COMPARED and of.tag != 0xA4):
        return "(?)"
    value = _pieces(data, inner[1]) if of.tag == 0xA4 else _shown(data, inner[1])
    return f"({_shown(data, inner[0])}{_COMPARED.get(of.tag, '=')}{value})"


def _pieces(data: bytes, of: Part) -> str:
    """What a value must begin with, hold and end with."""
    pieces = der.inside(data, of)[:64]
    begins = "" if pieces and pieces[0].tag == 0x80 else "*"
    ends = "" if pieces and pieces[-1].tag == 0x82 else "*"
    return begins + "*".join(_shown(data, one) for one in pieces) + ends


def _shown(data: bytes, of: Part) -> str:
    return logon.shown(der.content(data, of))


def _text(data: bytes, of: Part) -> str | None:
    return printable(der.content(data, of)[: logon.MOST_TEXT]) or None


def _number(data: bytes, of: Part) -> int:
    return int.from_bytes(der.content(data, of)[:8], "big")
