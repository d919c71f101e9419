"""What the records of a data set are made of: NetFlow's templates and the fixed one of version 5."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from struct import Struct
from typing import Final

VARIABLE: Final = 0xFFFF
"""The length of a field that says its own (RFC 7011, 7)."""
MOST_FIELDS: Final = 256
_REVERSE: Final = 29305
"""The enterprise number of the other direction (RFC 5103)."""

_ELEMENTS: Final[dict[int, tuple[str, str]]] = {
    int(number): (name, kind)
    for line in files(__package__).joinpath("elements.txt").read_text("ascii").splitlines()
    if not line.startswith("#")
    for number, name, kind in [line.split()]
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: its column, how it is written (`elements.txt`), its length."""

    name: str
    kind: str
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class Template:
    """The fields of a record; of options those that say what the rest is about come first."""

    fields: tuple[Field, ...]
    options: bool = False

    @property
    def size(self) -> int:
        """The bytes of a record, or the least where it has fields of variable length."""
        return sum(1 if one.size == VARIABLE else one.size for one in self.fields)

    @property
    def fixed(self) -> bool:
        """Whether all records are of one length."""
        return all(one.size != VARIABLE for one in self.fields)


def field(number: int, size: int, enterprise: int = 0) -> Field:
    """A field by its number; one that nobody has registered is called by it."""
    name, kind = _ELEMENTS.get(number, (f"element{number}", "b"))
    if enterprise == _REVERSE:
        name = f"reverse.{name}"
    elif enterprise:
        name, kind = f"enterprise{enterprise}.{number}", "b"
    if kind == "n" and size > 8:
        kind = "b"
    return Field(name, kind, size, number if not enterprise else 0)


V5: Final = Template(
    tuple(
        field(number, size)
        for number, size in (
            (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2),
            (11, 2), (0, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (0, 2),
        )
    )
)  # fmt: skip


def read(body: bytes, *, ipfix: bool, options: bool) -> Iterator[tuple[int, Template | None]]:
    """The templates in a set, by their numbers; None takes one back."""
    at = 0
    pair = Struct(">HH").unpack_from
    while at + 4 <= len(body):
        number, count = pair(body, at)
        at += 4
        if number < 256:
            return  # padding
        if options:
            if at + 2 > len(body):
                return
            if ipfix and count == 0:
                yield number, None
                continue
            second = int.from_bytes(body[at : at + 2], "big")
            at += 2
            count = count if ipfix else (count + second) // 4
        elif count == 0:
            yield number, None
            continue
        fields: list[Field] = []
        for _ in range(min(count, MOST_FIELDS)):
            if at + 4 > len(body):
                return
            element, size = pair(body, at)
            at += 4
            enterprise = 0
            if ipfix and element & 0x8000:
                if at + 4 > len(body):
                    return
                enterprise = int.from_bytes(body[at : at + 4], "big")
                element &= 0x7FFF
                at += 4
            fields.append(field(element, size, enterprise))
        if count > MOST_FIELDS:
            return
        yield number, Template(tuple(fields), options)
