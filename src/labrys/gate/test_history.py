"""The gate knows who wrote before: judged as in a scan of the mailbox, kept, and hard to poison."""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

import pytest

from labrys.detect.mail_relation.seen import DAY
from labrys.gate import history as module
from labrys.gate.decide import Gate
from labrys.gate.history import History, learn
from labrys.gate.judge import Judge, joined
from labrys.gate.milter import Envelope
from labrys.gate.policy import Action, Policy
from labrys.gate.store import opened
from labrys.gate.workers import Workers
from labrys.lake.case import Case
from labrys.scan.ingest import Reading
from labrys.scan.run import Options, found_in, scan

OWNER = "olivia@brandt.example"
BEGIN = 1_767_225_600_000
ASKS = (
    "Are you at your desk? I need a quick task handled today, keep this confidential. "
    "Please send the wire transfer to our new bank details urgently, the account has changed."
)
IMPERSONATED = ("Marta Kovacs <marta77@gmail.com>", {})
ALIKE = ("Marta Kovacs <marta@hartw1g.com>", {})
ANSWERED = ("Marta Kovacs <marta@hartwig.com>", {"Reply-To": "marta.k@other.example"})
STRANGER = ("Dana Oak <dana@oak.example>", {})
CHANGED = ("Marta Kovacs <marta@hartwig.com>", {})  # a known sender may ask


def mail(day, sender="Marta Kovacs <marta@hartwig.com>", said="See you on Monday.", **fields):
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, OWNER, "Hello"
    made["Date"] = format_datetime(datetime.fromtimestamp((BEGIN + day * DAY) / 1000, UTC))
    made["Message-ID"] = f"<{day}.{abs(hash((sender, said)))}@x.example>"
    for name, value in fields.items():
        made[name] = value
    made.set_content(said)
    return made.as_bytes()


KNOWN = [mail(day) for day in range(1, 7)]
ATTACKS = [
    mail(20 + n, sender, ASKS, **fields)
    for n, (sender, fields) in enumerate((IMPERSONATED, ALIKE, ANSWERED, STRANGER, CHANGED))
]


class Quiet:
    """Watches a scan and says nothing."""

    def __getattr__(self, _):
        return lambda *_: None


@pytest.fixture
def clock(monkeypatch):
    """The gate's clock, at the last message's day."""
    now = [BEGIN + 30 * DAY]
    monkeypatch.setattr(module, "now", lambda: now[0])
    return now


def folder_of(path, messages):
    path.mkdir()
    for number, each in enumerate(messages):
        (path / f"{number:03}.eml").write_bytes(each)
    return path


def told(findings):
    return [
        (row["rule_uid"], row["severity_id"], row["confidence"], {r["feature"] for r in row["reasons"]})
        for row in findings
    ]  # fmt: skip


def by_scan(tmp_path):
    """What a scan of the whole mailbox tells of each attack."""
    box = folder_of(tmp_path / "box", [*KNOWN, *ATTACKS])
    with Case.open(tmp_path / "case") as case:
        scan(case, Options((box,), only=("mail_relation",), reading=Reading(jobs=1)), Quiet())
        rows = found_in(case).to_pylist()
    sent = [mail["time_start"] for mail in rows]
    made = dict(zip(sent, told(rows), strict=True))
    return [made.get(BEGIN + (20 + n) * DAY) for n in range(len(ATTACKS))]


def at_gate(history, content):
    judge = Judge(())
    (judged,) = judge.judge([content])
    rows = history.broken(judged)
    return joined(judged, judge.related(rows)) if rows else judged


def of_gate(judged):
    return [
        (each.rule, each.severity, each.confidence, {seen.partition(": ")[0] for seen in each.seen})
        for each in judged.reasons
    ]


def test_a_mailbox_is_judged_as_in_a_scan_of_it(tmp_path, clock):
    wanted = by_scan(tmp_path)
    # Who borrows a name, a look-alike domain, answers elsewhere are told, known people are not.
    assert [bool(each) for each in wanted[:3]] == [True] * 3
    assert all(each[0] == "mail_relation.borrowed" for each in wanted[:3])
    assert wanted[4] is None
    with opened(tmp_path / "gate") as store:
        held = History(store)
        box = folder_of(tmp_path / "past", KNOWN)
        assert learn(held, box, Reading(jobs=1), Quiet()) == (6, 0)
    with opened(tmp_path / "gate") as store:  # as after a restart
        held = History(store)
        found = []
        for number, each in enumerate(ATTACKS):
            clock[0] = BEGIN + (20 + number) * DAY
            judged = at_gate(held, each)
            found.append(next(iter(of_gate(judged)), None))
            held.passed(judged, Envelope(recipients=[OWNER]))
    assert found == wanted


def test_a_case_teaches_what_was_not_found_in_and_has_been(tmp_path, clock):
    clock[0] = BEGIN + 21 * DAY  # the later attacks have not happened
    box = folder_of(tmp_path / "box", [*KNOWN, *ATTACKS])
    with Case.open(tmp_path / "case") as case:
        scan(case, Options((box,), only=("mail_relation",), reading=Reading(jobs=1)), Quiet())
    with opened(tmp_path / "gate") as store:
        held = History(store)
        assert learn(held, tmp_path / "case", Reading(jobs=1), Quiet()) == (6, 5)
        held.saving()()
        assert list(store.known())


def gate_of(tmp_path, store):
    workers = Workers(lambda: Judge(()), jobs=1)
    workers.start()
    return Gate(workers, Policy(), store, tmp_path, "mx", History(store))


def through(tmp_path, messages, clock, envelope=None):
    """Send messages, each on the next day; what became of them, and the profile."""
    envelope = envelope or Envelope("Q", recipients=[OWNER])

    async def main(gate):
        made = []
        for each in messages:
            clock[0] += DAY
            made.append(await gate.decide(each, envelope))
        return made

    with opened(tmp_path / "gate") as store:
        gate = gate_of(tmp_path, store)
        try:
            made = asyncio.run(main(gate))
            gate.history.saving()()
            return made, gate.history.profile
        finally:
            gate.workers.close()


def test_the_gate_learns_from_what_passed_and_never_from_what_was_found(tmp_path, clock):
    borrowed = mail(20, *IMPERSONATED[:1], ASKS)
    made, _ = through(tmp_path, [*KNOWN, *[borrowed] * 5], clock)
    assert [action for _, action in made[:6]] == [Action.ACCEPT] * 6
    # However often the attacker writes, he stays who borrows the name.
    for judged, action in made[6:]:
        assert of_gate(judged)[0][0] == "mail_relation.borrowed"
        assert action != Action.ACCEPT
        assert "first message of this sender, nobody wrote to it" in of_gate(judged)[0][3]
    # After a restart all is still known.
    (again, *_), _ = through(tmp_path, [borrowed], clock)
    assert of_gate(again[0]) == of_gate(made[-1][0])


def test_who_asks_over_http_teaches_nothing(tmp_path, clock):
    _, profile = through(tmp_path, KNOWN, clock, Envelope())
    assert len(profile) == 0
    assert profile.taken() == {}


def test_nobody_makes_himself_written_to_by_a_header(tmp_path, clock):
    to_him = mail(1, "Eve <eve@evil.example>").replace(OWNER.encode(), b"accomplice@oak.example")
    _, profile = through(tmp_path, [to_him], clock)
    (judged,) = Judge(()).judge([mail(2, "Ac Complice <accomplice@oak.example>")])
    (row, *_) = profile.broken(judged.mail, "x", clock[0])
    assert row["written"] == 0
    sent = Envelope("Q", recipients=["<accomplice@oak.example>"])
    _, profile = through(tmp_path, [to_him], clock, sent)
    assert profile.row(judged.mail, "x", clock[0])["written"] == 1
    assert profile.broken(judged.mail, "x", clock[0]) == []


def test_what_is_stored_holds_no_address(tmp_path, clock):
    through(tmp_path, KNOWN, clock)
    raw = (tmp_path / "gate" / "gate.sqlite").read_bytes()
    assert b"marta" not in raw.lower()
    assert b"hartwig.com" in raw
