"""Who wrote here before: learnt from a mailbox or a case, and from mail that passed the gate.

Judging processes get no history: they say of a message what a relation needs, this process looks it
up, and what breaks with the past is judged by the same code as in a scan, again in a process of theirs.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail_relation.profile import Profile
from labrys.detect.mail_relation.seen import Mail
from labrys.gate.judge import Judgement
from labrys.gate.milter import Envelope
from labrys.gate.store import Store, now
from labrys.lake.case import Case
from labrys.ocsf.schema import Severity
from labrys.scan.ingest import Reading, Watcher
from labrys.scan.rules import builtin_rules
from labrys.scan.run import Options, found_in, scan

_SHAPE: Final = "mail.message"
_COLUMNS: Final = frozenset(
    ("_id", "_time", "from_address", "from_name", "from_domain", "reply_to_address", "to", "depth")
)
_ROWS: Final = 5_000


class History:
    """The profile of a gate, and where it is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.profile = Profile(store.secret())
        self.profile.restore(store.known())

    def broken(self, judged: Judgement) -> list[dict[str, Any]]:
        """What must be judged as well, because the message breaks with the past."""
        return self.profile.broken(judged.mail, judged.digest, now()) if judged.mail else []

    def passed(self, judged: Judgement, envelope: Envelope) -> None:
        """Learn from a message that was let through; nothing where something was found in it."""
        if judged.mail is None or judged.severity >= Severity.LOW:
            return
        # Whom a header names is what its writer says; whom the server sends it to is not.
        sent = {each.strip("<>").lower() for each in envelope.recipients}
        self.profile.learn(judged.mail, now(), wrote_to=judged.mail.recipient in sent)

    def learn(self, case: Case) -> tuple[int, int]:
        """Learn from the mail of a case, in the order of its times: (so many messages, left out).

        Left out is what something was found in, what was inside another message, and what has no
        time or one still to come.
        """
        held = case.shapes().get(_SHAPE)
        if held is None:
            return 0, 0
        mails = _mails(case)
        for row in _rows(mails):
            self.profile.learn(Mail.of(row), row["_time"], wrote_to=True)
        self.saving()()
        return mails.num_rows, held.rows - mails.num_rows

    def saving(self) -> Callable[[], None]:
        """What stores, wherever it is called, that which has changed until now."""
        return partial(self._store.know, self.profile.taken())


def learn(history: History, path: Path, reading: Reading, watch: Watcher) -> tuple[int, int]:
    """Learn from a case, or from a mailbox that is scanned for it (see `History.learn`)."""
    if (path / "ledger.sqlite").is_file():
        with Case.open(path, create=False, write=False) as case:
            return history.learn(case)
    with TemporaryDirectory(prefix="labrys-learn-") as folder, Case.open(f"{folder}/case") as case:
        scan(case, Options((path,), (builtin_rules(),), reading=reading), watch)
        return history.learn(case)


def _mails(case: Case) -> pa.Table:
    """The messages that teach, in the order of time."""
    held = [each for each in case.segments() if _SHAPE in each.places]
    tables = [_whole(case.read(each, _SHAPE, _COLUMNS)) for each in held]
    mails = pa.concat_tables(tables, promote_options="permissive")
    teaches = pc.and_(pc.greater_equal(mails["_time"], 0), pc.less_equal(mails["_time"], now()))
    outer = pc.is_in(mails["depth"].cast(pa.string()), pa.array(["0", None]))
    mails = mails.filter(pc.and_(pc.fill_null(teaches, False), outer))
    suspected = pa.array(sorted(_suspected(case)), pa.string())
    mails = mails.filter(pc.invert(pc.is_in(mails["_id"].cast(pa.string()), suspected)))
    return mails.sort_by([("_time", "ascending"), ("_id", "ascending")])


def _whole(table: pa.Table) -> pa.Table:
    for name in sorted(_COLUMNS - set(table.column_names)):
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table.select(sorted(_COLUMNS))


def _suspected(case: Case) -> Iterator[str]:
    found = found_in(case)
    found = found.filter(pc.greater_equal(found["severity_id"], int(Severity.LOW)))
    for evidence in found["evidence"].to_pylist():
        yield from (each["_id"] for each in evidence or () if each["_id"])


def _rows(mails: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in mails.to_batches(max_chunksize=_ROWS):
        yield from batch.to_pylist()
