"""Reads the logins that Linux keeps: wtmp (all), btmp (refused), utmp (now), lastlog (the last).

Source: utmp(5), and `struct utmp` and `struct lastlog` of glibc.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import BinaryIO, Final

from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode
from labrys.evidence.timestamps import parse
from labrys.evidence.unix_message.address import Parsed, set_source
from labrys.evidence.utmp.layout import LAST_SIZES, TYPES, Layout, Login, lastlog, login, logins

_HEAD: Final = 64 << 10
_AT_ONCE: Final = 512
_LINES: Final = 4096
"""Of so many terminals it is remembered who is at them."""
_NOBODY: Final = ("", "LOGIN")


def sniff(head: bytes, name: str) -> float:
    """Whether the records that the file begins with make sense as those of utmp or lastlog."""
    if logins(head) is not None:
        return 0.97
    if lastlog(head) is not None:
        return 0.9
    # Where the first accounts never logged in, it begins with zeros.
    return 0.8 if head and not any(head) and _named(name, "lastlog") else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each record that is not empty; `_offset` in bytes.

    `event` is `accepted`, `failed`, `session_closed`, `boot`, `shutdown` or what utmp calls it.
    Who left a terminal is who came to it last.
    """
    records = Records(source)
    with source.open() as stream:
        head = stream.read(_HEAD)
        stream.seek(0)
        if (layout := logins(head)) is not None:
            yield from _logins(records, layout, stream, refused=_named(source.name, "btmp"))
        elif (layout := lastlog(head) or _later(stream, source.size)) is not None:
            yield from _lastlog(records, layout, stream)
        else:
            records.unparsed(0, "neither records of utmp nor of lastlog", head[:384])
    yield from records.drain()


def _later(stream: BinaryIO, size: int) -> Layout | None:
    """How a lastlog lies that begins with accounts that never logged in."""
    found = None
    for length in (each for each in LAST_SIZES if size % each == 0):
        while found is None and (block := stream.read(length * _AT_ONCE)):
            found = lastlog(block) if any(block) else None
        stream.seek(0)
    return found


def _named(name: str, word: str) -> bool:
    """Whether a source is called so, or so and a date or number."""
    last = re.split(r"[/\\]", name)[-1].lower()
    return last == word or last.startswith((f"{word}.", f"{word}-", f"{word}_"))


def _logins(
    records: Records, layout: Layout, stream: BinaryIO, *, refused: bool
) -> Iterator[Shaped]:
    there: dict[bytes, Parsed] = {}
    for offset, raw in _each(layout, stream):
        if not any(raw):
            continue
        if len(raw) < layout.size:
            records.unparsed(offset, "the file ends inside a record", raw)
        else:
            made = login(layout, raw)
            if not 0 <= made.kind < len(TYPES):
                records.unparsed(offset, "not a record of utmp", raw)
            else:
                time = parse(made.seconds + made.microseconds / 1e6) if made.seconds else None
                fields = _row(made, there, refused=refused)
                records.add("linux.utmp", fields, time=time, offset=offset, size=layout.size)
        if records.full:
            yield from records.drain()


def _row(made: Login, there: dict[bytes, Parsed], *, refused: bool) -> dict[str, object]:
    line, user, host = (_text(field) for field in (made.line, made.user, made.host))
    event = _event(made, user, line, refused=refused)
    who: Parsed = {}
    if event in ("accepted", "failed", "session_closed"):
        who = {"user": user or None, "tty": line or None}
        set_source(who, _address(made.address))
        if not who.get("src_ip") and not host.startswith(":"):  # that is a screen of its own
            set_source(who, host)
    if event == "accepted":
        if len(there) >= _LINES:
            there.clear()
        there[made.line] = who
    elif event == "session_closed":
        who = there.pop(made.line, who)
    elif event in ("boot", "shutdown"):
        there.clear()
    return {
        "event": event,
        **who,
        "ut_type": TYPES[made.kind],
        "ut_pid": made.pid,
        "ut_line": line,
        "ut_id": _text(made.id),
        "ut_user": user,
        "ut_host": host,
        "ut_addr": _address(made.address),
        "ut_session": made.session,
        "e_termination": made.termination,
        "e_exit": made.exit,
    }


def _event(made: Login, user: str, line: str, *, refused: bool) -> str:
    kind = TYPES[made.kind]
    if kind in ("user_process", "login_process") and (
        refused or line == "ssh:notty" or (kind == "login_process" and user not in _NOBODY)
    ):
        return "failed"
    if kind == "run_level" and user == "shutdown":
        return "shutdown"
    return {"user_process": "accepted", "dead_process": "session_closed"}.get(kind, kind)


def _lastlog(records: Records, layout: Layout, stream: BinaryIO) -> Iterator[Shaped]:
    for offset, raw in _each(layout, stream):
        if len(raw) < layout.size:
            if any(raw):
                records.unparsed(offset, "the file ends inside a record", raw)
            continue
        seconds, line, host = layout.form.unpack(raw)
        if seconds:
            fields: Parsed = {
                "event": "accepted",
                "uid": str(offset // layout.size),
                "tty": _text(line) or None,
                "ll_line": _text(line),
                "ll_host": _text(host),
            }
            set_source(fields, _text(host))
            records.add(
                "linux.lastlog", fields, time=parse(seconds), offset=offset, size=layout.size
            )
        if records.full:
            yield from records.drain()


def _each(layout: Layout, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Every record with its offset; the last may be too short."""
    at = 0
    while block := stream.read(layout.size * _AT_ONCE):
        for place in range(0, len(block), layout.size):
            yield at + place, block[place : place + layout.size]
        at += len(block)


def _text(field: bytes) -> str:
    return decode(field.partition(b"\0")[0])


def _address(raw: bytes) -> str | None:
    """The address in network order: IPv4 where only the first four bytes are used."""
    if not any(raw):
        return None
    return str(ip_address(raw if any(raw[4:]) else raw[:4]))
