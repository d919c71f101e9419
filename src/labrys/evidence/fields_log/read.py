"""Reads logs that begin with `#Software:` and `#Fields:` lines and are not of web requests.

Spaces, tabs or commas part the values (https://www.w3.org/TR/WD-logfile.html, and as Exchange does).
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence import timestamps
from labrys.evidence.fields_log import exchange
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.web_access.w3c import Layout

_FIELDS: Final = re.compile(r"#Fields:\s*(.+)", re.IGNORECASE)
_ABOUT: Final = re.compile(r"#(Software|Log-type):\s*(.+)", re.IGNORECASE)
_FIREWALL: Final = frozenset(["action", "protocol", "src-ip", "dst-ip"])
_MOST: Final = 300
_LOOKED: Final = 40


def sniff(head: bytes, name: str) -> float:
    """Sure when its first lines name fields, and none of a web server's."""
    if b"#Fields:" not in head and b"#fields:" not in head:
        return 0.0
    layout = Layout()
    directives = 0
    for number, (_, raw, _) in enumerate(lines(io.BytesIO(head))):
        line = decode(raw)
        if number >= _LOOKED:
            break
        if line.startswith("#"):
            layout.directive(line)
            directives += 1
    return 0.9 if len(layout.names) and not layout.is_web and directives > 1 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each line as a row under the names of the last `#Fields:` line; `_offset` in bytes."""
    records = Records(source)
    table = _Table()
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            line = decode(raw).strip("\0\r")
            if not line.strip() or table.takes(line):
                continue
            fields = None if cut else table.row(line)
            if fields is None:
                records.unparsed(offset, "not as many values as fields", raw)
            else:
                shape, host = table.shape(fields)
                time = _time(fields)
                records.add(shape, fields, time=time, offset=offset, host=host, size=len(raw) * 2)
            if records.full:
                yield from records.drain()
    yield from records.drain()


class _Table:
    """What the lines that begin with `#` said last."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._commas = False
        self._about: dict[str, str] = {}

    def takes(self, line: str) -> bool:
        """Take in a line that is no record."""
        if line.startswith("#"):
            if found := _FIELDS.match(line):
                self._commas = "," in found[1]
                parts = found[1].split(",") if self._commas else found[1].split()
                self._names = [part.strip() for part in parts[:_MOST]]
            elif said := _ABOUT.match(line):
                self._about[said[1].lower()] = said[2].strip()
            return True
        # Exchange writes the names of the columns once more, before all else.
        return (
            not self._names and line.count(",") > 3 and line.split(",", 1)[0].lower() == "datetime"
        )

    def row(self, line: str) -> dict[str, Any] | None:
        """The values of a line by name; None when there are not as many."""
        if self._commas:
            try:
                values = next(csv.reader([line]))
            except (csv.Error, StopIteration):
                return None
        else:
            values = line.split("\t") if "\t" in line else line.split()
        if not self._names or not len(self._names) - 3 <= len(values) <= len(self._names):
            return None
        return {
            name: value
            for name, value in zip(self._names, values, strict=False)
            if value not in ("", "-")
        }

    def shape(self, fields: dict[str, Any]) -> tuple[str, str | None]:
        """What kind of record it is, and of which host."""
        if set(self._names) >= _FIREWALL:
            done = "blocked" if fields.get("action") == "DROP" else "allowed"
            fields["event_outcome"] = done
            if done == "blocked":
                fields["flow_state"] = "REJ"
            return "windows.firewall_log", None
        if "exchange" in self._about.get("software", "").lower():
            kind = self._about.get("log-type", "other")
            return exchange.complete(fields, kind)
        return "w3c.record", None


def _time(fields: dict[str, Any]) -> int | None:
    day, clock = fields.get("date"), fields.get("time")
    if day and clock:
        return timestamps.parse(f"{day} {clock}")
    return timestamps.of_record(fields)
