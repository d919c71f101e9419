"""The opcodes of protocols 0 to 5, each as what it does to the machine.

Source: CPython `Lib/pickletools.py`.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from labrys.evidence.pickle.facts import (
    LONGEST_TEXT,
    MARK,
    MOST_ITEMS,
    OPAQUE,
    UNKNOWN,
    Broken,
    Made,
    Name,
)
from labrys.evidence.pickle.machine import WRAPPER, Machine, Step

STEPS: Final[list[Step | None]] = [None] * 256
_U1, _U2, _U4, _U8 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<Q"))
_I4 = struct.Struct("<i")
_F8 = struct.Struct(">d")
AFTER_PROTOCOL: Final = frozenset(b"\x95()]}NKMJGXUTBCcSVI\x8c\x8d\x88\x89\x8f\x85\x96\x8a\x8e.0q")


def _opcode(code: bytes) -> Callable[[Step], Step]:
    def keep(step: Step) -> Step:
        STEPS[code[0]] = step
        return step

    return keep


def _pushes(code: bytes, read: Callable[[Machine], Any]) -> None:
    STEPS[code[0]] = lambda machine, _: machine.push(read(machine))


def _sized(form: struct.Struct) -> Callable[[Machine], str]:
    return lambda machine: machine.text(machine.number(form))


def _skipped(form: struct.Struct) -> Callable[[Machine], Any]:
    def read(machine: Machine) -> Any:
        size = machine.number(form)
        if size <= LONGEST_TEXT:
            return machine.take(size)
        machine.skip(size)
        return OPAQUE

    return read


def _integer(raw: bytes) -> Any:
    try:
        return int(raw.rstrip(b"Ll") or b"0")
    except ValueError:
        return OPAQUE


def _quoted(raw: bytes) -> str:
    return raw.strip().strip(b"'\"").decode("latin-1")[:LONGEST_TEXT]


for _code, _value in ((b"N", None), (b"\x88", True), (b"\x89", False), (b"]", ()), (b")", ())):
    _pushes(_code, lambda machine, value=_value: value)  # type: ignore[misc]
for _code in (b"}", b"\x8f", b"\x97"):
    _pushes(_code, lambda machine: {} if machine.data[machine.at - 1] == ord("}") else OPAQUE)
for _code, _form in ((b"K", _U1), (b"M", _U2), (b"J", _I4)):
    _pushes(_code, lambda machine, form=_form: machine.number(form))  # type: ignore[misc]
for _code, _form in ((b"\x8c", _U1), (b"X", _U4), (b"\x8d", _U8)):
    _pushes(_code, _sized(_form))
for _code, _form in ((b"U", _U1), (b"T", _U4)):
    _pushes(_code, _sized(_form))
for _code, _form in ((b"C", _U1), (b"B", _U4), (b"\x8e", _U8), (b"\x96", _U8)):
    _pushes(_code, _skipped(_form))
_pushes(b"G", lambda machine: _F8.unpack(machine.take(8))[0])
_pushes(b"I", lambda machine: _integer(machine.line()))
_pushes(b"L", lambda machine: _integer(machine.line()))
_pushes(b"F", lambda machine: (machine.line(), OPAQUE)[1])
_pushes(b"S", lambda machine: _quoted(machine.line()))
_pushes(b"V", lambda machine: machine.line().decode("raw-unicode-escape", "replace"))
_pushes(b"\x8a", _skipped(_U1))
_pushes(b"\x8b", _skipped(_I4))
_pushes(b"(", lambda machine: MARK)


@_opcode(b"\x80")
def _protocol(machine: Machine, here: int) -> None:
    machine.stream.protocol = machine.byte()
    if machine.stream.protocol > 5:
        raise Broken("a protocol that does not exist")


@_opcode(b"\x95")
def _frame(machine: Machine, here: int) -> None:
    machine.number(_U8)


@_opcode(b"\x98")
def _read_only(machine: Machine, here: int) -> None:
    pass


@_opcode(b"0")
def _drop(machine: Machine, here: int) -> None:
    machine.pop()


@_opcode(b"1")
def _drop_marked(machine: Machine, here: int) -> None:
    machine.marked()


@_opcode(b"2")
def _twice(machine: Machine, here: int) -> None:
    value = machine.pop()
    machine.push(value)
    machine.push(value)


def _put(machine: Machine, number: Any) -> None:
    if not machine.stack or not isinstance(number, int):
        raise Broken("nothing to remember")
    machine.memo[number] = machine.stack[-1]


def _get(machine: Machine, number: Any) -> None:
    if number not in machine.memo:
        raise Broken("what was never remembered is asked for")
    machine.push(machine.memo[number])


STEPS[ord("p")] = lambda machine, _: _put(machine, _integer(machine.line()))
STEPS[ord("q")] = lambda machine, _: _put(machine, machine.number(_U1))
STEPS[ord("r")] = lambda machine, _: _put(machine, machine.number(_U4))
STEPS[0x94] = lambda machine, _: _put(machine, len(machine.memo))
STEPS[ord("g")] = lambda machine, _: _get(machine, _integer(machine.line()))
STEPS[ord("h")] = lambda machine, _: _get(machine, machine.number(_U1))
STEPS[ord("j")] = lambda machine, _: _get(machine, machine.number(_U4))


@_opcode(b"t")
def _tuple(machine: Machine, here: int) -> None:
    machine.push(tuple(machine.marked()[: 10 * MOST_ITEMS]))


def _tuple_of(size: int) -> Step:
    def step(machine: Machine, here: int) -> None:
        made = [machine.pop() for _ in range(size)]
        machine.push(tuple(reversed(made)))

    return step


STEPS[0x85], STEPS[0x86], STEPS[0x87] = _tuple_of(1), _tuple_of(2), _tuple_of(3)


@_opcode(b"l")
def _list(machine: Machine, here: int) -> None:
    machine.push(tuple(machine.marked()[:MOST_ITEMS]))


@_opcode(b"d")
def _dict(machine: Machine, here: int) -> None:
    machine.push(_pairs({}, machine.marked()))


@_opcode(b"a")
def _append(machine: Machine, here: int) -> None:
    value = machine.pop()
    _extended(machine, [value])


@_opcode(b"e")
def _appends(machine: Machine, here: int) -> None:
    _extended(machine, machine.marked())


def _extended(machine: Machine, values: list[Any]) -> None:
    there = machine.pop()
    if isinstance(there, tuple) and len(there) < MOST_ITEMS:
        there = there + tuple(values[: MOST_ITEMS - len(there)])
    machine.push(there)


@_opcode(b"s")
def _item(machine: Machine, here: int) -> None:
    value, key = machine.pop(), machine.pop()
    machine.push(_pairs(machine.pop(), [key, value]))


@_opcode(b"u")
def _items(machine: Machine, here: int) -> None:
    values = machine.marked()
    machine.push(_pairs(machine.pop(), values))


@_opcode(b"\x90")
def _added(machine: Machine, here: int) -> None:
    machine.marked()


@_opcode(b"\x91")
def _frozen(machine: Machine, here: int) -> None:
    machine.marked()
    machine.push(OPAQUE)


def _pairs(there: Any, values: list[Any]) -> Any:
    if isinstance(there, dict):
        for key, value in zip(values[::2], values[1::2], strict=False):
            if isinstance(key, str) and len(there) < 10 * MOST_ITEMS:
                there[key] = value
    return there


@_opcode(b"c")
def _global(machine: Machine, here: int) -> None:
    module, name = machine.line(), machine.line()
    found = Name(module.decode("utf-8", "replace")[:500], name.decode("utf-8", "replace")[:500])
    machine.push(machine.named(found, here))


@_opcode(b"\x93")
def _stack_global(machine: Machine, here: int) -> None:
    name, module = machine.pop(), machine.pop()
    known = isinstance(name, str) and isinstance(module, str)
    machine.push(machine.named(Name(module[:500], name[:500]) if known else UNKNOWN, here))


@_opcode(b"R")
def _reduce(machine: Machine, here: int) -> None:
    arguments, callee = machine.pop(), machine.pop()
    machine.push(machine.used(callee, "called", arguments, here))


@_opcode(b"\x81")
def _new(machine: Machine, here: int) -> None:
    arguments, callee = machine.pop(), machine.pop()
    machine.push(machine.used(callee, "made", arguments, here))


@_opcode(b"\x92")
def _new_with_keywords(machine: Machine, here: int) -> None:
    machine.pop()
    _new(machine, here)


@_opcode(b"i")
def _instance(machine: Machine, here: int) -> None:
    module, name = machine.line(), machine.line()
    found = Name(module.decode("utf-8", "replace")[:500], name.decode("utf-8", "replace")[:500])
    machine.named(found, here)
    machine.push(machine.used(found, "called", tuple(machine.marked()), here))


@_opcode(b"o")
def _object(machine: Machine, here: int) -> None:
    parts = machine.marked()
    if not parts:
        raise Broken("an object of nothing")
    machine.push(machine.used(parts[0], "called", tuple(parts[1:]), here))


@_opcode(b"b")
def _build(machine: Machine, here: int) -> None:
    state = machine.pop()
    if not machine.stack:
        raise Broken("a state for nothing")
    there = machine.stack[-1]
    if isinstance(there, Name):  # a class or a module is changed itself
        machine.used(there, "state", state, here)
    elif isinstance(there, Made):
        machine.named(there.by, here)
        machine.stream.uses[there.by].how.add("state")
        if there.by.name == WRAPPER and there.by.module.startswith("joblib."):
            machine.array(state)


def _persistent(machine: Machine, value: Any, here: int) -> None:
    # PyTorch says by these which storage is meant; whose class it is stands in the names already.
    machine.push(OPAQUE)


STEPS[ord("P")] = lambda machine, here: _persistent(machine, machine.line(), here)
STEPS[ord("Q")] = lambda machine, here: _persistent(machine, machine.pop(), here)


def _extension(form: struct.Struct) -> Step:
    def step(machine: Machine, here: int) -> None:
        # A number of the loading program's own registry stands for a name that is not in here.
        number = machine.number(form)
        machine.push(machine.named(Name("copyreg extension", str(number)), here))

    return step


STEPS[0x82], STEPS[0x83], STEPS[0x84] = _extension(_U1), _extension(_U2), _extension(_I4)
