"""The machine that walks through a pickle without making anything of it (`streams.py`).

It has the stack, marks and memo of the real one. So a name is known however it came about: through the
memo, from the stack, by `getattr` of another name. It never imports, calls or keeps a large value.
Joblib writes the bytes of arrays between opcodes; they are passed over.

Sources: CPython `Lib/pickle.py`; joblib `numpy_pickle.py`.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from labrys.evidence.pickle.facts import (
    LONGEST_TEXT,
    MARK,
    MOST_ITEMS,
    UNKNOWN,
    Broken,
    Made,
    Name,
    Stream,
    Use,
    array_bytes,
    carried,
    shown,
)

MOST_NAMES: Final = 20_000
_MOST_STACK: Final = 1_000_000
STOP: Final = ord(".")
_GETATTR: Final = frozenset(
    (Name("builtins", "getattr"), Name("__builtin__", "getattr"), Name("operator", "attrgetter"))
)
_TYPES: Final = frozenset(
    (Name("cloudpickle.cloudpickle", "_builtin_type"), Name("dill._dill", "_load_type"))
)
"""Give a type of `types` by its name."""
WRAPPER: Final = "NumpyArrayWrapper"
CODE: Final = frozenset(("CodeType", "_create_code", "code", "_make_code"))

Step = Callable[["Machine", int], None]


class Machine:
    """One run over one stream."""

    def __init__(self, data: Any, at: int, budget: int, steps: Sequence[Step | None]) -> None:
        self.data, self.at, self._end = data, at, len(data)
        self._budget, self._steps = budget, steps
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.stream = Stream(at)

    def run(self) -> Stream:
        """Walk to the stop, or to where it makes no sense."""
        stream, start = self.stream, self.at
        try:
            while True:
                if stream.steps >= self._budget:
                    raise Broken("more steps than are followed")
                stream.steps += 1
                here, code = self.at, self.byte()
                if code == STOP:
                    stream.stopped = True
                    break
                step = self._steps[code]
                if step is None:
                    self.at = here
                    raise Broken(f"no pickle's opcode: {code:#04x}")
                step(self, here)
                if len(self.stack) > _MOST_STACK:
                    raise Broken("a stack that grows without end")
        except Broken as why:
            stream.problems.append(f"{why} at byte {self.at}")
        stream.end = max(self.at, start + 1)
        return stream

    # ------------------------------------------------------------------------------- reading

    def byte(self) -> int:
        """The next byte."""
        if self.at >= self._end:
            raise Broken("the stream ends without a stop")
        value: int = self.data[self.at]
        self.at += 1
        return value

    def take(self, size: int) -> bytes:
        """So many bytes; raises `Broken` where there are fewer."""
        if size < 0 or self.at + size > self._end:
            raise Broken("the stream ends within a value")
        made = bytes(self.data[self.at : self.at + size])
        self.at += size
        return made

    def skip(self, size: int) -> None:
        """Pass over so many bytes."""
        if size < 0 or self.at + size > self._end:
            raise Broken("the stream ends within a value")
        self.at += size

    def number(self, form: struct.Struct) -> int:
        """A number of that form."""
        made: int = form.unpack(self.take(form.size))[0]
        return made

    def line(self) -> bytes:
        """Up to the end of a line."""
        end = self.data.find(b"\n", self.at, min(self._end, self.at + (1 << 20)))
        if end < 0:
            raise Broken("a line that does not end")
        made = self.take(end - self.at)
        self.at += 1
        return made

    def text(self, size: int) -> str:
        """A text of `size` bytes; of a long one the beginning."""
        if size > LONGEST_TEXT:
            made = self.take(min(size, self._end - self.at, LONGEST_TEXT))
            self.skip(size - len(made))
            return made.decode("utf-8", "replace")
        return self.take(size).decode("utf-8", "replace")

    # --------------------------------------------------------------------------------- stack

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the topmost value."""
        if not self.stack:
            raise Broken("more is taken than there is")
        return self.stack.pop()

    def marked(self) -> list[Any]:
        """Take all down to the last mark."""
        stack = self.stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is MARK:
                made = stack[place + 1 :]
                del stack[place:]
                return made
        raise Broken("no mark to go back to")

    # --------------------------------------------------------------------------------- names

    def named(self, name: Name, here: int) -> Name:
        """Note a name that is looked up."""
        uses = self.stream.uses
        if name not in uses:
            if len(uses) >= MOST_NAMES:
                raise Broken("more names than are noted")
            uses[name] = Use(name, here, {"named"})
        return name

    def used(self, callee: Any, how: str, arguments: Any, here: int) -> Any:
        """Note that something is called or made; what comes of it."""
        if isinstance(callee, Made):  # what a call returned is called
            callee = Name(callee.by.module, f"{callee.by.name}()")
        name = callee if isinstance(callee, Name) else UNKNOWN
        self.named(name, here)
        use = self.stream.uses[name]
        use.how.add(how)
        given = arguments if isinstance(arguments, tuple) else (arguments,)
        if len(use.arguments) < MOST_ITEMS:
            use.arguments.append(shown(given))
        if name.name.rpartition(".")[2] in CODE:
            self.stream.code.append(carried(given, here))
        if name in _TYPES and given and isinstance(given[0], str):
            return self.named(Name("types", given[0]), here)
        if name in _GETATTR and len(given) >= 2 and isinstance(given[1], str):
            return self._attribute(given[0], given[1], here)
        return Made(name, given[:MOST_ITEMS])

    def _attribute(self, of: Any, attribute: str, here: int) -> Name:
        owner = of.by if isinstance(of, Made) else of
        if isinstance(owner, Name):
            return self.named(Name(owner.module, f"{owner.name}.{attribute}"), here)
        return self.named(Name("?", attribute), here)

    def array(self, state: Any) -> None:
        """Pass over the bytes of an array that joblib writes behind its description."""
        size = array_bytes(state)
        if size is None:
            raise Broken("an array of unknown size lies between the opcodes")
        if size < 0:  # an array of objects is a pickle of its own, right here
            inner = Machine(self.data, self.at, self._budget - self.stream.steps, self._steps).run()
            self.at = inner.end
            self.stream.steps += inner.steps
            self.stream.uses |= inner.uses
            self.stream.code += inner.code
            if not inner.stopped:
                raise Broken("an array of objects makes no sense")
            return
        if "numpy_array_alignment_bytes" in state:
            padding = self.byte()
            self.skip(padding if padding != 0xFF else 0)
        self.skip(size)
