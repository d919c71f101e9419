"""Finds out how a file of logins lies: byte order, and whether its times are of 32 or 64 bits."""

import struct
from dataclasses import dataclass
from typing import Final

TYPES: Final = (
    *("empty", "run_level", "boot", "new_time", "old_time", "init_process", "login_process"),
    *("user_process", "dead_process", "accounting"),
)
"""What `ut_type` says, by number."""
_YEARS: Final = (946_684_800, 2_366_841_600)  # 2000 to 2044, in seconds since 1970


@dataclass(frozen=True, slots=True)
class Layout:
    """How long a record is, and what is where in it."""

    form: struct.Struct

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return self.form.size


@dataclass(frozen=True, slots=True)
class Login:
    """A record of utmp as it lies there."""

    kind: int
    pid: int
    line: bytes
    id: bytes
    user: bytes
    host: bytes
    termination: int
    exit: int
    session: int
    seconds: int
    microseconds: int
    address: bytes


_LOGINS: Final = tuple(
    Layout(struct.Struct(order + form))
    for form in ("h2xi32s4s32s256shhiIi16s20x", "h2xi32s4s32s256shhqqq16s20x4x")
    for order in "<>"
)
_LAST: Final = tuple(
    Layout(struct.Struct(order + form)) for form in ("I32s256s", "q32s256s") for order in "<>"
)
LAST_SIZES: Final = tuple(dict.fromkeys(made.size for made in _LAST))
"""How long a record of lastlog may be."""


def logins(head: bytes) -> Layout | None:
    """How the records that `head` begins with lie; None when they are no utmp."""
    return next((made for made in _LOGINS if _fits(made, head)), None)


def lastlog(head: bytes) -> Layout | None:
    """The same for lastlog, where records of accounts that never logged in are zeros."""
    for made in _LAST:
        records = _records(made, head)
        used = [raw for raw in records if any(raw)]
        if used and all(_is_last(made, raw) for raw in used):
            return made
    return None


def login(layout: Layout, raw: bytes) -> Login:
    """One record."""
    return Login(*layout.form.unpack(raw))


def _records(layout: Layout, head: bytes) -> list[bytes]:
    whole = len(head) // layout.size
    return [head[at * layout.size : (at + 1) * layout.size] for at in range(whole)]


def _fits(layout: Layout, head: bytes) -> bool:
    made = [login(layout, raw) for raw in _records(layout, head) if any(raw)]
    good = sum(_is_login(each) for each in made if each.kind)
    # Records of type 0 say nothing, but zeros of another layout look like them.
    return (
        good > 0
        and good * 5 >= 4 * sum(bool(each.kind) for each in made)
        and (good * 2 >= len(made))
    )


def _is_login(made: Login) -> bool:
    return (
        0 < made.kind < len(TYPES)
        and made.pid >= 0
        and 0 <= made.microseconds < 1_000_000
        and _YEARS[0] <= made.seconds < _YEARS[1]
        and all(map(_is_text, (made.line, made.user, made.host)))
    )


def _is_last(layout: Layout, raw: bytes) -> bool:
    seconds, line, host = layout.form.unpack(raw)
    return (
        _YEARS[0] <= seconds < _YEARS[1]
        and line[:1].isalnum()
        and line[-1] == host[-1] == 0
        and all(_is_text(field) and not any(field.partition(b"\0")[2]) for field in (line, host))
    )


def _is_text(field: bytes) -> bool:
    return not any(byte < 0x20 or byte == 0x7F for byte in field.partition(b"\0")[0])
