"""Reads mail on its way (RFC 5321): envelopes named as in Zeek's `smtp.log`, logons, and messages.

A message that is whole is handed on, to be read as mail.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from labrys.evidence.mail.mime import headers_of
from labrys.evidence.pcap import dialogue
from labrys.evidence.pcap.protocols import ftp, logon
from labrys.evidence.pcap.talk import Piece, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.smtp"
MOST_MESSAGE: Final = 10 << 20
"""Bytes of a message; a longer one is not handed on."""
_MOST_RECIPIENTS: Final = 200
_MOST_WAITING: Final = 1_000
_MOST_AHEAD: Final = 32
"""Commands that wait for their reply; where more do, the server is not heard."""
_HEAD: Final = 64 << 10
_DOT: Final = b".\r\n"
_END: Final = b"\r\n" + _DOT
_OF_HEADER: Final = {
    "date": "date", "from": "from", "cc": "cc", "reply-to": "reply_to", "message-id": "msg_id",
    "in-reply-to": "in_reply_to", "subject": "subject", "x-originating-ip": "x_originating_ip",
    "user-agent": "user_agent", "x-mailer": "user_agent",
}  # fmt: skip


class _Body:
    """A message that is being sent: up to a dot (DATA), or in pieces of told size (BDAT)."""

    __slots__ = ("data", "due", "last", "searched", "whole")

    def __init__(self) -> None:
        self.data = bytearray()
        self.due: int | None = None
        self.last = self.whole = True
        self.searched = 0

    def take(self, side: dialogue.InOrder) -> bool:
        """Take what is there of it; whether this was all of this piece."""
        if self.due is not None:
            taken = side.take(self.due)
            self.due -= len(taken)
            self.data += taken
            self._cut()
            return self.due == 0
        self.data += side.take(len(side.buffer))
        empty = not self.searched and self.data.startswith(_DOT)
        at = 0 if empty else self.data.find(_END, self.searched) + 2
        if at < 2 and not empty:
            self.searched = max(len(self.data) - len(_END) + 1, 0)
            self._cut()
            return False
        side.buffer = bytes(self.data[at + len(_DOT) :])
        del self.data[at:]
        return True

    def _cut(self) -> None:
        """Of a message that is too long its beginning stays, and its end as far as it is searched."""
        if len(self.data) > MOST_MESSAGE:
            self.whole = False
            del self.data[_HEAD : len(self.data) - len(_END)]
            self.searched = min(self.searched, _HEAD)

    def text(self) -> bytes:
        """The message as its sender wrote it."""
        data = bytes(self.data)
        if self.due is None:
            data = data.replace(b"\r\n..", b"\r\n.")
            data = data[1:] if data.startswith(b"..") else data
        return data


@dataclass(slots=True)
class _Mail:
    """One envelope, and its message once that was sent."""

    at: Piece
    sender: str
    recipients: list[str] = field(default_factory=list)
    left_out: int = 0
    body: _Body | None = None
    sent: bool = False
    told: bool = False
    reply: str | None = None


class _Session(dialogue.Session):
    __slots__ = ("_auth", "_helo", "_mail", "_number", "_user", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._helo: str | None = None
        self._user: str | None = None
        self._mail: _Mail | None = None
        self._auth: tuple[Piece, str, list[bytes]] | None = None
        self._waiting: deque[tuple[str, _Mail | None]] = deque()  # for a reply
        self._number = 0

    @property
    def plain(self) -> bool:
        return not self._sending

    @property
    def weight(self) -> int:
        mails = {id(mail): mail for _, mail in self._waiting} | {0: self._mail}
        bodies = [mail.body.data for mail in mails.values() if mail is not None and mail.body]
        return super().weight + sum(map(len, bodies)) + 100 * len(self._waiting)

    @property
    def _sending(self) -> bool:
        mail = self._mail
        return mail is not None and mail.body is not None and not mail.sent and not self._between

    @property
    def _between(self) -> bool:
        """Whether the next piece of a message in pieces is still to be told."""
        body = self._mail.body if self._mail is not None else None
        return body is not None and body.due == 0

    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        if reply:
            while (line := self.said.line()) is not None:
                self._reply(talk, records, line)
            return
        while True:
            if self._sending and not self._body():
                return
            line = self.asked.line()
            if line is None:
                return
            if self._number == 0 and not self._helo and line[:5].upper() == b"USER ":
                ftp.take_over(talk, records, self, line)
                return
            self._command(talk, records, line)

    def _body(self) -> bool:
        """Read on in the message; whether that is over."""
        mail = self._mail
        assert mail is not None
        assert mail.body is not None
        if self.asked.lost:
            mail.body.whole, self.asked.lost = False, False
        done = mail.body.take(self.asked)
        if done and mail.body.last:
            mail.sent = True
            self._expect(".")
        return done

    def _expect(self, verb: str) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((verb, self._mail))

    def _command(self, talk: Talk, records: Records, line: bytes) -> None:
        verb, _, rest = printable(line[:2_048]).partition(" ")
        verb = verb.upper()
        if self._auth is not None:
            if verb not in ("MAIL", "RSET", "QUIT") and len(self._auth[2]) < 8:
                self._auth[2].append(line)
                return
            self._logged_in(talk, records, None)
        if verb in ("HELO", "EHLO", "LHLO"):
            self._helo = rest.strip()[: logon.MOST_TEXT]
        elif verb == "AUTH":
            mechanism, _, first = rest.strip().partition(" ")
            self._auth = (self.asked.last, mechanism, [first.encode()] if first else [])
        elif verb == "MAIL":
            self._leave(talk, records)
            self._mail = _Mail(self.asked.last, _path(rest))
        elif verb == "RCPT" and self._mail is not None:
            self._recipient(_path(rest))
        elif verb in ("DATA", "BDAT") and self._mail is not None:
            self._begin_body(verb, rest)
        elif verb in ("RSET", "QUIT"):
            self._leave(talk, records)
        self._expect(verb)

    def _leave(self, talk: Talk, records: Records) -> None:
        """Another envelope begins: one whose message was sent still waits for what is said to it."""
        mail, self._mail = self._mail, None
        if mail is not None and (not mail.sent or len(self._waiting) > _MOST_AHEAD):
            self._tell(talk, records, mail)

    def _recipient(self, name: str) -> None:
        assert self._mail is not None
        if len(self._mail.recipients) < _MOST_RECIPIENTS:
            self._mail.recipients.append(name)
        else:
            self._mail.left_out += 1

    def _begin_body(self, verb: str, rest: str) -> None:
        assert self._mail is not None
        body = self._mail.body or _Body()
        if verb == "BDAT":
            size, _, last = rest.strip().partition(" ")
            body.due = min(int(size), 1 << 40) if size.isascii() and size.isdigit() else 0
            body.last = last.strip().upper() == "LAST"
        self._mail.body = body
        if body.due == 0 and body.last:
            self._mail.sent = True

    def _reply(self, talk: Talk, records: Records, line: bytes) -> None:
        code, mark = line[:3], line[3:4]
        if not code.isdigit() or mark == b"-":
            return
        told = printable(line)[: logon.MOST_TEXT]
        if self._auth is not None and self._waiting and self._waiting[0][0] == "AUTH":
            if code != b"334":
                self._waiting.popleft()
                self._logged_in(talk, records, told)
            return
        verb, mail = self._waiting.popleft() if self._waiting else ("", None)
        if mail is None:
            return
        mail.reply = told
        if verb == "DATA" and code != b"354" and mail.body is not None and not mail.body.data:
            mail.body = None
        if verb == "." or (verb == "BDAT" and mail.sent):
            self._tell(talk, records, mail)
            self._mail = None if self._mail is mail else self._mail

    def _logged_in(self, talk: Talk, records: Records, reply: str | None) -> None:
        assert self._auth is not None
        at, mechanism, said = self._auth
        self._auth = None
        user = logon.sasl_user(mechanism, said)
        success = None if reply is None else reply.startswith("2")
        if success:
            self._user = user
        logon.add(records, talk, at, "smtp", mechanism, user, success, reply)

    def over(self, talk: Talk, records: Records) -> None:
        if self._auth is not None:
            self._logged_in(talk, records, None)
        for mail in (*(mail for _, mail in self._waiting), self._mail):
            if mail is not None:
                self._tell(talk, records, mail)
        if not self._number and self._helo is not None:
            fields = {"trans_depth": "1", "helo": self._helo, "tls": "F", "handed_on": "F"}
            emit(records, talk, SHAPE, fields, self.asked.last)

    def _tell(self, talk: Talk, records: Records, mail: _Mail) -> None:
        """Keep the envelope, and hand on its message."""
        if mail.told:
            return
        mail.told = True
        self._number += 1
        fields: dict[str, Any] = {
            "trans_depth": str(self._number),
            "helo": self._helo,
            "mailfrom": mail.sender,
            "rcptto": mail.recipients or None,
            "rcptto_left_out": mail.left_out or None,
            "last_reply": mail.reply,
            "user": self._user,
            "tls": "F",
            "handed_on": "F",
        }
        if mail.body is not None:
            whole = mail.sent and mail.body.whole
            text, mail.body = mail.body.text(), None
            fields |= _headers(text)
            fields["message_bytes"] = str(len(text)) if whole else None
            if whole and records.inside is not None and text:
                name = f"{talk.ends[0]}-{self._number}.eml"
                records.inside.leave(name, (text,))
                fields |= {"fuids": name, "handed_on": "T"}
        emit(records, talk, SHAPE, fields, mail.at)


packet = dialogue.packets(_Session)


def _path(text: str) -> str:
    """The address in `FROM:<…>` or `TO:<…>`."""
    address = text.partition(":")[2].strip()
    if address.startswith("<"):
        return address[1:].partition(">")[0][: logon.MOST_TEXT]
    return address.partition(" ")[0][: logon.MOST_TEXT]


def _headers(text: bytes) -> dict[str, Any]:
    """What the message says of itself."""
    headers = headers_of(text[:_HEAD])
    made: dict[str, Any] = {}
    for name, column in _OF_HEADER.items():
        value = headers.text(name)
        if value and column not in made:
            made[column] = value[:4_096]
    to = headers.text("to")
    made["to"] = [one.strip() for one in to[:16_384].split(",")][:_MOST_RECIPIENTS] if to else None
    received = [printable(one[:1_024]) for one in headers.all("received")[:2]]
    made |= dict(zip(("first_received", "second_received"), received, strict=False))
    return made
