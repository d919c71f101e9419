"""The other end of `measure.child`: calls one function of this package, writes what it returns."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path


class Laps:
    """CPU seconds of this process (all its threads) between named marks."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """What runs inside counts under `name`; the same name adds up."""
        cpu, wall = used(), time.monotonic()
        yield
        self.cpu[name] = self.cpu.get(name, 0.0) + used() - cpu
        self.wall[name] = self.wall.get(name, 0.0) + time.monotonic() - wall


def used() -> float:
    """CPU seconds of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    """`python -m bench.child MODULE.FUNCTION ASKED ANSWERED`."""
    module, _, name = sys.argv[1].rpartition(".")
    arguments = json.loads(Path(sys.argv[2]).read_text())
    made = getattr(import_module(f"bench.{module}"), name)(**arguments)
    Path(sys.argv[3]).write_text(json.dumps(made))


if __name__ == "__main__":
    main()
