"""Reads what people typed into a shell, from the history it keeps; times where it keeps them.

Sources: bash(1), zshoptions(1), tcsh(1), fish's history file, about_PSReadLine.
"""

import io
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.shell_history.programs import programs
from labrys.evidence.text import read as text
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.timestamps import parse

_LOOKED: Final = 400
_LONGEST: Final = 64 << 10
_STAMP: Final = re.compile(rb"#\+?(\d{9,10})")
_ZSH: Final = re.compile(rb": (\d{9,10}):\d{1,10};(.*)", re.DOTALL)
_FISH: Final = re.compile(rb"- cmd: (.*)", re.DOTALL)
_FISH_WHEN: Final = re.compile(rb"  when: (\d{9,10})")
_META: Final = re.compile(rb"\x83(.)", re.DOTALL)
_NAMED: Final = re.compile(
    r"(?i)(?:.*[._-])?(?:(?P<shell>bash|zsh|fish|tcsh|csh|ksh|mksh|ash|sh)[_-]?history"
    r"|(?P<ps>(?:console|visual studio code |.{0,40} )host_history))(?:[._-](?:txt|old|bak|log|\d+))*",
    re.DOTALL,
)
_USER: Final = re.compile(r"(?i)(?:^|/)(?:home|users|documents and settings)/([^/]{1,64})/")


class Typed(NamedTuple):
    """A command: where its entry begins, its bytes, and its time in epoch seconds if it has one."""

    offset: int
    raw: bytes
    time: bytes | None = None


Found = Iterator[Typed]


def sniff(head: bytes, name: str) -> float:
    """Sure where times stand between the commands; else the file's name must say it."""
    if _form(head) is not None:
        return 0.9
    return 0.6 if _NAMED.fullmatch(_last(name)) and text.sniff(head, name) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each command, `CommandLine`, with the programs its words name; `_offset` in bytes."""
    records = Records(source)
    named = _NAMED.fullmatch(_last(source.name))
    windows = bool(named and named["ps"])
    shape = "windows.powershell_history" if windows else "linux.shell_history"
    with source.open() as stream:
        head = stream.read(64 << 10)
        stream.seek(0)
        form = _form(head)
        shell = "powershell" if windows else (named and named["shell"]) or (form and form[0])
        common = {"shell": shell.lower() if shell else None, "user": _user(source.name)}
        entries = form[1] if form is not None else _powershell if windows else _plain
        for typed in entries(stream):
            command = decode(typed.raw[:_LONGEST])
            fields = {
                "CommandLine": command,
                "programs": programs(command, windows=windows) or None,
                **{key: value for key, value in common.items() if value},
            }
            time = parse(int(typed.time)) if typed.time else None
            size = len(command) * 2 + 200
            records.add(shape, fields, time=time, offset=typed.offset, size=size)
            if len(typed.raw) > _LONGEST:
                records.unparsed(typed.offset, "a command too long: the rest of it is left out")
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _last(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]


def _user(name: str) -> str | None:
    """Whose history it is, where the folder says so."""
    path = name.replace("\\", "/")
    found = _USER.search(path)
    return found[1] if found else "root" if "/root/" in f"/{path}" else None


def _form(head: bytes) -> tuple[str, Callable[[BinaryIO], Found]] | None:
    """Which shell's times stand in it, and how it is read."""
    seen = [raw for _, raw, _ in islice(lines(io.BytesIO(head)), _LOOKED) if raw]
    if len(seen) > 1 and not head.endswith(b"\n"):
        seen.pop()
    stamps = [raw for raw in seen if _STAMP.fullmatch(raw)]
    if len(stamps) > 1 and len(stamps) * 8 >= len(seen):
        return ("tcsh" if stamps[0].startswith(b"#+") else "bash"), _stamped
    if seen and sum(_ZSH.fullmatch(raw) is not None for raw in seen) * 2 >= len(seen):
        return "zsh", _zsh
    if seen and _FISH.fullmatch(seen[0]) and any(_FISH_WHEN.fullmatch(raw) for raw in seen[:3]):
        return "fish", _fish
    return None


def _joined(stream: BinaryIO, mark: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines; one that ends in the mark goes on in the next, up to a bound."""
    parts: list[bytes] = []
    begun = size = 0
    for offset, raw, _ in lines(stream):
        begun = begun if parts else offset
        parts.append(raw)
        size += len(raw) + 1
        if raw.endswith(mark) and size <= _LONGEST:
            continue
        yield begun, b"\n".join(parts)
        parts, size = [], 0
    if parts:
        yield begun, b"\n".join(parts)


def _plain(stream: BinaryIO) -> Found:
    return (Typed(offset, raw) for offset, raw in _joined(stream, b"\\") if raw.strip())


def _powershell(stream: BinaryIO) -> Found:
    return (Typed(offset, raw) for offset, raw in _joined(stream, b"`") if raw.strip())


def _zsh(stream: BinaryIO) -> Found:
    for offset, raw in _joined(stream, b"\\"):
        # zsh writes bytes of its own as 0x83 and the byte with one bit changed.
        raw = _META.sub(lambda found: bytes([found[1][0] ^ 0x20]), raw)
        found = _ZSH.fullmatch(raw)
        command = found[2] if found else raw
        if command.strip():
            yield Typed(offset, command, found[1] if found else None)


def _stamped(stream: BinaryIO) -> Found:
    """bash and tcsh: all lines from one time to the next are one command."""
    parts: list[bytes] = []
    begun, time, size = 0, None, 0
    for offset, raw, _ in lines(stream):
        stamp = _STAMP.fullmatch(raw)
        # Before the first time each line is a command.
        if parts and (stamp or time is None or size > _LONGEST):
            yield Typed(begun, b"\n".join(parts), time)
            begun, parts, size = offset, [], 0
        if stamp:
            begun, time = offset, stamp[1]
        elif raw.strip():
            begun = begun if parts or time else offset
            parts.append(raw)
            size += len(raw) + 1
    if parts:
        yield Typed(begun, b"\n".join(parts), time)


def _fish(stream: BinaryIO) -> Found:
    last: Typed | None = None
    for offset, raw, _ in lines(stream):
        if command := _FISH.fullmatch(raw):
            if last:
                yield last
            said = re.sub(rb"\\(.)", lambda one: b"\n" if one[1] == b"n" else one[1], command[1])
            last = Typed(offset, said)
        elif last and (when := _FISH_WHEN.fullmatch(raw)):
            last = last._replace(time=when[1])
    if last:
        yield last
