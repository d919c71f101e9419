"""Reads what is said on IRC (RFC 2812), named as in Zeek's `irc.log`; bots take their orders there.

Zeek keeps NICK, USER, JOIN and DCC; here are also what is written to channels and their topics.
"""

from typing import Any, Final

from labrys.evidence.pcap import dialogue
from labrys.evidence.pcap.protocols.logon import MOST_TEXT
from labrys.evidence.pcap.talk import Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.irc"
MOST_MESSAGES: Final = 5_000
_FROM_CLIENTS: Final = ("NICK", "USER", "JOIN", "PRIVMSG", "NOTICE", "TOPIC")
_FROM_SERVERS: Final = ("PRIVMSG", "TOPIC", "332")
"""332 tells the topic to who joins."""


class _Session(dialogue.Session):
    __slots__ = ("_count", "_nick", "_user")

    def __init__(self) -> None:
        super().__init__()
        self._nick: str | None = None
        self._user: str | None = None
        self._count = 0

    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        side = self.said if reply else self.asked
        while (line := side.line()) is not None:
            if self._count >= MOST_MESSAGES:
                talk.finish()
                return
            sender, verb, values = _message(line)
            if verb in (_FROM_SERVERS if reply else _FROM_CLIENTS) and values:
                self._tell(talk, records, reply, sender, verb, values)

    def _tell(
        self, talk: Talk, records: Records, reply: bool, sender: str, verb: str, values: list[str]
    ) -> None:
        if verb == "332":
            verb, values = "TOPIC", values[1:] or values
        if not reply and verb == "NICK":
            self._nick = values[0]
        elif not reply and verb == "USER":
            self._user = values[0]
        fields: dict[str, Any] = {
            "nick": self._nick,
            "user": self._user,
            "command": verb,
            "value": values[0],
            "addl": " ".join(values[1:])[:MOST_TEXT] or None,
            "sender": sender.partition("!")[0][:MOST_TEXT] if reply else None,
            **_offer(values[-1]),
        }
        self._count += 1
        side = self.said if reply else self.asked
        emit(records, talk, SHAPE, fields, side.last)


packet = dialogue.packets(_Session)


def _message(line: bytes) -> tuple[str, str, list[str]]:
    """Who sent a message, its command and parameters."""
    text = printable(line[:1_024]).lstrip()
    if text.startswith("@"):  # tags of IRCv3
        text = text.partition(" ")[2].lstrip()
    sender = ""
    if text.startswith(":"):
        sender, _, text = text[1:].partition(" ")
    front, colon, trailing = text.partition(" :")
    verb, *values = front.split() or [""]
    if colon:
        values.append(trailing)
    return sender, verb.upper(), [value.lstrip(":") for value in values]


def _offer(text: str) -> dict[str, str]:
    """A file that is offered (DCC SEND name address port size)."""
    words = text.removeprefix("\\x01").removesuffix("\\x01").split()
    if len(words) < 5 or words[0] != "DCC" or words[1].upper() != "SEND":
        return {}
    made = {"command": "DCC", "dcc_file_name": words[2][:MOST_TEXT]}
    if len(words) > 5 and words[5].isascii() and words[5].isdigit():
        made["dcc_file_size"] = words[5][:20]
    return made
