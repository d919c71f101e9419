"""Judges messages as they came, with the same reader, rules and detectors as a scan."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from labrys.detect.contract import RowDetector
from labrys.detect.mail_relation.seen import ROWS, Mail
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.rows import add
from labrys.evidence.mail_auth.dkim import NOT_GIVEN
from labrys.evidence.records import Loose, Records, Source
from labrys.evidence.values import MULTI, cell
from labrys.gate.sketch import sketch
from labrys.scan.coalesce import Coalescer

LARGEST: Final = 32 << 20
"""Bytes of a message that are read at the gate."""
_ID: Final = 20
"""So much of a message's digest begins the `_id` of each of its rows (`evidence.records`)."""
_MOST_REASONS: Final = 12
_MOST_TEXT: Final = 300
_NO_HEADER: Final = "no header fields: no mail, or its text alone"
_MARK: Final = f"message more than {LARGEST} bytes long: the rest of it was not read"


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One finding in a message: which rule or model, how bad, how sure, and what it saw."""

    rule: str
    title: str
    severity: int
    confidence: int
    techniques: tuple[str, ...]
    seen: tuple[str, ...]


class Judgement(msgspec.Struct, frozen=True, array_like=True):
    """What the gate knows of a message.

    `severity` (OCSF `severity_id`, 0 for nothing found) and `confidence` are those of the worst
    finding; `problems` say what could not be read: then "nothing found" means nothing. `runs` is what the
    message is recognised by among near copies (`gate.sketch`).
    """

    digest: str
    severity: int = 0
    confidence: int = 0
    reasons: tuple[Reason, ...] = ()
    problems: tuple[str, ...] = ()
    subject: str = ""
    sender: str = ""
    checked: tuple[str, ...] = ()
    """What DKIM, SPF, DMARC and ARC came to, as RFC 8601 writes it: `spf=pass smtp.mailfrom=…`."""
    runs: tuple[int, ...] = ()
    mail: Mail | None = None
    """Who wrote it and what it says, for a look at who wrote before."""

    @property
    def title(self) -> str:
        """The worst finding in a few words, empty where there is none."""
        return self.reasons[0].title if self.reasons else ""


class Judge:
    """Row detectors, ready to judge."""

    def __init__(self, detectors: Sequence[RowDetector]) -> None:
        self._detectors = tuple(detectors)

    def judge(self, messages: Sequence[bytes]) -> list[Judgement]:
        """A judgement for each message; together they cost less than one by one. Never raises
        because of what a message holds."""
        digests = [hashlib.sha256(each).hexdigest() for each in messages]
        gathered, said = Coalescer(), {}
        for digest, content in dict(zip(digests, messages, strict=True)).items():
            said[digest] = _read(digest, content, gathered)
        found: dict[str, list[dict[str, Any]]] = {digest: [] for digest in said}
        whole = {digest[:_ID]: digest for digest in said}
        for shape, table in gathered.take():
            for finding in self._findings(shape, table):
                # A message inside another one counts for that around it.
                owner = whole.get(finding["evidence"][0]["_id"][:_ID])
                if owner is not None:
                    found[owner].append(finding)
        made = {digest: _judgement(digest, said[digest], found[digest]) for digest in said}
        return [made[digest] for digest in digests]

    def related(self, rows: Sequence[dict[str, Any]]) -> Judgement:
        """What is told of a message that breaks with the past (rows as `Profile.broken` makes them)."""
        from labrys.detect.mail_relation.score import score

        found = score(pa.Table.from_pylist(list(rows), ROWS)).to_pylist()
        return _judgement(rows[0]["_id"], {"problems": ()}, found)

    def _findings(self, shape: str, table: pa.Table) -> Iterable[dict[str, Any]]:
        for detector in self._detectors:
            rows = detector.detect(shape, table)
            if rows.num_rows:
                # Matches that are kept for correlations are no findings of their own.
                yield from (
                    row for row in rows.to_pylist() if row["detector"] in _for_people(detector)
                )


def _for_people(detector: RowDetector) -> tuple[str, ...]:
    return tuple(name for name in detector.emits if not name.endswith(".match"))


def _read(digest: str, content: bytes, gathered: Coalescer) -> dict[str, Any]:
    """Keep the rows of a message; what its own row says of it."""
    records = Records(Source(Path("-"), "message", digest, len(content), loose=True))
    kept = content[:LARGEST]
    add(records, parse(kept, 0, len(kept)), 0)
    said: dict[str, Any] = {"problems": [_MARK] if len(kept) < len(content) else []}
    for shape, batch in records.drain():
        if shape == "mail.message":
            rows = _rows(batch)
            first = rows[0]
            said |= {name: first.get(name) or "" for name in ("subject", "from_address")}
            said["checked"] = _checked(first)
            said["mail"] = Mail.of(first)
            said["runs"] = sketch(f"{said['subject']} {first.get('text_visible') or ''}")
            cells = filter(None, (row.get("problems") for row in rows))
            said["problems"] += [each for cell_ in cells for each in cell_.split(MULTI)]
            if not first.get("headers"):
                said["problems"].append(_NO_HEADER)
        gathered.add(shape, batch)
    return said


def _rows(batch: pa.RecordBatch | Loose) -> list[dict[str, Any]]:
    if isinstance(batch, Loose):  # nearly always: columns are made of those of a whole group
        return [{name: cell(value) for name, value in row[4].items()} for row in batch.rows]
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def _judgement(digest: str, said: dict[str, Any], found: list[dict[str, Any]]) -> Judgement:
    by_rule: dict[str, dict[str, Any]] = {}
    for finding in sorted(
        found, key=lambda row: (-row["severity_id"], -row["confidence"], row["uid"])
    ):
        by_rule.setdefault(finding["rule_uid"], finding)
    reasons = tuple(_reason(row) for row in list(by_rule.values())[:_MOST_REASONS])
    return Judgement(
        digest=digest,
        severity=reasons[0].severity if reasons else 0,
        confidence=reasons[0].confidence if reasons else 0,
        reasons=reasons,
        problems=tuple(dict.fromkeys(said["problems"])),
        subject=said.get("subject", "")[:_MOST_TEXT],
        sender=said.get("from_address", "")[:_MOST_TEXT],
        checked=said.get("checked", ()),
        runs=said.get("runs", ()),
        mail=said.get("mail"),
    )


def joined(judged: Judgement, related: Judgement | None) -> Judgement:
    """A judgement with what who wrote before adds to it; None where that could not be asked."""
    if related is None:
        unasked = "who wrote before could not be asked"
        return msgspec.structs.replace(judged, problems=(*judged.problems, unasked))
    reasons = sorted(
        (*judged.reasons, *related.reasons), key=lambda one: (-one.severity, -one.confidence)
    )
    if not reasons:
        return judged
    worst = reasons[0]
    return msgspec.structs.replace(
        judged, severity=worst.severity, confidence=worst.confidence,
        reasons=tuple(reasons[:_MOST_REASONS]),
    )  # fmt: skip


_METHODS: Final = (
    *(("spf", "smtp.mailfrom", "own_spf_domain"), ("dkim", "header.d", "own_dkim_domains")),
    *(("dmarc", "header.from", "from_address"), ("arc", "header.d", "own_arc_domain")),
)
_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,20}\Z")


def _checked(row: dict[str, Any]) -> tuple[str, ...]:
    """What labrys itself found out; a method for which no record was given is left out."""
    made = []
    for method, property_, column in _METHODS:
        result = row.get(f"own_{method}") or NOT_GIVEN
        if result != NOT_GIVEN:
            about = (row.get(column) or "").split(MULTI)[0].rpartition("@")[2].lower()
            made.append(
                f"{method}={result}" + (f" {property_}={about}" if _HOST.match(about) else "")
            )
    return tuple(made)


def _reason(row: dict[str, Any]) -> Reason:
    seen = (f"{each['feature']}: {each['value']}"[:_MOST_TEXT] for each in row["reasons"] or ())
    return Reason(
        rule=row["rule_uid"],
        title=row["title"],
        severity=row["severity_id"],
        confidence=row["confidence"],
        techniques=tuple(row["techniques"] or ()),
        seen=tuple(seen)[:_MOST_REASONS],
    )
