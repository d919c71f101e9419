"""Takes one record of the Linux audit system apart (audit-documentation specs/, auparse).

A record is `type=SYSCALL msg=audit(1364481363.243:24287): key=value …`, in `ENRICHED` logs followed
by 0x1D and the same values interpreted, under upper-case names.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from labrys.evidence import timestamps
from labrys.evidence.auditd.names import syscall_name, type_name
from labrys.evidence.auditd.sockaddr import address

_HEAD: Final = re.compile(
    r"(?:node=(?P<node>\S{1,255}) )?(?:audit: )?type=(?P<type>[\w\[\]]{1,40}) (?:msg=)?"
    r"audit\((?P<stamp>[\d./: ]{1,40}):(?P<serial>\d{1,20})\) ?: ?"
)
_TOKEN: Final = re.compile(
    r"""([^\s='"]++)=("[^"]*"|'[^']*'|\{[^{}]*\}|[^\s"'{][^\s]*|)|(\S+)""", re.DOTALL
)
_AVC: Final = re.compile(r"avc:\s{1,4}(\w+)\s{1,4}\{ ([^{}]*) \} for\s{0,4}")
_EPOCH: Final = re.compile(r"(\d{1,12})\.(\d{3})")
_HEX: Final = re.compile(r"(?:[0-9A-F]{2})+")
_ARGUMENT: Final = re.compile(r"a(\d{1,6})(?:\[(\d{1,6})\])?")
_MUST_ENCODE: Final = re.compile(rb"[\x00-\x20\x22\x7f-\xff]")

ENCODED: Final = frozenset(
    name
    for line in (
        "acct apparmor cgroup cmd comm cwd data device dir exe file grp invalid_context key name",
        "ocomm path proctitle root_dir sw vm watch new-chardev new-disk new-fs new-net new-rng",
        "old-chardev old-disk old-fs old-net old-rng",
    )
    for name in line.split()
)
"""Fields the specification calls encoded: quoted text, or bare hexadecimal digits."""
LONGEST: Final = 32 << 10
"""No record is longer: the kernel's end at 8,970 bytes, enrichment may double that."""


_MOST_VALUES: Final = 100
_NOTHING: Final = ("?", "(null)")
"""What the audit system writes for a value that there is not."""

Fields = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its event's identity, and its fields with encoded values decoded.

    `arguments` are those of an EXECVE record, by their number.
    """

    node: str | None
    type: str
    time: int | None
    stamp: str
    serial: str
    fields: Fields
    arguments: dict[int, str]


def parse(line: str) -> Record | None:
    """The record a line holds; None when it holds none."""
    if len(line) > LONGEST:
        return None
    head = _HEAD.match(line)
    if head is None:
        return None
    kind = type_name(head["type"])
    fields, arguments = body(kind, line[head.end() :])
    stamp = head["stamp"]
    return Record(head["node"], kind, _time(stamp), stamp, head["serial"], fields, arguments)


@lru_cache(maxsize=1024)
def _time(stamp: str) -> int | None:
    """Epoch milliseconds of `1364481363.243`, or of the date that `ausearch -i` writes."""
    if found := _EPOCH.fullmatch(stamp):
        return int(found[1]) * 1000 + int(found[2])
    return timestamps.parse(stamp)


def body(kind: str, text: str) -> tuple[Fields, dict[int, str]]:
    """The fields of a record of type `kind`, and an execve's arguments, from what follows the head."""
    text, _, enriched = text.partition("\x1d")
    fields: Fields = {}
    if kind == "PROCTITLE" and text.startswith("proctitle="):
        fields["proctitle"] = _proctitle(text[10:].rstrip())
    elif kind == "EXECVE":
        return fields, _arguments(text, fields)
    else:
        _plain(text, fields)
    _enrich(enriched, fields)
    return fields, {}


def _plain(text: str, fields: Fields) -> None:
    if found := _AVC.match(text):
        fields["seresult"], fields["seperms"] = found[1], found[2]
        text = text[found.end() :]
    start = text.find("msg='")
    end = text.rfind("'")
    if start < 0 or end < start + 5:
        _tokens(text, fields)
        return
    _tokens(text[:start], fields)
    _tokens(text[start + 5 : end], fields)
    _tokens(text[end + 1 :], fields)


def _tokens(text: str, fields: Fields) -> None:
    """`key=value` pairs; bare words belong to the `op` before them, else to `text`.

    Only LOGIN records of old kernels have `old auid=…` and `new auid=…`: the old value is kept as
    `old-auid`, the name that newer kernels write.
    """
    words, operation, age = _listed(fields.get("text")), [""], ""
    bare_goes_to = words
    for name, value, bare in _TOKEN.findall(text):
        if bare:
            if bare in ("old", "new"):
                age = bare
            else:
                bare_goes_to.append(bare)
            continue
        bare_goes_to = words
        if age == "old":
            name = f"old-{name}"
        age = ""
        if name == "op":
            operation = bare_goes_to = [value]
        elif not _keep(fields, name, value):
            words.append(f"{name}={value}")
    if operation[0]:
        _keep(fields, "op", " ".join(operation))
    if words:
        fields["text"] = " ".join(words)


def _listed(text: str | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else []


def _keep(fields: Fields, name: str, value: str) -> bool:
    """Set a field, or add to its values; False when it has too many already."""
    made: str | list[str]
    if value[:1] in ('"', "'"):
        made = value[1:-1]
    elif name in ENCODED:
        made = decode(value, always=name == "data")
    else:
        made = value
        if name == "saddr":
            fields.update(address(value))
    if made in _NOTHING:
        return True
    if name == "key" and "\x01" in made:
        made = made.split("\x01")
    return add_value(fields, name, made)


def add_value(fields: Fields, name: str, value: str | list[str]) -> bool:
    """Set a field, or add what is new to its values; False when it has too many already."""
    if name not in fields:
        fields[name] = value
        return True
    have = fields[name]
    if have == value:
        return True
    before = have if isinstance(have, list) else [have]
    if len(before) >= _MOST_VALUES:
        return False
    after = value if isinstance(value, list) else [value]
    fields[name] = [*before, *(item for item in after if item not in before)]
    return True


def decode(value: str, *, always: bool = False) -> str:
    """An encoded field's bare value: hexadecimal digits as the text they stand for.

    The audit system writes digits only for text with a space, a quote, a control character or a
    byte beyond ASCII; so digits that stand for anything else are the value itself, unless `always`.
    """
    if not _HEX.fullmatch(value):
        return value
    raw = bytes.fromhex(value)
    if not always and not _MUST_ENCODE.search(raw):
        return value
    return raw.decode("utf-8", "backslashreplace")


def _proctitle(value: str) -> str:
    if value.startswith('"'):
        return value.strip('"')
    return decode(value).rstrip("\0").replace("\0", " ")


def _arguments(text: str, fields: Fields) -> dict[int, str]:
    """An EXECVE record's arguments, those cut into pieces (`a1[0]=…`) put together."""
    pieces: dict[int, str] = {}
    bare: set[int] = set()
    for name, value, _ in _TOKEN.findall(text):
        if (found := _ARGUMENT.fullmatch(name)) is None:
            if name and not name.endswith("_len"):
                fields[name] = value
            continue
        number = int(found[1])
        quoted = value.startswith('"')
        if not quoted:
            bare.add(number)
        pieces[number] = pieces.get(number, "") + (value[1:-1] if quoted else value)
    return {number: decode(it) if number in bare else it for number, it in pieces.items()}


def _enrich(text: str, fields: Fields) -> None:
    if text:
        for name, value, _ in _TOKEN.findall(text):
            if name and name not in fields:
                fields[name] = value[1:-1] if value[:1] in ('"', "'", "{") else value
    if "syscall" in fields and "SYSCALL" not in fields:
        name = syscall_name(str(fields.get("arch", "")), str(fields["syscall"]))
        if name:
            fields["SYSCALL"] = name
