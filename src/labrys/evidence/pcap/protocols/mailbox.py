"""Reads who opens a mailbox in the clear: logons of POP3 (RFC 1939, 5034) and IMAP (RFC 9051)."""

from collections import deque
from typing import Final, NamedTuple

from labrys.evidence.pcap import dialogue
from labrys.evidence.pcap.protocols import logon
from labrys.evidence.pcap.services import IMAP
from labrys.evidence.pcap.talk import Piece, Talk, printable
from labrys.evidence.records import Records

MOST_LOGONS: Final = 1_000
_MOST_WAITING: Final = 64
_MOST_ANSWERS: Final = 8


class _Asked(NamedTuple):
    """A logon that has no reply yet; `said` are the client's lines in SASL."""

    at: Piece
    mechanism: str
    user: str | None
    said: list[bytes]
    tag: str = ""


class _Session(dialogue.Session):
    __slots__ = ("_asked", "_count", "_user", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._asked: _Asked | None = None
        self._waiting: deque[str] = deque()
        self._user: str | None = None
        self._count = 0

    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        imap = talk.service == IMAP
        side = self.said if reply else self.asked
        while not talk.done and (line := side.line()) is not None:
            if reply:
                told = printable(line[: logon.MOST_TEXT])
                good = self._tagged(told) if imap else self._plus_or_minus(told)
                if good is not None and self._asked is not None:
                    self._tell(talk, records, good, told)
            elif self._answers(line):
                continue
            elif imap:
                self._imap(line)
            else:
                self._pop(line)

    def _answers(self, line: bytes) -> bool:
        """Whether a client's line goes on with a logon in SASL."""
        asked = self._asked
        if asked is None or asked.mechanism in ("PASS", "APOP", "LOGIN"):
            return False
        if len(asked.said) < _MOST_ANSWERS:
            asked.said.append(line)
        return True

    def _pop(self, line: bytes) -> None:
        verb, _, rest = printable(line[:2_048]).partition(" ")
        verb = verb.upper()
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(verb)
        at = self.asked.last
        if verb == "USER":
            self._user = rest[: logon.MOST_TEXT]
        elif verb == "PASS":
            self._asked = _Asked(at, verb, self._user, [])
        elif verb == "APOP":
            self._asked = _Asked(at, verb, rest.partition(" ")[0][: logon.MOST_TEXT], [])
        elif verb == "AUTH" and rest:
            self._sasl(rest, "")

    def _plus_or_minus(self, told: str) -> bool | None:
        """What a reply of POP3 says of the logon."""
        good = told.startswith("+OK")
        if not good and not told.startswith("-ERR"):
            return None
        verb = self._waiting.popleft() if self._waiting else ""
        return good if verb in ("PASS", "APOP", "AUTH") else None

    def _imap(self, line: bytes) -> None:
        tag, _, rest = printable(line[:2_048]).partition(" ")
        verb, _, values = rest.partition(" ")
        if verb.upper() == "LOGIN":
            self._asked = _Asked(self.asked.last, "LOGIN", _first(values), [], tag)
        elif verb.upper() == "AUTHENTICATE" and values:
            self._sasl(values, tag)

    def _sasl(self, values: str, tag: str) -> None:
        mechanism, _, first = values.strip().partition(" ")
        # A mechanism may be called LOGIN, too: what comes after it are answers all the same.
        name = f"SASL {mechanism}"[: logon.MOST_TEXT]
        self._asked = _Asked(self.asked.last, name, None, [first.encode()] if first else [], tag)

    def _tagged(self, told: str) -> bool | None:
        """What a reply of IMAP says of the logon."""
        tag, _, rest = told.partition(" ")
        status = rest.partition(" ")[0].upper()
        if self._asked is None or tag != self._asked.tag or status not in ("OK", "NO", "BAD"):
            return None
        return status == "OK"

    def _tell(self, talk: Talk, records: Records, good: bool | None, reply: str | None) -> None:
        asked, self._asked = self._asked, None
        assert asked is not None
        mechanism = asked.mechanism.removeprefix("SASL ")
        user = asked.user or logon.sasl_user(mechanism, asked.said)
        service = "imap" if talk.service == IMAP else "pop3"
        logon.add(records, talk, asked.at, service, mechanism, user, good, reply)
        self._count += 1
        if good or self._count >= MOST_LOGONS:
            talk.finish()  # what is behind a logon is not read

    def over(self, talk: Talk, records: Records) -> None:
        if self._asked is not None:
            self._tell(talk, records, None, None)


packet = dialogue.packets(_Session)


def _first(values: str) -> str:
    """The first of a command's values, quoted or not; a literal's value comes later and is not read."""
    if values.startswith('"'):
        return values[1:].partition('"')[0].replace("\\", "")[: logon.MOST_TEXT]
    first = values.partition(" ")[0]
    return "" if first.startswith("{") else first[: logon.MOST_TEXT]
