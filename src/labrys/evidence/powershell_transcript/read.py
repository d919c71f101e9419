"""Reads PowerShell's transcripts: what was typed, and what came back, in any language of Windows.

Source: PowerShell, `Start-Transcript`. The header's names are translated, its order is not. Times are
the machine's own, taken as UTC; a line has the last one that stands before it.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.shell_history.programs import programs
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.timestamps import parse

_STARS: Final = re.compile(r"\*{20,40}")
_STAMPED: Final = re.compile(r"[^:]{1,60}: ?(\d{14})\s*")
_NAMED: Final = re.compile(r"([^:]{1,60}): ?(.*)", re.DOTALL)
_PROMPT: Final = re.compile(r"PS (?P<cwd>[^>]{1,300})> ?(?P<command>.*)", re.DOTALL)
_MACHINE: Final = re.compile(r"(\S+) \((?:Microsoft Windows|Unix)[^)]*\)")
_LONGEST: Final = 64 << 10
_MOST_HEADER: Final = 40


@dataclass(slots=True)
class _Session:
    """What the header says, and where in the transcript we are."""

    user: str | None = None
    host: str | None = None
    process: str | None = None
    application: str | None = None
    time: int | None = None
    header: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Command:
    offset: int
    text: str
    cwd: str | None
    time: int | None


def sniff(head: bytes, name: str) -> float:
    """Sure where a line of stars, a sentence and a time come first."""
    first = [decode(raw) for _, raw, _ in islice(lines(io.BytesIO(head)), 3)]
    told = len(first) == 3 and _STARS.fullmatch(first[0]) and _STAMPED.fullmatch(first[2])
    return 0.96 if told else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each command, `windows.powershell_history`, one for each line that came back.

    How the shell itself was started is a command, too: scripts are run that way.
    """
    reader = _Reader(Records(source))
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            reader.line(offset, decode(raw))
            if cut:
                reader.records.unparsed(offset, "a line too long: the rest of it is left out")
            if reader.records.full:
                yield from reader.records.drain()
    reader.end()
    yield from reader.records.drain()


class _Reader:
    def __init__(self, records: Records) -> None:
        self.records = records
        self._session = _Session()
        self._block: list[tuple[int, str]] | None = None
        self._command: _Command | None = None

    def line(self, offset: int, text: str) -> None:
        """Take in one line."""
        if _STARS.fullmatch(text):
            self.flush()
            if self._block is None:
                self._block = []
            else:
                self._close(self._block)
                self._block = None
            return
        if self._block is not None:
            self._block.append((offset, text))
            if len(self._block) > _MOST_HEADER:  # stars that something printed
                block, self._block = self._block, None
                self._lines(block)
            return
        self._body(offset, text)

    def _close(self, block: list[tuple[int, str]]) -> None:
        """A block between stars: the header, the time of a command, or the end."""
        stamps = [found for _, text in block if (found := _STAMPED.fullmatch(text))]
        if stamps:
            self._session.time = parse(stamps[0][1])
            if len(block) > 2 and not self._session.header:
                self._head(block)
        if len(block) > 1 or not stamps:
            self._lines(block)

    def _lines(self, block: list[tuple[int, str]]) -> None:
        for at, text in block:
            self._body(at, text)

    def _head(self, block: list[tuple[int, str]]) -> None:
        session = self._session
        session.header = [text for _, text in block]
        named = [found.groups() for text in session.header[1:] if (found := _NAMED.fullmatch(text))]
        values = [value.strip() for _, value in named]
        session.user = values[1] or None if len(values) > 1 else None
        machines = [found[1] for value in values if (found := _MACHINE.match(value))]
        session.host = machines[0] if machines else None
        at = next((place for place, value in enumerate(values) if _MACHINE.match(value)), -1)
        if at >= 0 and at + 2 < len(values):
            session.application, session.process = values[at + 1] or None, values[at + 2] or None
        if session.application and " " in session.application.strip('"'):
            self._add(_Command(block[0][0], session.application, None, session.time))

    def _body(self, offset: int, text: str) -> None:
        if found := _PROMPT.fullmatch(text):
            self.flush()
            if found["command"].strip():
                self._command = _Command(
                    *(offset, found["command"], found["cwd"], self._session.time)
                )
        elif self._command is not None and text.startswith(">> "):
            if len(self._command.text) < _LONGEST:
                self._command.text += "\n" + text[3:]
        elif text.strip():
            self.flush()
            fields = {"line": text, "user": self._session.user}
            self.records.add(
                "text.line",
                fields,
                time=self._session.time,
                offset=offset,
                host=self._session.host,
                size=len(text) + 100,
            )

    def end(self) -> None:
        """Hand out what is still open, a block that never closed too."""
        self._lines(self._block or [])
        self.flush()

    def flush(self) -> None:
        """Hand out the command that is still open."""
        if self._command is not None:
            self._add(self._command)
            self._command = None

    def _add(self, command: _Command) -> None:
        text = command.text[:_LONGEST]
        fields = {
            "CommandLine": text,
            "programs": programs(text, windows=True) or None,
            "shell": "powershell",
            "user": self._session.user,
            "cwd": command.cwd,
            "process_id": self._session.process,
            "host_application": self._session.application,
        }
        self.records.add(
            "windows.powershell_history",
            {name: value for name, value in fields.items() if value},
            time=command.time,
            offset=command.offset,
            host=self._session.host,
            size=len(text) * 2 + 300,
        )
