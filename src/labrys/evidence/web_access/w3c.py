"""Reads W3C extended logs (IIS, proxies, CloudFront), whose `#Fields:` line names the fields.

Specification: https://www.w3.org/TR/WD-logfile.html
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from labrys.evidence import timestamps
from labrys.evidence.web_access.common import Fields, set_target

_FIELDS: Final = re.compile(r"#Fields:[ \t]*(.*)", re.IGNORECASE)
_DATE: Final = re.compile(r"#Date:[ \t]*(\d{4}-\d\d-\d\d)", re.IGNORECASE)
_HEADER: Final = re.compile(r"(cs|sc|c|s|x|rs|sr)\(([\w-]{1,60})\)", re.ASCII)
_VALUE: Final = re.compile(r'"((?:[^"\\]++|\\.|"")*+)"|(\S+)', re.DOTALL)
_MOST: Final = 300
_WEB: Final = frozenset(["cs-method", "sc-status", "cs-uri-stem", "cs-uri", "c-uri"])


@dataclass(slots=True)
class Layout:
    """What the directives said last: the names of the fields, and how to read them."""

    names: list[str] = field(default_factory=list)
    day: str = ""
    plus_is_space: bool = False

    def directive(self, line: str) -> None:
        """Take in a line that begins with `#`."""
        if found := _FIELDS.match(line):
            self.names = [_name(name) for name in found[1].split()[:_MOST]]
        elif found := _DATE.match(line):
            self.day = found[1]
        elif line[:10].lower() == "#software:":
            self.plus_is_space = "Internet Information" in line

    @property
    def is_web(self) -> bool:
        """Whether what the lines tell is of web requests."""
        return len(_WEB.intersection(self.names)) >= 2

    def parse(self, line: str) -> tuple[Fields, int | None] | None:
        """The fields and the time of a line; None when it has not as many values as names."""
        values = self._values(line)
        if not self.names or len(values) != len(self.names):
            return None
        fields: Fields = {
            name: None if value == "-" else value
            for name, value in zip(self.names, values, strict=True)
        }
        agent = fields.get("cs-user-agent")
        if isinstance(agent, str):
            if self.plus_is_space:
                fields["cs-user-agent"] = agent.replace("+", " ")
            elif "x-edge-location" in fields:  # CloudFront writes it encoded
                fields["cs-user-agent"] = unquote(agent)
        _complete(fields)
        day, clock = fields.get("date") or self.day, fields.get("time")
        if isinstance(day, str) and isinstance(clock, str) and day:
            return fields, _moment(day, clock)
        stamp = fields.get("timestamp") or fields.get("x-timestamp")
        return fields, timestamps.parse(stamp)

    def _values(self, line: str) -> list[str]:
        if "\t" in line:
            return line.split("\t")
        if '"' not in line:
            return line.split()
        return [
            found[2] if found[1] is None else found[1].replace('""', '"')
            for found in _VALUE.finditer(line)
        ]


def _complete(fields: Fields) -> None:
    """Add `cs-uri`, the path with its query, where only the parts are logged, or the other way."""
    whole, stem = fields.get("cs-uri") or fields.get("c-uri"), fields.get("cs-uri-stem")
    if isinstance(whole, str):
        if stem is None:
            parts: Fields = {}
            set_target(parts, whole)
            for name, value in parts.items():
                if fields.get(name) is None:
                    fields[name] = value
    elif isinstance(stem, str):
        query = fields.get("cs-uri-query")
        fields["cs-uri"] = f"{stem}?{query}" if isinstance(query, str) else stem


@lru_cache(maxsize=256)
def _name(written: str) -> str:
    """A field's name; that of a request's or response's header as `cs-user-agent`."""
    if found := _HEADER.fullmatch(written):
        return f"{found[1]}-{found[2].lower()}"
    return written


@lru_cache(maxsize=8192)
def _moment(day: str, clock: str) -> int | None:
    return timestamps.parse(f"{day}T{clock.strip(chr(34))}")
