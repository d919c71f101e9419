"""Walks through a pickle without making anything of it, and notes every name it would look up.

The machine has the stack, marks and memo of the real one, but what it puts there are texts, small
numbers, names, and marks for everything else. So a name is known however it came about: through the
memo, from the stack, by `getattr` of another name. It never imports, calls or keeps a large value.

Joblib writes the bytes of arrays between opcodes; they are passed over. After a stop, another pickle
may follow. After what makes no sense, the next place where a pickle could begin is tried: whoever
breaks a stream behind its payload has run it by then.

Sources: CPython `Lib/pickletools.py` and `Lib/pickle.py`; joblib `numpy_pickle.py`.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

MOST_STEPS: Final = 20_000_000
MOST_NAMES: Final = 20_000
_MOST_STREAMS: Final = 10_000
_LONGEST_TEXT: Final = 1_000
_MOST_ITEMS: Final = 24
_MOST_STACK: Final = 1_000_000
_MOST_RESTARTS: Final = 1_000
_DEEPEST: Final = 12


@dataclass(frozen=True, slots=True)
class Name:
    """Something that is looked up: `module` and the dotted `name` in it; "?" where it is not known."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class Use:
    """A name, where it is first looked up, and what is done with it.

    `how`: `named` only, `called`, `made` (an object without its constructor: NEWOBJ), `state` (what
    was made is given a state).
    """

    name: Name
    offset: int
    how: set[str] = field(default_factory=set)
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Stream:
    """One pickle: from `offset` to `end`; `stopped` where it came to its STOP."""

    offset: int
    end: int = 0
    protocol: int = 0
    steps: int = 0
    stopped: bool = False
    uses: dict[Name, Use] = field(default_factory=dict)
    code: list["Code"] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Code:
    """Python code that a pickle carries: the names that it uses, and its constants that are text."""

    offset: int
    names: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """What a call would have returned."""

    by: Name
    arguments: tuple[Any, ...] = ()


class _Opaque:
    """Whatever is no matter."""


class _Mark:
    """Where a run of items begins."""


_OPAQUE: Final = _Opaque()
_MARK: Final = _Mark()
_UNKNOWN: Final = Name("?", "?")
_GETATTR: Final = frozenset(
    (Name("builtins", "getattr"), Name("__builtin__", "getattr"), Name("operator", "attrgetter"))
)
_TYPES: Final = frozenset(
    (Name("cloudpickle.cloudpickle", "_builtin_type"), Name("dill._dill", "_load_type"))
)
"""Give a type of `types` by its name."""
_WRAPPER: Final = "NumpyArrayWrapper"
_ELEMENT: Final = re.compile(r"[<>=|]?([A-Za-z?])([0-9]{1,9})(?:\[[a-zA-Z]{1,2}\])?")
"""A dtype as NumPy writes it: kind and width."""
_CODE: Final = frozenset(("CodeType", "_create_code", "code", "_make_code"))


class _Broken(Exception):
    """The stream makes no sense here."""


def streams(data: Any) -> Iterator[Stream]:
    """Every pickle in `data` (bytes, or anything that is sliced like it), one behind the other."""
    at, budget, restarts = 0, MOST_STEPS, 0
    for _ in range(_MOST_STREAMS):
        machine = _Machine(data, at, budget)
        stream = machine.run()
        yield stream
        budget -= stream.steps
        at = stream.end
        if not stream.stopped:
            restarts += 1
            at = _next_start(data, max(at, stream.offset + 1))
        else:
            at = _behind(data, at)
        if at >= len(data) or budget <= 0 or restarts > _MOST_RESTARTS:
            return


def _behind(data: Any, at: int) -> int:
    """Where another pickle begins behind one that stopped; the end where there is none."""
    size = len(data)
    while at < size and data[at] in b"\0 \r\n\t":
        at += 1
    if at >= size or _starts(data, at):
        return at
    return _next_start(data, at)


def _next_start(data: Any, at: int) -> int:
    """The next place where a pickle could begin, by the opcode of protocols 2 to 5 or a GLOBAL."""
    while at < len(data):
        found = data.find(b"\x80", at)
        name = data.find(b"c", at)
        if found < 0 and name < 0:
            return len(data)
        at = min(place for place in (found, name) if place >= 0)
        if _starts(data, at):
            return at
        at += 1
    return len(data)


def _starts(data: Any, at: int) -> bool:
    head = bytes(data[at : at + 400])
    if head[:1] == b"\x80":
        return len(head) > 2 and 2 <= head[1] <= 5 and head[2] in _AFTER_PROTOCOL
    lines = head.split(b"\n", 2)
    if head[:1] in b"ci(" and len(lines) == 3:
        first = lines[0].lstrip(b"(")
        return first[:1] in b"ci" and _is_name(first[1:]) and _is_name(lines[1])
    return False


def _is_name(raw: bytes) -> bool:
    return 0 < len(raw) < 200 and raw.replace(b".", b"_").replace(b"_", b"a").isalnum()


class _Machine:
    """One run over one stream."""

    def __init__(self, data: Any, at: int, budget: int) -> None:
        self._data, self._at, self._end = data, at, len(data)
        self._budget = budget
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.stream = Stream(at)

    def run(self) -> Stream:
        """Walk to the stop, or to where it makes no sense."""
        stream, start = self.stream, self._at
        try:
            while True:
                if stream.steps >= self._budget:
                    raise _Broken("more steps than are followed")
                stream.steps += 1
                here, code = self._at, self._byte()
                if code == _STOP:
                    stream.stopped = True
                    break
                step = _STEPS[code]
                if step is None:
                    self._at = here
                    raise _Broken(f"no pickle's opcode: {code:#04x}")
                step(self, here)
                if len(self._stack) > _MOST_STACK:
                    raise _Broken("a stack that grows without end")
        except _Broken as why:
            stream.problems.append(f"{why} at byte {self._at}")
        stream.end = max(self._at, start + 1)
        return stream

    # ------------------------------------------------------------------------------- reading

    def _byte(self) -> int:
        if self._at >= self._end:
            raise _Broken("the stream ends without a stop")
        value: int = self._data[self._at]
        self._at += 1
        return value

    def _take(self, size: int) -> bytes:
        if size < 0 or self._at + size > self._end:
            raise _Broken("the stream ends within a value")
        made = bytes(self._data[self._at : self._at + size])
        self._at += size
        return made

    def _skip(self, size: int) -> None:
        if size < 0 or self._at + size > self._end:
            raise _Broken("the stream ends within a value")
        self._at += size

    def _number(self, form: struct.Struct) -> int:
        made: int = form.unpack(self._take(form.size))[0]
        return made

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self._at, min(self._end, self._at + (1 << 20)))
        if end < 0:
            raise _Broken("a line that does not end")
        made = self._take(end - self._at)
        self._at += 1
        return made

    def _text(self, size: int) -> str:
        """A text of `size` bytes; of a long one the beginning."""
        if size > _LONGEST_TEXT:
            made = self._take(min(size, self._end - self._at, _LONGEST_TEXT))
            self._skip(size - len(made))
            return made.decode("utf-8", "replace")
        return self._take(size).decode("utf-8", "replace")

    # --------------------------------------------------------------------------------- stack

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the topmost value."""
        if not self._stack:
            raise _Broken("more is taken than there is")
        return self._stack.pop()

    def marked(self) -> list[Any]:
        """Take all down to the last mark."""
        stack = self._stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is _MARK:
                made = stack[place + 1 :]
                del stack[place:]
                return made
        raise _Broken("no mark to go back to")

    # --------------------------------------------------------------------------------- names

    def named(self, name: Name, here: int) -> Name:
        """Note a name that is looked up."""
        uses = self.stream.uses
        if name not in uses:
            if len(uses) >= MOST_NAMES:
                raise _Broken("more names than are noted")
            uses[name] = Use(name, here, {"named"})
        return name

    def used(self, callee: Any, how: str, arguments: Any, here: int) -> Any:
        """Note that something is called or made; what comes of it."""
        if isinstance(callee, _Made):  # what a call returned is called
            callee = Name(callee.by.module, f"{callee.by.name}()")
        name = callee if isinstance(callee, Name) else _UNKNOWN
        self.named(name, here)
        use = self.stream.uses[name]
        use.how.add(how)
        given = arguments if isinstance(arguments, tuple) else (arguments,)
        if len(use.arguments) < _MOST_ITEMS:
            use.arguments.append(_shown(given))
        if name.name.rpartition(".")[2] in _CODE:
            self.stream.code.append(_carried(given, here))
        if name in _TYPES and given and isinstance(given[0], str):
            return self.named(Name("types", given[0]), here)
        if name in _GETATTR and len(given) >= 2 and isinstance(given[1], str):
            return self._attribute(given[0], given[1], here)
        return _Made(name, given[:_MOST_ITEMS])

    def _attribute(self, of: Any, attribute: str, here: int) -> Name:
        owner = of.by if isinstance(of, _Made) else of
        if isinstance(owner, Name):
            return self.named(Name(owner.module, f"{owner.name}.{attribute}"), here)
        return self.named(Name("?", attribute), here)

    def array(self, state: Any) -> None:
        """Pass over the bytes of an array that joblib writes behind its description."""
        size = _array_bytes(state)
        if size is None:
            raise _Broken("an array of unknown size lies between the opcodes")
        if size < 0:  # an array of objects is a pickle of its own, right here
            inner = _Machine(self._data, self._at, self._budget - self.stream.steps).run()
            self._at = inner.end
            self.stream.steps += inner.steps
            self.stream.uses |= inner.uses
            self.stream.code += inner.code
            if not inner.stopped:
                raise _Broken("an array of objects makes no sense")
            return
        if "numpy_array_alignment_bytes" in state:
            padding = self._byte()
            self._skip(padding if padding != 0xFF else 0)
        self._skip(size)


def _array_bytes(state: Any) -> int | None:
    """How many bytes an array takes; -1 for objects, None where that is not known."""
    shape, kind = (state.get("shape"), state.get("dtype")) if isinstance(state, dict) else (0, 0)
    if not isinstance(shape, tuple) or not isinstance(kind, _Made) or not kind.arguments:
        return None
    said = _ELEMENT.fullmatch(kind.arguments[0]) if isinstance(kind.arguments[0], str) else None
    whole = all(type(each) is int and each >= 0 for each in shape)
    if said is None or not whole:
        return None
    return -1 if said[1] == "O" else prod(shape) * int(said[2]) * (4 if said[1] == "U" else 1)


def _shown(given: tuple[Any, ...]) -> str:
    """Arguments as far as they are texts, numbers or names."""
    return ", ".join(_said(each, 0) for each in given[:_MOST_ITEMS])[:_LONGEST_TEXT]


def _said(value: Any, depth: int) -> str:
    if isinstance(value, str | bytes | bool | int | float) or value is None:
        return repr(value)[:200]
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, _Made):
        return f"{value.by}(…)"
    if isinstance(value, tuple | list) and depth < 3:
        return "(" + ", ".join(_said(each, depth + 1) for each in value[:_MOST_ITEMS]) + ")"
    return "…"


def _carried(given: tuple[Any, ...], here: int) -> Code:
    """What the parts of a code object name: tuples of words are its names, single texts constants."""
    names: list[str] = []
    texts: list[str] = []

    def gather(value: Any, depth: int) -> None:
        if isinstance(value, str):
            (names if value.isidentifier() else texts).append(value)
        elif isinstance(value, bytes):
            texts.append(value.decode("latin-1"))
        elif isinstance(value, tuple | list) and depth < _DEEPEST:
            for each in value[:200]:
                gather(each, depth + 1)

    gather(given, 0)
    return Code(here, tuple(dict.fromkeys(names))[:500], tuple(dict.fromkeys(texts))[:200])


# ------------------------------------------------------------------------------------ opcodes

Step = Callable[[_Machine, int], None]
_STEPS: Final[list[Step | None]] = [None] * 256
_STOP: Final = ord(".")
_U1, _U2, _U4, _U8 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<Q"))
_I4 = struct.Struct("<i")
_F8 = struct.Struct(">d")
_AFTER_PROTOCOL: Final = frozenset(b"\x95()]}NKMJGXUTBCcSVI\x8c\x8d\x88\x89\x8f\x85\x96\x8a\x8e.0q")


def _opcode(code: bytes) -> Callable[[Step], Step]:
    def keep(step: Step) -> Step:
        _STEPS[code[0]] = step
        return step

    return keep


def _pushes(code: bytes, read: Callable[[_Machine], Any]) -> None:
    _STEPS[code[0]] = lambda machine, _: machine.push(read(machine))


def _sized(form: struct.Struct) -> Callable[[_Machine], str]:
    return lambda machine: machine._text(machine._number(form))


def _skipped(form: struct.Struct) -> Callable[[_Machine], Any]:
    def read(machine: _Machine) -> Any:
        size = machine._number(form)
        if size <= _LONGEST_TEXT:
            return machine._take(size)
        machine._skip(size)
        return _OPAQUE

    return read


def _integer(raw: bytes) -> Any:
    try:
        return int(raw.rstrip(b"Ll") or b"0")
    except ValueError:
        return _OPAQUE


def _quoted(raw: bytes) -> str:
    return raw.strip().strip(b"'\"").decode("latin-1")[:_LONGEST_TEXT]


for _code, _value in ((b"N", None), (b"\x88", True), (b"\x89", False), (b"]", ()), (b")", ())):
    _pushes(_code, lambda machine, value=_value: value)  # type: ignore[misc]
for _code in (b"}", b"\x8f", b"\x97"):
    _pushes(_code, lambda machine: {} if machine._data[machine._at - 1] == ord("}") else _OPAQUE)
for _code, _form in ((b"K", _U1), (b"M", _U2), (b"J", _I4)):
    _pushes(_code, lambda machine, form=_form: machine._number(form))  # type: ignore[misc]
for _code, _form in ((b"\x8c", _U1), (b"X", _U4), (b"\x8d", _U8)):
    _pushes(_code, _sized(_form))
for _code, _form in ((b"U", _U1), (b"T", _U4)):
    _pushes(_code, _sized(_form))
for _code, _form in ((b"C", _U1), (b"B", _U4), (b"\x8e", _U8), (b"\x96", _U8)):
    _pushes(_code, _skipped(_form))
_pushes(b"G", lambda machine: _F8.unpack(machine._take(8))[0])
_pushes(b"I", lambda machine: _integer(machine._line()))
_pushes(b"L", lambda machine: _integer(machine._line()))
_pushes(b"F", lambda machine: (machine._line(), _OPAQUE)[1])
_pushes(b"S", lambda machine: _quoted(machine._line()))
_pushes(b"V", lambda machine: machine._line().decode("raw-unicode-escape", "replace"))
_pushes(b"\x8a", _skipped(_U1))
_pushes(b"\x8b", _skipped(_I4))
_pushes(b"(", lambda machine: _MARK)


@_opcode(b"\x80")
def _protocol(machine: _Machine, here: int) -> None:
    machine.stream.protocol = machine._byte()
    if machine.stream.protocol > 5:
        raise _Broken("a protocol that does not exist")


@_opcode(b"\x95")
def _frame(machine: _Machine, here: int) -> None:
    machine._number(_U8)


@_opcode(b"\x98")
def _read_only(machine: _Machine, here: int) -> None:
    pass


@_opcode(b"0")
def _drop(machine: _Machine, here: int) -> None:
    machine.pop()


@_opcode(b"1")
def _drop_marked(machine: _Machine, here: int) -> None:
    machine.marked()


@_opcode(b"2")
def _twice(machine: _Machine, here: int) -> None:
    value = machine.pop()
    machine.push(value)
    machine.push(value)


def _put(machine: _Machine, number: Any) -> None:
    if not machine._stack or not isinstance(number, int):
        raise _Broken("nothing to remember")
    machine._memo[number] = machine._stack[-1]


def _get(machine: _Machine, number: Any) -> None:
    if number not in machine._memo:
        raise _Broken("what was never remembered is asked for")
    machine.push(machine._memo[number])


_STEPS[ord("p")] = lambda machine, _: _put(machine, _integer(machine._line()))
_STEPS[ord("q")] = lambda machine, _: _put(machine, machine._number(_U1))
_STEPS[ord("r")] = lambda machine, _: _put(machine, machine._number(_U4))
_STEPS[0x94] = lambda machine, _: _put(machine, len(machine._memo))
_STEPS[ord("g")] = lambda machine, _: _get(machine, _integer(machine._line()))
_STEPS[ord("h")] = lambda machine, _: _get(machine, machine._number(_U1))
_STEPS[ord("j")] = lambda machine, _: _get(machine, machine._number(_U4))


@_opcode(b"t")
def _tuple(machine: _Machine, here: int) -> None:
    machine.push(tuple(machine.marked()[: 10 * _MOST_ITEMS]))


def _tuple_of(size: int) -> Step:
    def step(machine: _Machine, here: int) -> None:
        made = [machine.pop() for _ in range(size)]
        machine.push(tuple(reversed(made)))

    return step


_STEPS[0x85], _STEPS[0x86], _STEPS[0x87] = _tuple_of(1), _tuple_of(2), _tuple_of(3)


@_opcode(b"l")
def _list(machine: _Machine, here: int) -> None:
    machine.push(tuple(machine.marked()[:_MOST_ITEMS]))


@_opcode(b"d")
def _dict(machine: _Machine, here: int) -> None:
    machine.push(_pairs({}, machine.marked()))


@_opcode(b"a")
def _append(machine: _Machine, here: int) -> None:
    value = machine.pop()
    _extended(machine, [value])


@_opcode(b"e")
def _appends(machine: _Machine, here: int) -> None:
    _extended(machine, machine.marked())


def _extended(machine: _Machine, values: list[Any]) -> None:
    there = machine.pop()
    if isinstance(there, tuple) and len(there) < _MOST_ITEMS:
        there = there + tuple(values[: _MOST_ITEMS - len(there)])
    machine.push(there)


@_opcode(b"s")
def _item(machine: _Machine, here: int) -> None:
    value, key = machine.pop(), machine.pop()
    machine.push(_pairs(machine.pop(), [key, value]))


@_opcode(b"u")
def _items(machine: _Machine, here: int) -> None:
    values = machine.marked()
    machine.push(_pairs(machine.pop(), values))


@_opcode(b"\x90")
def _added(machine: _Machine, here: int) -> None:
    machine.marked()


@_opcode(b"\x91")
def _frozen(machine: _Machine, here: int) -> None:
    machine.marked()
    machine.push(_OPAQUE)


def _pairs(there: Any, values: list[Any]) -> Any:
    if isinstance(there, dict):
        for key, value in zip(values[::2], values[1::2], strict=False):
            if isinstance(key, str) and len(there) < 10 * _MOST_ITEMS:
                there[key] = value
    return there


@_opcode(b"c")
def _global(machine: _Machine, here: int) -> None:
    module, name = machine._line(), machine._line()
    found = Name(module.decode("utf-8", "replace")[:500], name.decode("utf-8", "replace")[:500])
    machine.push(machine.named(found, here))


@_opcode(b"\x93")
def _stack_global(machine: _Machine, here: int) -> None:
    name, module = machine.pop(), machine.pop()
    known = isinstance(name, str) and isinstance(module, str)
    machine.push(machine.named(Name(module[:500], name[:500]) if known else _UNKNOWN, here))


@_opcode(b"R")
def _reduce(machine: _Machine, here: int) -> None:
    arguments, callee = machine.pop(), machine.pop()
    machine.push(machine.used(callee, "called", arguments, here))


@_opcode(b"\x81")
def _new(machine: _Machine, here: int) -> None:
    arguments, callee = machine.pop(), machine.pop()
    machine.push(machine.used(callee, "made", arguments, here))


@_opcode(b"\x92")
def _new_with_keywords(machine: _Machine, here: int) -> None:
    machine.pop()
    _new(machine, here)


@_opcode(b"i")
def _instance(machine: _Machine, here: int) -> None:
    module, name = machine._line(), machine._line()
    found = Name(module.decode("utf-8", "replace")[:500], name.decode("utf-8", "replace")[:500])
    machine.named(found, here)
    machine.push(machine.used(found, "called", tuple(machine.marked()), here))


@_opcode(b"o")
def _object(machine: _Machine, here: int) -> None:
    parts = machine.marked()
    if not parts:
        raise _Broken("an object of nothing")
    machine.push(machine.used(parts[0], "called", tuple(parts[1:]), here))


@_opcode(b"b")
def _build(machine: _Machine, here: int) -> None:
    state = machine.pop()
    if not machine._stack:
        raise _Broken("a state for nothing")
    there = machine._stack[-1]
    if isinstance(there, Name):  # a class or a module is changed itself
        machine.used(there, "state", state, here)
    elif isinstance(there, _Made):
        machine.named(there.by, here)
        machine.stream.uses[there.by].how.add("state")
        if there.by.name == _WRAPPER and there.by.module.startswith("joblib."):
            machine.array(state)


def _persistent(machine: _Machine, value: Any, here: int) -> None:
    # PyTorch says by these which storage is meant; whose class it is stands in the names already.
    machine.push(_OPAQUE)


_STEPS[ord("P")] = lambda machine, here: _persistent(machine, machine._line(), here)
_STEPS[ord("Q")] = lambda machine, here: _persistent(machine, machine.pop(), here)


def _extension(form: struct.Struct) -> Step:
    def step(machine: _Machine, here: int) -> None:
        # A number of the loading program's own registry stands for a name that is not in here.
        number = machine._number(form)
        machine.push(machine.named(Name("copyreg extension", str(number)), here))

    return step


_STEPS[0x82], _STEPS[0x83], _STEPS[0x84] = _extension(_U1), _extension(_U2), _extension(_I4)
