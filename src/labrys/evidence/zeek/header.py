"""The lines before Zeek's rows that say what the rows mean (Zeek manual, Log Formats)."""

import re
from dataclasses import dataclass, replace
from typing import Final

_ESCAPE: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
_MAX_FIELDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of the rows that follow; nothing before the first `#fields`."""

    separator: str = "\t"
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"
    path: str = ""
    fields: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether rows can be cut into fields: one separating character, and fields named."""
        return len(self.separator.encode()) == 1 and 0 < len(self.fields) <= _MAX_FIELDS

    @property
    def time_field(self) -> int | None:
        """Which field says when it happened: `ts`, or else the first of type time."""
        if "ts" in self.fields:
            return self.fields.index("ts")
        return self.types.index("time") if "time" in self.types else None

    def is_list(self, number: int) -> bool:
        """Whether a field holds several values."""
        return self.types[number : number + 1] != () and self.types[number].startswith(
            ("set[", "vector[")
        )

    def after(self, line: bytes) -> "Header":  # noqa: PLR0911 (a table)
        """What is known after one more `#` line; lines that say nothing of rows change nothing."""
        if line.startswith(b"#separator "):
            raw = line[len("#separator ") :].strip(b"\r\n")
            return replace(self, separator=_unescape(raw).decode("utf-8", "backslashreplace"))
        separator = self.separator or "\t"
        text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        name, found, value = text.partition(separator)
        match name if found else "":
            case "#set_separator":
                return replace(self, set_separator=value)
            case "#empty_field":
                return replace(self, empty=value)
            case "#unset_field":
                return replace(self, unset=value)
            case "#path":
                return replace(self, path=value)
            case "#fields":
                return replace(self, fields=tuple(value.split(separator)), types=())
            case "#types":
                return replace(self, types=tuple(value.split(separator)))
            case _:
                return self


def _unescape(raw: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw)
