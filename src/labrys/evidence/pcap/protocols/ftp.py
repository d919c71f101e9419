"""Reads FTP's control connections (RFC 959, 2428), named as in Zeek's `ftp.log`, and logons."""

import re
from collections import deque
from typing import Any, Final, NamedTuple

from labrys.evidence.pcap import dialogue
from labrys.evidence.pcap.protocols import logon
from labrys.evidence.pcap.services import FTP
from labrys.evidence.pcap.talk import Piece, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.ftp"
MOST_COMMANDS: Final = 10_000
_MOST_WAITING: Final = 256
_GUESTS: Final = ("anonymous", "ftp", "ftpuser", "guest")
_OF_FILES: Final = ("APPE", "DELE", "RETR", "STOR", "STOU", "SIZE", "MDTM", "RNFR", "RNTO")
_SIZE: Final = re.compile(r"\((\d{1,18}) bytes", re.IGNORECASE)
_PASSIVE: Final = re.compile(r"\((\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})\)")
_EXTENDED: Final = re.compile(r"\(\|\|\|(\d{1,5})\|\)")


class _Command(NamedTuple):
    at: Piece
    verb: str
    argument: str


class _Session(dialogue.Session):
    __slots__ = ("_count", "_password", "_size", "_user", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[_Command] = deque()
        self._user = ""
        self._password: str | None = None
        self._size: str | None = None
        self._count = 0

    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        side = self.said if reply else self.asked
        while self._count < MOST_COMMANDS and (line := side.line()) is not None:
            if reply:
                self._reply(talk, records, line)
            else:
                self.command(talk, records, line)
        if self._count >= MOST_COMMANDS:
            talk.finish()

    def command(self, talk: Talk, records: Records, line: bytes) -> None:
        verb, _, argument = printable(line[:2_048]).partition(" ")
        verb = verb.upper()
        if not verb.isascii() or not verb.isalpha() or len(verb) > 8:
            return
        if verb == "USER":
            self._user, self._password = argument[: logon.MOST_TEXT], None
        elif verb == "PASS":
            guest = self._user.lower() in _GUESTS
            self._password = argument[: logon.MOST_TEXT] if guest else "<hidden>"
            argument = self._password
        if len(self._waiting) >= _MOST_WAITING:
            self._tell(talk, records, self._waiting.popleft(), None)
        self._waiting.append(_Command(self.asked.last, verb, argument))

    def _reply(self, talk: Talk, records: Records, line: bytes) -> None:
        code, mark = line[:3], line[3:4]
        if not code.isdigit() or mark == b"-" or not self._waiting:
            return
        told = printable(line)[: logon.MOST_TEXT]
        if code[:1] == b"1":  # the reply proper is still to come
            found = _SIZE.search(told)
            self._size = found[1] if found else None
            return
        self._tell(talk, records, self._waiting.popleft(), told)
        self._size = None

    def _tell(self, talk: Talk, records: Records, said: _Command, reply: str | None) -> None:
        self._count += 1
        code = reply[:3] if reply else None
        fields: dict[str, Any] = {
            "user": self._user or None,
            "password": self._password,
            "command": said.verb,
            "arg": _argument(talk, said) or None,
            "reply_code": code,
            "reply_msg": reply[4:] if reply else None,
            "file_size": reply[4:] if reply and said.verb == "SIZE" and code == "213" else self._size,
            **(_channel(talk, said, reply) if reply else {}),
        }  # fmt: skip
        emit(records, talk, SHAPE, fields, said.at)
        if said.verb == "PASS" or (said.verb == "USER" and code == "230"):
            success = None if code is None else code[0] == "2"
            logon.add(records, talk, said.at, "ftp", "PASS", self._user, success, reply)

    def over(self, talk: Talk, records: Records) -> None:
        while self._waiting:
            self._tell(talk, records, self._waiting.popleft(), None)


packet = dialogue.packets(_Session)


def take_over(talk: Talk, records: Records, session: dialogue.Session, line: bytes) -> None:
    """Go on with a dialogue that began like another protocol's, from the client's line on."""
    made = _Session()
    made.asked, made.said = session.asked, session.said
    talk.service, talk.state = FTP, made
    made.command(talk, records, line)
    made.heard(talk, records, False)


def _argument(talk: Talk, said: _Command) -> str:
    """A command's argument; a file's as Zeek writes it, with the server before it."""
    if said.verb not in _OF_FILES or not said.argument:
        return said.argument
    path = said.argument if said.argument.startswith("/") else f"/./{said.argument}"
    return f"ftp://{talk.ends[3]}{path}"


def _channel(talk: Talk, said: _Command, reply: str) -> dict[str, str]:
    """Where the data will flow."""
    if said.verb == "PASV" and (found := _PASSIVE.search(reply)) is not None:
        *host, high, low = found.groups()
        port = int(high) * 256 + int(low)
        return _to("T", talk.ends[1], ".".join(host), port)
    if said.verb == "EPSV" and (found := _EXTENDED.search(reply)) is not None:
        return _to("T", talk.ends[1], talk.ends[3], int(found[1]))
    if said.verb == "PORT" and (found := _PASSIVE.search(f"({said.argument})")) is not None:
        *host, high, low = found.groups()
        return _to("F", talk.ends[3], ".".join(host), int(high) * 256 + int(low))
    return {}


def _to(passive: str, origin: str, response: str, port: int) -> dict[str, str]:
    return {
        "data_channel.passive": passive,
        "data_channel.orig_h": origin,
        "data_channel.resp_h": response,
        "data_channel.resp_p": str(port),
    }
