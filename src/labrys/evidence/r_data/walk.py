"""Walks through R's serialization with a stack of its own, so that no nesting ends the walk.

Every item begins with flags: its type in the low byte, then whether it has attributes and a tag.
Source: R Internals, "Serialization Formats"; R `serialize.c` (ReadItem, ReadBC).
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final

SYMBOL, PAIRS, CLOSURE, ENVIRONMENT, PROMISE, CALL = 1, 2, 3, 4, 5, 6
SPECIAL, BUILTIN, CHARS, DOTS, BYTECODE, POINTER, WEAK, RAW, S4 = 7, 8, 9, 17, 21, 22, 23, 24, 25
_NUMBERS: Final = {10: 4, 13: 4, 14: 8, 15: 16}
_LISTS: Final = (16, 19, 20)
_ALONE: Final = frozenset((241, 242, 250, 251, 252, 253, 254))
_REFERENCE, _PERSISTED, _PACKAGE, _NAMESPACE, _ALTERNATIVE = 255, 247, 248, 249, 238
_PAIRED: Final = (PAIRS, CLOSURE, PROMISE, CALL, DOTS)
_BC_REFERENCE, _BC_DEFINED, _BC_CALL, _BC_PAIRS = 243, 244, 240, 239
_MOST: Final = 20_000_000
_KEPT: Final = 5_000
_ATTRIBUTES, _TAG = 0x200, 0x400


class Malformed(Exception):
    """No serialization of R, or none that is read."""


class Walk:
    """One walk through `data`; what it has met is in the attributes, also after an error."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._order = ">"
        self.at = 0
        self.promises = self.outside = 0
        self.classes: dict[str, None] = {}
        self.deferred: dict[str, None] = {}
        self.carried: dict[str, None] = {}
        self._symbols: list[str] = []
        self._todo: list[Callable[[], None]] = []
        # Where the walk is: in how many environments, promises' expressions and functions.
        self._within = {ENVIRONMENT: 0, PROMISE: 0, CLOSURE: 0}
        self._last: str | None = None

    def header(self, at: int) -> None:
        """What comes before the first item. Raises Malformed."""
        form = bytes(self._data[at : at + 2])
        if form not in (b"X\n", b"B\n"):
            raise Malformed("saved as text, or not by R")
        self.at = at + 2
        self._order = ">" if form == b"X\n" else "<"
        version, writer, _ = self._int(), self._int(), self._int()
        if version not in (2, 3) or not 0x010000 <= writer <= 0x09FFFF:
            raise Malformed(f"version {version} of the format")
        if version == 3:
            self._skip(self._size(self._int()))

    def all(self, at: int) -> int:
        """Walk to the end of the first item; where that is. Raises Malformed."""
        self.header(at)
        self._todo.append(self._item)
        steps = 0
        while self._todo:
            steps += 1
            if steps > _MOST:
                raise Malformed("more items than are read")
            self._todo.pop()()
        return self.at

    def _do(self, *steps: Callable[[], None]) -> None:
        """What is to be done next, in this order."""
        self._todo.extend(reversed(steps))

    def _item(self) -> None:
        flags = self._int()
        self._typed(flags & 0xFF, flags)

    def _items(self, count: int) -> None:
        """So many items, without a place for each on the stack."""
        if count:
            self._do(self._item, partial(self._items, count - 1))

    def _typed(self, kind: int, flags: int) -> None:
        attributes = [self._item] if flags & _ATTRIBUTES else []
        if kind in _ALONE:
            return
        if kind == _REFERENCE:
            self._last = self._symbol((flags >> 8) or self._int())
        elif kind == SYMBOL:
            self._do(self._item, self._name)
        elif kind in _PAIRED:
            self._pair(kind, flags)
        elif kind == ENVIRONMENT:
            self._environment()
        elif kind == CHARS:
            self._chars()
            self._do(*attributes)
        elif kind in (*_LISTS, *_NUMBERS, RAW):
            self._vector(kind, attributes)
        elif kind in (SPECIAL, BUILTIN):
            self._met(self._text(self._size(self._int())))
        elif kind in (_PERSISTED, _PACKAGE, _NAMESPACE):
            self._int()
            self._do(partial(self._items, self._size(self._int())), self._unnamed)
        else:
            self._rare(kind, attributes)

    def _rare(self, kind: int, attributes: list[Callable[[], None]]) -> None:
        if kind == POINTER:
            self._symbols.append("")
            self._do(self._item, self._item, *attributes)
        elif kind == WEAK:
            self._symbols.append("")
            self._do(*attributes)
        elif kind == S4:
            self._do(*attributes)
        elif kind == BYTECODE:
            self._int()
            self._do(self._code, *attributes)
        elif kind == _ALTERNATIVE:
            self._do(self._item, self._item, self._item)
        else:
            raise Malformed(f"an item of type {kind}")

    def _pair(self, kind: int, flags: int) -> None:
        steps = [self._item] if flags & _ATTRIBUTES else []
        if kind == PROMISE:
            self.promises += 1
            # In an environment R itself leaves them: arguments that nobody has asked for yet.
            self.outside += not self._within[ENVIRONMENT]
        if flags & _TAG:
            steps.append(self._item)
        if kind == CALL:
            steps += [self._called, self._item]
        elif kind in (PROMISE, CLOSURE):
            steps += [
                self._item,
                partial(self._inside, kind, 1),
                self._item,
                partial(self._inside, kind, -1),
            ]
        else:
            steps += [self._item, self._item]
        self._do(*steps)

    def _called(self) -> None:
        """The function of a call: its name is what matters."""
        self._last = None
        self._do(self._item, self._remember)

    def _remember(self) -> None:
        if self._last:
            self._met(self._last)

    def _met(self, name: str) -> None:
        for within, kept in ((PROMISE, self.deferred), (CLOSURE, self.carried)):
            if self._within[within] and len(kept) < _KEPT:
                kept[name[:200]] = None

    def _inside(self, kind: int, by: int) -> None:
        """Into an environment, a promise or a function (1), or out of it (-1)."""
        self._within[kind] += by

    def _environment(self) -> None:
        self._int()
        self._symbols.append("")
        enter, leave = (partial(self._inside, ENVIRONMENT, by) for by in (1, -1))
        self._do(enter, *[self._item] * 4, leave)

    def _vector(self, kind: int, attributes: list[Callable[[], None]]) -> None:
        count = self._int()
        if count == -1:
            count = (self._int() << 32) + (self._int() & 0xFFFFFFFF)
        self._size(count)
        if kind in _LISTS:
            self._do(partial(self._items, count), *attributes)
            return
        self._skip(count * _NUMBERS.get(kind, 1))
        self._do(*attributes)

    def _chars(self) -> None:
        size = self._int()
        self._last = None if size == -1 else self._text(self._size(size))

    def _name(self) -> None:
        self._symbols.append(self._last or "")

    def _unnamed(self) -> None:
        self._symbols.append("")

    def _symbol(self, number: int) -> str:
        return self._symbols[number - 1] if 0 < number <= len(self._symbols) else ""

    def _code(self) -> None:
        """Byte code: its instructions, and the constants, among which are calls."""
        self._do(self._item, self._constants)

    def _constants(self) -> None:
        self._constant(self._size(self._int()))

    def _constant(self, count: int) -> None:
        if not count:
            return
        self._do(partial(self._constant, count - 1))
        kind = self._int()
        if kind == BYTECODE:
            self._code()
        elif kind in (PAIRS, CALL, _BC_REFERENCE, _BC_DEFINED, _BC_CALL, _BC_PAIRS):
            self._code_call(kind)
        else:
            self._do(self._item)

    def _code_call(self, kind: int) -> None:
        if kind == _BC_REFERENCE:
            self._int()
            return
        if kind == _BC_DEFINED:
            self._int()
            kind = self._int()
        if kind not in (PAIRS, CALL, _BC_CALL, _BC_PAIRS):
            self._do(self._item)
            return
        steps = [self._item] if kind in (_BC_CALL, _BC_PAIRS) else []
        called = kind in (CALL, _BC_CALL)
        first = [self._forget, self._code_part, self._remember] if called else [self._code_part]
        self._do(*steps, self._item, *first, self._code_part)

    def _forget(self) -> None:
        self._last = None

    def _code_part(self) -> None:
        self._code_call(self._int())

    def _int(self) -> int:
        made: int = struct.unpack(f"{self._order}i", self._take(4))[0]
        return made

    def _size(self, count: int) -> int:
        """A count that the rest of the data can hold."""
        if not 0 <= count <= len(self._data) - self.at:
            raise Malformed(f"a length of {count}")
        return count

    def _text(self, size: int) -> str:
        return self._take(size).decode("utf-8", "replace")

    def _take(self, size: int) -> bytes:
        made = bytes(self._data[self.at : self.at + size])
        if len(made) < size:
            raise Malformed("it ends too early")
        self.at += size
        return made

    def _skip(self, size: int) -> None:
        if self.at + size > len(self._data):
            raise Malformed("it ends too early")
        self.at += size
