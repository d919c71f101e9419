"""Judges messages that break with the past by what they ask for: relation and content together.

A stranger is nobody to report; a stranger who asks for a payment, a password or a favour is, and
more so one who bears the name of somebody known, or writes from a domain that looks like a known one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail.columns import Bools, Floats, mask
from labrys.detect.mail.features import NAMES, Seen
from labrys.detect.mail.hosts import FREE_MAIL, near
from labrys.detect.mail.kinds import KINDS, kinds
from labrys.detect.mail.letters import undisguised
from labrys.detect.mail.score import model, scores
from labrys.detect.mail_relation.features import FEW
from labrys.ocsf.schema import FINDING, Severity

ID: Final = "mail_relation"
VERSION: Final = "1"

LOW: Final = 1.5
MEDIUM: Final = 2.5
HIGH: Final = 3.5
"""Points from which a message is told. Set on the mailbox of development (bench/mail_relation)."""
_MOST_REASONS: Final = 6
_OF_PEOPLE: Final = ("bank_change", "gift_card", "errand", "extortion", "windfall")
"""What is asked in words, without a link, and seldom by software."""
_REQUESTS: Final = (
    *_OF_PEOPLE,
    *("credential", "quota", "payment", "callback", "coins", "file_lure"),
)


@dataclass(frozen=True, slots=True)
class Relation:
    """What is unusual about each message's sender."""

    stranger: Bools
    unasked: Bools
    new_domain: Bools
    borrowed: Bools
    answers: Bools
    alike: tuple[str, ...]
    """The known domain that the sender's looks like; "" where none."""


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    messages = rows.filter(pc.equal(rows["kind"], "message")).combine_chunks()
    if not messages.num_rows:
        return FINDING.empty_table()
    known = rows.filter(pc.equal(rows["kind"], "domain"))
    relation = relations(messages, known)
    points, asked, kind = judged(messages, relation)
    found = [
        _finding(messages, at, float(points[at]), relation, asked, int(kind[at]))
        for at in np.flatnonzero(points > LOW).tolist()
    ]
    return pa.Table.from_pylist(found, FINDING)


def relations(messages: pa.Table, known: pa.Table) -> Relation:
    """What is unusual about the senders of rows of kind `message`."""

    def number(name: str) -> Floats:
        return np.asarray(messages[name].to_numpy(zero_copy_only=False), np.float64)

    name, pair = number("name_earlier"), number("pair_earlier")
    answers = mask(pc.not_equal(messages["reply"], "")) & mask(
        pc.not_equal(messages["reply"], messages["sender"])
    )
    stranger = number("earlier") == 0
    return Relation(
        stranger,
        stranger & (number("written") == 0),
        number("domain_earlier") == 0,
        (name - pair >= FEW) & (pair < FEW),
        answers & (number("earlier") >= FEW) & (number("reply_earlier") < FEW),
        _alike(messages, known),
    )


def _alike(messages: pa.Table, known: pa.Table) -> tuple[str, ...]:
    """For each message the domain that wrote before its own did, and often, and that it looks like."""
    trusted: dict[str, str] = {}
    first: dict[str, int] = {}
    for row in known.select(["thing", "_time", "earlier"]).to_pylist():
        first[row["thing"]] = row["_time"]
        if row["earlier"] >= FEW and row["thing"] not in FREE_MAIL:
            trusted[row["thing"]] = skeleton(row["thing"])
    cache: dict[str, str] = {}
    made = []
    for row in messages.select(["domain", "_time"]).to_pylist():
        domain = row["domain"]
        if domain not in cache:
            mine, since = skeleton(domain), first.get(domain, row["_time"])
            older = (name for name in trusted if name != domain and first[name] < since)
            cache[domain] = next((name for name in older if _like(mine, trusted[name])), "")
        made.append(cache[domain] if domain not in FREE_MAIL else "")
    return tuple(made)


def _like(mine: str, theirs: str) -> bool:
    if mine == theirs:
        return True
    first, other = mine.partition(".")[0], theirs.partition(".")[0]
    if len(other) < 5:
        return False
    return first == other or near(first, other) or (len(other) >= 6 and other in first)


def skeleton(domain: str) -> str:
    """A domain as it looks at a glance."""
    plain = undisguised(domain)[0].lower().replace("rn", "m").replace("vv", "w").replace("-", "")
    return plain.translate(str.maketrans("01357", "olest"))


def judged(messages: pa.Table, relation: Relation) -> tuple[Floats, list[list[str]], np.ndarray]:
    """Points of each message, what each asks for, and its kind as in `labrys.detect.mail`."""
    table = pa.table(
        {
            "subject": messages["subject"], "text_visible": messages["said"],
            "from_address": messages["sender"], "from_domain": messages["domain"],
            "from_name": messages["name"], "reply_to_address": messages["reply"],
            "reply_to_domain": pc.replace_substring_regex(messages["reply"], "^.*@", ""),
            "to": messages["recipient"],
        }
    )  # fmt: skip
    seen = Seen(table)
    made = model()
    found = scores(seen, made)
    at = [[NAMES.index(f"{where}_{one}") for where in ("says", "subject")] for one in _REQUESTS]
    asks = np.column_stack([np.minimum(found.features[:, pair].sum(axis=1), 2) for pair in at])
    asked = [[_REQUESTS[n] for n in np.flatnonzero(row).tolist()] for row in asks]
    alike = np.array([bool(one) for one in relation.alike])
    odd = 2.0 * relation.borrowed + 2.0 * alike + 2.0 * relation.answers
    content = np.clip((found.margin + 1.0) / 2.0, 0.0, 2.5)
    wanted = np.minimum(asks[:, : len(_OF_PEOPLE)].sum(axis=1), 3.0)
    wanted = wanted * 0.5 + np.minimum(asks.sum(axis=1), 4.0) * 0.15
    points = odd + wanted + content + 0.5 * relation.unasked + 0.3 * relation.new_domain
    # Nothing odd about the sender: then he must be a stranger, and what is said bad by itself.
    alone = np.where(relation.unasked, points - 1.5, 0.0)
    return np.where(odd > 0, points, alone) - 0.5, asked, kinds(found.features)


def _finding(
    messages: pa.Table, at: int, points: float, relation: Relation, asked: Sequence[Sequence[str]],
    kind: int,
) -> dict[str, Any]:  # fmt: skip
    row = {name: messages[name][at].as_py() for name in messages.column_names}
    severity = (
        Severity.HIGH if points > HIGH else Severity.MEDIUM if points > MEDIUM else Severity.LOW
    )
    borrowed = bool(relation.borrowed[at] or relation.alike[at] or relation.answers[at])
    title = (
        "Mail in the name of somebody known"
        if borrowed
        else f"Mail of a stranger: {KINDS[kind].title[0].lower()}{KINDS[kind].title[1:]}"
    )
    return {
        "uid": f"{ID}:{row['_id']}",
        "detector": ID,
        "version": VERSION,
        "rule_uid": f"{ID}.{'borrowed' if borrowed else 'stranger'}",
        "title": title,
        "author": "labrys",
        "time_start": row["_time"],
        "time_end": row["_time"],
        "severity_id": int(severity),
        "confidence": int(np.clip(30 + 12 * points, 1, 90)),
        "techniques": ["T1656"] if borrowed else ["T1566"],
        "tactics": ["defense-evasion"] if borrowed else ["initial-access"],
        "entities": [
            {"type": kind_, "value": value, "role": role}
            for kind_, value, role in (
                ("account", row["sender"], "actor"),
                ("domain", row["domain"], "source"),
                ("account", row["recipient"], "target"),
            )
            if value
        ],
        "evidence": [{name: row[name] for name in ("_id", "_source", "_offset")}],
        "reasons": _reasons(row, at, relation, asked[at]),
        "shape": row["_shape"],
        "advice": "Ask the supposed sender by another way before anything is paid, sent or opened.",
    }


def _reasons(
    row: dict[str, Any], at: int, relation: Relation, asked: Sequence[str]
) -> list[dict[str, Any]]:
    said = (
        (bool(relation.alike[at]), f"domain looks like {relation.alike[at]}", row["domain"], 2.5),
        (bool(relation.borrowed[at]), "the name is known from another address", f"{row['name']} <{row['sender']}>", 2.0),
        (bool(relation.answers[at]), "answers go where they never went", row["reply"], 2.0),
        (bool(asked), "asks for or promises", ", ".join(one.replace("_", " ") for one in asked), 1.0),
        (bool(relation.unasked[at]), "first message of this sender, nobody wrote to it", row["sender"], 0.5),
        (bool(relation.new_domain[at]), "first message of this domain", row["domain"], 0.3),
    )  # fmt: skip
    made = [
        {"feature": feature, "value": value[:200], "weight": weight}
        for true, feature, value, weight in said
        if true
    ]
    return made[:_MOST_REASONS]
