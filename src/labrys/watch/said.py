"""What a watch has already told of, so that a restarted one tells everything once.

A finding counts as told once it is written down here, together with how long the output file was
then: what a killed watch wrote after that is cut off again and told anew.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

FILE: Final = "watch.sqlite"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS told (uid TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS output (path TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
"""


class Told:
    """The uids that were told of; `fresh` where no watch has been here before."""

    def __init__(self, case: Path) -> None:
        path = case / FILE
        self.fresh = not path.exists()
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Nothing is lost by not doing so."""
        self._db.close()

    def new(self, uids: Sequence[str]) -> set[str]:
        """Those of the uids that were not told of."""
        ask = "SELECT 1 FROM told WHERE uid = ?"
        return {uid for uid in uids if self._db.execute(ask, (uid,)).fetchone() is None}

    def mark(self, uids: Iterable[str], output: tuple[str, int] | None = None) -> None:
        """These were told of; `output` is the file (path, size) in which that is now."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR IGNORE INTO told VALUES (?)", [(uid,) for uid in uids])
        if output is not None:
            self._db.execute("INSERT OR REPLACE INTO output VALUES (?, ?)", output)
        self._db.execute("COMMIT")

    def cut(self, path: Path) -> None:
        """Cut off what was written to an output file and not marked."""
        ask = "SELECT size FROM output WHERE path = ?"
        row = self._db.execute(ask, (str(path),)).fetchone()
        if row is not None and path.is_file() and path.stat().st_size > row[0]:
            os.truncate(path, row[0])
