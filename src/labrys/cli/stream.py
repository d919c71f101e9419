"""Where results go: a file, complete or not there at all, or standard output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from labrys.errors import LabrysError


class NotWritten(LabrysError):
    """The results could not be written where they should go."""


class Stream:
    """Takes bytes or text; what goes wrong names the place it should have gone to."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        self._raw = raw
        self._name = name

    def write(self, data: bytes | str) -> int:
        """Write all of it."""
        made = data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace")
        with named(self._name):
            self._raw.write(made)
        return len(data)

    def flush(self) -> None:
        """Hand on what was written."""
        with named(self._name):
            self._raw.flush()


@contextmanager
def opened(out: Path | None) -> Iterator[Stream]:
    """The file, or standard output; a reader of ours that has had enough is no error."""
    if out is not None:
        with _file(out) as stream:
            yield stream
        return
    try:
        stream = Stream(sys.stdout.buffer, "standard output")
        yield stream
        stream.flush()
    except BrokenPipeError:
        _forget()
    except NotWritten:
        _forget()
        raise


def say(text: str) -> None:
    """Write text to standard output."""
    with opened(None) as stream:
        stream.write(text)


@contextmanager
def _file(out: Path) -> Iterator[Stream]:
    if out.exists() and not out.is_file():  # a device, a pipe: never replaced by a file
        with named(str(out)):
            raw = out.open("wb")
        with raw:
            stream = Stream(raw, str(out))
            yield stream
            stream.flush()
        return
    draft = out.with_name(f".{out.name}.draft")
    try:
        with named(str(out)):
            raw = draft.open("wb")
        with raw:
            stream = Stream(raw, str(out))
            yield stream
            stream.flush()
        with named(str(out)):
            draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def named(name: str) -> Iterator[None]:
    """Within it, an error of the operating system says what could not be written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NotWritten(f"{name}: cannot be written ({error.strerror or error})") from error


def _forget() -> None:
    """Let nothing more go to standard output, not even when Python closes it at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
