"""Live progress on standard error: what is read now, how much is done, what was found."""

import sys
from types import TracebackType
from typing import Any, Self

from labrys.cli import shown

_NAME_WIDTH = 44


class Silent:
    """Watches a scan and says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put away."""

    def found_files(self, files: int, size: int) -> None:
        """Not shown."""

    def reading(self, name: str, rows: int) -> None:
        """Not shown."""

    def finished(self, name: str, size: int) -> None:
        """Not shown."""

    def kept(self, rows: int, findings: int) -> None:
        """Not shown."""

    def step(self, name: str) -> None:
        """Not shown."""


class Live:
    """Watches a scan and draws a progress bar; on a pipe it says one line for each step instead."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._progress: Any = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TextColumn("{task.fields[records]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task: Any = None
        self._rows = self._findings = 0

    def __enter__(self) -> Self:
        self._progress.start()
        self._task = self._progress.add_task("finding evidence", total=None, records="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def found_files(self, files: int, size: int) -> None:
        """So many files, with so many bytes, are to be read."""
        self._progress.update(self._task, total=max(size, 1), description=f"{files} files to read")

    def reading(self, name: str, rows: int) -> None:
        """A source is being read."""
        short = name if len(name) <= _NAME_WIDTH else "…" + name[1 - _NAME_WIDTH :]
        self._progress.update(self._task, description=f"reading {shown(short)}")

    def finished(self, name: str, size: int) -> None:
        """One of the files is done with."""
        self._progress.advance(self._task, size)

    def kept(self, rows: int, findings: int) -> None:
        """So many more records and findings are safe in the case."""
        self._rows += rows
        self._findings += findings
        said = f"{self._rows:,} records, {self._findings:,} findings"
        self._progress.update(self._task, records=said)

    def step(self, name: str) -> None:
        """What the scan does now."""
        self._progress.update(self._task, description=name, total=None)
        if not sys.stderr.isatty():
            sys.stderr.write(f"labrys: {name}\n")
