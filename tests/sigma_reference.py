"""A plain, slow evaluator of compiled Sigma rules: one row at a time, nothing shared or clever.

It is the yardstick for the fast matcher. Of that it uses nothing; it shares with it the compiled
form (`ir`), `derive`, which makes the columns that a shape's field map asks for, and the
comparisons of `labrys.detect.imitation`.

What each operator means (`value` is one value of the cell; the atom holds if it does for any):

eq        the whole value, letter by letter
starts    the value begins with the atom's text
ends      the value ends with it
contains  it is somewhere in the value; an empty text is in every value
glob      the whole value; `*` is any run, line ends too, `?` one code point, `\\` takes the sign
          after it literally if that is `*`, `?` or `\\`, and is itself otherwise
re        found anywhere in the value; `$` also before a final line end; flags i, m, s. RE2 decides
          where it accepts the expression, otherwise Python's `re` with ASCII classes, on the first
          16 Ki characters
cidr      an address (zone left out, IPv4 in IPv6 unwrapped) of the network's version inside it
lt … gte  the value as a decimal number (no underscores) compares so; what is no number never does
null      the cell is null or the column absent; exists: it is not ("true") or is ("false")
fieldref  some value of this cell equals, begins with, ends with or contains some value of the other
minute …  that part of the value as an ISO 8601 date and time, in UTC, zoneless taken as UTC; `week`
          is the ISO week
lookalike, disguised, person
          as `labrys.detect.imitation` has it, which is tested by itself

Text is compared in lower case, code point by code point as Unicode's simple mapping has it
(Arrow's `utf8_lower`), unless the atom is `cased`. A keyword (`field` None) holds if it does for
any column but our own leading ones.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import re2

from labrys.detect.imitation.domains import lookalike
from labrys.detect.imitation.letters import disguised, folded
from labrys.detect.imitation.names import is_person
from labrys.detect.sigma.fields import derive
from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, Node, Not, RuleSet
from labrys.detect.sigma.logsource import FieldMap
from labrys.evidence.records import LEADING
from labrys.evidence.values import MULTI

Cell = str | None
Row = Mapping[str, Cell]
PLAIN = FieldMap()


def matches(rules: RuleSet, number: int, table: pa.Table, fields: FieldMap = PLAIN) -> list[int]:
    """The rows of a table, ascending, that a rule of the set finds."""
    return [
        index
        for index, event in enumerate(events(rules, table, fields))
        if holds(rules.rules[number].when, rules, event)
    ]


class Event:
    """One row: its cells by the names rules use, and all of its source columns' cells."""

    def __init__(self, named: Row, columns: Row) -> None:
        self.named = named
        self.columns = columns


def events(rules: RuleSet, table: pa.Table, fields: FieldMap = PLAIN) -> Iterator[Event]:
    """Every row of a table; those outside the field map's guard come as rows nothing matches."""
    names = {atom.field for atom in rules.atoms if atom.field is not None}
    names |= {atom.value for atom in rules.atoms if atom.op == "fieldref"}
    named = {name: _cells(derive(fields.column(name), table), table) for name in sorted(names)}
    columns = {name: _cells(table.column(name), table) for name in table.column_names}
    ours = {*LEADING.names, "_shape"}
    for index in range(table.num_rows):
        row = {name: cells[index] for name, cells in columns.items()}
        guarded = all(
            any(atom_holds(atom, Event(row, {})) for atom in group) for group in fields.where
        )
        yield (
            Event(
                {name: cells[index] for name, cells in named.items()},
                {name: cell for name, cell in row.items() if name not in ours},
            )
            if guarded
            else _OUTSIDE
        )


_OUTSIDE = Event({}, {})


def _cells(column: Any, table: pa.Table) -> list[Cell]:
    if column is None:
        return [None] * table.num_rows
    return [None if cell is None else str(cell) for cell in column.to_pylist()]


def holds(node: Node, rules: RuleSet, event: Event) -> bool:
    """Whether a condition is true of an event."""
    if event is _OUTSIDE:
        return False
    if isinstance(node, All):
        return all(holds(part, rules, event) for part in node.parts)
    if isinstance(node, Any_):
        return any(holds(part, rules, event) for part in node.parts)
    if isinstance(node, Not):
        return not holds(node.part, rules, event)
    assert isinstance(node, Leaf)
    return atom_holds(rules.atoms[node.atom], event)


def atom_holds(atom: Atom, event: Event) -> bool:
    """Whether one atom is true of an event."""
    if atom.field is None:
        return any(cell_holds(atom, cell, event) for cell in event.columns.values())
    return cell_holds(atom, event.named.get(atom.field), event)


def cell_holds(atom: Atom, cell: Cell, event: Event) -> bool:
    if atom.op == "null":
        return cell is None
    if atom.op == "exists":
        return (cell is not None) is (atom.value == "true")
    if cell is None:
        return False
    if atom.op == "fieldref":
        other = event.named.get(atom.value)
        if other is None:
            return False
        op: Any = atom.flags or "eq"
        return any(
            value_holds(Atom(None, op, wanted, atom.cased), value)
            for value in cell.split(MULTI)
            for wanted in other.split(MULTI)
        )
    return any(value_holds(atom, value) for value in cell.split(MULTI))


def value_holds(atom: Atom, value: str) -> bool:
    """Whether one atom is true of one value."""
    if atom.op in ("eq", "starts", "ends", "contains", "glob"):
        wanted = atom.value
        if not atom.cased:
            wanted, value = lower(wanted), lower(value)
        return text_holds(atom.op, wanted, value)
    if atom.op == "re":
        return expression_holds(atom, value)
    if atom.op == "cidr":
        return address_holds(atom.value, value)
    if atom.op == "lookalike":
        return lookalike(value, atom.value)
    if atom.op == "disguised":
        return disguised(value, folded(atom.value))
    if atom.op == "person":
        return is_person(value, atom.value)
    if atom.op in ("lt", "lte", "gt", "gte"):
        return number_holds(atom.op, atom.value, value)
    return moment_holds(atom.op, atom.value, value)


def lower(text: str) -> str:
    return "".join(str(pc.utf8_lower(pa.scalar(char)).as_py()) for char in text)


def text_holds(op: str, wanted: str, value: str) -> bool:
    if op == "eq":
        return value == wanted
    if op == "starts":
        return value[: len(wanted)] == wanted
    if op == "ends":
        return len(value) >= len(wanted) and value[len(value) - len(wanted) :] == wanted
    if op == "contains":
        return value.find(wanted) >= 0
    return glob_holds(pattern(wanted), value)


def pattern(glob: str) -> list[tuple[str, str]]:
    """A glob as ("any", "") for `*`, ("one", "") for `?` and ("char", c) for everything else."""
    signs = {"*": ("any", ""), "?": ("one", "")}
    made: list[tuple[str, str]] = []
    characters = list(glob)
    while characters:
        char = characters.pop(0)
        if char == "\\" and characters and characters[0] in "*?\\":
            made.append(("char", characters.pop(0)))
        else:
            made.append(signs.get(char, ("char", char)))
    return made


def glob_holds(parts: list[tuple[str, str]], value: str) -> bool:
    """By dynamic programming: which beginnings of the value the parts so far can have eaten."""
    reached = {0}
    for kind, char in parts:
        if kind == "any":
            reached = set(range(min(reached), len(value) + 1)) if reached else reached
        else:
            reached = {
                at + 1 for at in reached if at < len(value) and (kind == "one" or value[at] == char)
            }
    return len(value) in reached


def expression_holds(atom: Atom, value: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    flags = "".join(sorted(set(atom.flags)))
    try:
        fast = re2.compile(f"(?{flags}:{atom.value})" if flags else atom.value, options)
    except re2.error:
        slow = re.compile(atom.value, re.ASCII | sum(getattr(re, f.upper()) for f in flags))
        return slow.search(value[: 16 << 10]) is not None
    if fast.search(value) is not None:
        return True
    return value.endswith("\n") and fast.search(value[:-1]) is not None


def address_holds(network: str, value: str) -> bool:
    inside = ip_network(network, strict=False)
    try:
        address = ip_address(value.strip().split("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped and inside.version == 4:
        address = address.ipv4_mapped
    return address.version == inside.version and address in inside


def number_holds(op: str, wanted: str, value: str) -> bool:
    if "_" in value:
        return False
    try:
        left, right = float(value), float(wanted)
    except ValueError:
        return False
    return {"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}[op]


def moment_holds(part: str, wanted: str, value: str) -> bool:
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    number = moment.isocalendar().week if part == "week" else getattr(moment, part)
    return bool(number == int(float(wanted)))
