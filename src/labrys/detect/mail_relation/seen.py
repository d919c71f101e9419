"""What a relation reads of one message, as `features` reads it, and what is kept of what was seen."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pyarrow as pa

from labrys.detect.mail_relation.features import LONGEST

DAY: Final = 86_400_000
_BLANK: Final = " \t\n\r\v\f"
_MULTI: Final = re.compile("\x1e.*", re.S)
ROWS: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("kind", "_id", "_source", "_shape")),
        *((name, pa.int64()) for name in ("_time", "_offset")),
        *((name, pa.string()) for name in ("thing", "sender", "domain", "name", "reply")),
        *((name, pa.string()) for name in ("subject", "said", "recipient")),
        *((name, pa.int64()) for name in ("earlier", "domain_earlier", "written")),
        *((name, pa.int64()) for name in ("name_earlier", "pair_earlier", "reply_earlier")),
    ]
)
"""The rows of `features`."""


class Mail(msgspec.Struct, frozen=True, array_like=True):
    """What a relation needs of a message, as `features` reads it."""

    sender: str
    domain: str
    name: str
    reply: str
    recipient: str
    subject: str = ""
    said: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Mail":
        """From a row of `mail.message`; `sender` is empty where it names none."""

        def text(name: str) -> str:
            value = row.get(name)
            # A list of one is its element; more than one are parted by a mark.
            return value if isinstance(value, str) else next(iter(value), "") if value else ""

        wrote, answers = text("from_address").lower(), text("reply_to_address").lower()
        recipient = _MULTI.sub("", text("to").lower())
        listed = wrote == recipient and answers != ""
        return cls(
            answers if listed else wrote,
            answers.rpartition("@")[2] if listed else text("from_domain").lower(),
            text("from_name").strip(_BLANK).lower(),
            "" if listed else answers,
            recipient,
            text("subject"),
            text("text_visible")[:LONGEST],
        )


class Seen(msgspec.Struct, array_like=True):
    """On how many days something was seen, first when (epoch ms), and the last such day."""

    count: int
    first: int
    day: int
