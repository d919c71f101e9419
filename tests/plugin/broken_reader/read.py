"""Reads five records of `BROKEN <how>`, then breaks that way."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labrys.evidence.records import Records, Shaped, Source


def sniff(head: bytes, name: str) -> float:
    if head.startswith(b"BROKEN sniff"):
        os._exit(7)
    return 1.0 if head.startswith(b"BROKEN ") else 0.0


def read(source: Source) -> Iterator[Shaped]:
    with source.open() as stream:
        how = stream.read(100).split()[1].decode()
    records = Records(source, rows=2)
    for number in range(5):
        records.add("broken.record", {"how": how, "number": number}, time=0, offset=number)
        if records.full:
            yield from records.drain()
    if how == "exit":
        os._exit(3)
    elif how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "raise":
        raise RuntimeError("the reader's bug \x1b[31m")
    elif how == "hoard":
        hoard = []
        while True:  # address space only: nothing of it is touched
            hoard.append(np.zeros(256 << 20, np.uint8))
    elif how == "hang" and "BROKEN_FAST" not in os.environ:
        Path(os.environ["BROKEN_MARK"]).touch()
        while True:
            time.sleep(0.05)
    yield from records.drain()
