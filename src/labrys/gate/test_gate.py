"""The gate: what is said of a message, what is done about it, and that nothing it holds ends it."""

import asyncio
import os
import time
from collections import Counter
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.milter_client import Client

from labrys.errors import LabrysError
from labrys.gate import marks, milter, policy, reports
from labrys.gate.decide import Gate
from labrys.gate.judge import LARGEST, Judge, Judgement, Reason
from labrys.gate.milter import Envelope, Session
from labrys.gate.policy import Action, Policy
from labrys.gate.postfix import let_go
from labrys.gate.reports import checked, export, messages
from labrys.gate.serve import Doors, address
from labrys.gate.sketch import signature
from labrys.gate.store import Decision, Report, opened
from labrys.gate.workers import Workers
from labrys.guard.training.copies import FEW
from labrys.ocsf.schema import FINDING

BAD = (
    b'From: "Pay Desk" <a@example.net>\r\nTo: b@example.org\r\nSubject: urgent wire\r\n'
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nPay now.\r\n"
)
GOOD = BAD.replace(b"urgent wire", b"lunch")
DIES, HANGS = BAD.replace(b"urgent wire", b"die"), BAD.replace(b"urgent wire", b"hang")


class Words:
    """Finds messages by their subject: stands for rules and models."""

    id = "words"
    digest = "1"
    emits = ("words", "words.match")

    def detect(self, shape, batch):
        if shape != "mail.message":
            return FINDING.empty_table()
        rows = []
        for row in batch.to_pylist():
            subject = row.get("subject") or ""
            if subject == "die":
                os._exit(9)
            if subject == "hang":
                time.sleep(60)
            for detector in self.emits if "urgent" in subject else ():
                rows.append(found(row, detector))
        return pa.Table.from_pylist(rows, FINDING)


def found(row, detector):
    return {
        "uid": f"{detector}:{row['_id']}", "detector": detector, "version": "1",
        "rule_uid": "words.urgent", "title": "Urgent \u2014 wire\n(now)", "author": "us",
        "severity_id": 4, "confidence": 80, "techniques": ["T1566"], "tactics": [], "entities": [],
        "evidence": [{"_id": row["_id"], "_source": "message", "_offset": 0}],
        "reasons": [{"feature": "subject", "value": row["subject"], "weight": 1.0}],
        "shape": "mail.message", "advice": "",
    }  # fmt: skip


def judged(severity=4, confidence=80, problems=()):
    reason = Reason("r1", "A title", severity, confidence, ("T1566",), ("subject: urgent",))
    return Judgement("d" * 64, severity, confidence, (reason,) if severity else (), problems)


def make():
    return Judge([Words()])


def test_judges_many_as_it_judges_one():
    many = make().judge([BAD, GOOD, BAD, b"", b"\xff\x00 no message"])
    assert [each.severity for each in many] == [4, 0, 4, 0, 0]
    assert many == [
        make().judge([each])[0] for each in (BAD, GOOD, BAD, b"", b"\xff\x00 no message")
    ]
    assert many[0].reasons[0].seen == ("subject: urgent wire",)
    assert len(many[0].reasons) == 1, "a match that is kept for correlations is no reason"


def test_message_inside_another_counts_for_it():
    outer = (
        b"From: c@example.com\r\nTo: b@example.org\r\nSubject: fwd\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
        + BAD
        + b"\r\n--x--\r\n"
    )
    assert make().judge([outer])[0].severity == 4


def test_what_is_too_long_is_not_clean():
    (long,) = make().judge([GOOD + b"x" * LARGEST])
    assert long.severity == 0
    assert any("rest of it was not read" in each for each in long.problems)


@pytest.mark.parametrize("content", [b"", b"a note\nof two lines\n", b"\x7fELF\x02\x01"])
def test_what_is_no_mail_is_not_clean(content):
    (other,) = make().judge([content])
    assert any("no header fields" in each for each in other.problems)


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes_are_judged(contents):
    assert len(make().judge(contents)) == len(contents)


@pytest.mark.parametrize(
    ("given_", "said", "wanted"),
    [
        (Policy(), judged(0), Action.ACCEPT),
        (Policy(), judged(2), Action.TAG),
        (Policy(), judged(4), Action.QUARANTINE),
        (Policy(), judged(4, confidence=30), Action.TAG),
        (Policy(reject="critical"), judged(5), Action.REJECT),
        (Policy(), judged(0, problems=("cut",)), Action.TAG),
        (Policy(unread="defer"), judged(0, problems=("cut",)), Action.DEFER),
        (Policy(unread="defer"), judged(4, problems=("cut",)), Action.QUARANTINE),
        (Policy(), None, Action.ACCEPT),
        (Policy(failed="defer"), None, Action.DEFER),
        (Policy(tag="never", quarantine="never"), judged(5), Action.ACCEPT),
    ],
)
def test_policy(given_, said, wanted):
    assert given_.action(said) == wanted


@pytest.mark.parametrize("text", ["[gate]\ntag = 'loud'", "[gate]\nhold = 1", "gate = 3", "["])
def test_policy_that_is_none_is_named(tmp_path, text):
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(LabrysError, match=r"policy\.toml: not a policy"):
        policy.read(tmp_path / "policy.toml")


@given(st.text(max_size=200), st.text(max_size=200))
def test_fields_that_are_added_stay_one_field_each(title, rule):
    """No text of a rule or a message can begin a field of its own (header injection)."""
    said = Judgement("d", 4, 80, (Reason(rule, title, 4, 80, (), ()),), (title, rule))
    fields = marks.added(said, Action.TAG, "mx.example.org")
    raw = "".join(f"{name}: {value}\n" for name, value in fields).replace("\n", "\r\n")
    assert raw.isascii()
    assert all(len(line) < 998 for line in raw.split("\r\n"))
    read = message_from_bytes(raw.encode() + b"\r\nbody", policy=default)
    assert read.keys() == [name for name, _ in fields]
    assert not read.defects


def test_only_fields_that_this_gate_writes_are_taken_out():
    names = ["X-Labrys-Verdict", "Authentication-Results", "Subject", "Authentication-Results"]
    values = ["clean", " mx.example.org; spf=pass", "s", " (c) MX.example.org (x); dkim=pass"]
    names, values = [*names, "x-labrys-level"], [*values, "1"]
    assert list(marks.forged(names, values, "mx.example.org")) == [
        ("x-labrys-level", 1),
        ("Authentication-Results", 2),
        ("Authentication-Results", 1),
        ("X-Labrys-Verdict", 1),
    ]
    assert not list(marks.forged(["Authentication-Results"], ["other.org; spf=pass"], "mx.org"))


def test_what_the_server_will_add_is_there():
    envelope = Envelope("4X", "helo.example", "[unknown]", "192.0.2.7", "mx", "a@example.net")
    text = milter.received(replace(envelope, helo="x\r\nEvil: 1")).decode()
    assert text.startswith("Return-Path: <a@example.net>\r\nReceived: from x  Evil: 1 (unknown ")
    assert "id 4X" in text


def serving(folder, wanted, use, **given_):
    """Run `use` with the port of a milter that has this policy."""
    workers = Workers(make, jobs=2, **given_)
    workers.start()

    async def main(store):
        gate = Gate(workers, wanted, store, folder, "mx.example.org")

        doors = Doors()
        server = await doors.open(
            lambda *pair: Session(gate.decide, gate.host).run(*pair), address("127.0.0.1:0")
        )
        try:
            return await use(server.sockets[0].getsockname()[1], gate)
        finally:
            await doors.close(gate)

    try:
        with opened(folder) as store:
            return asyncio.run(main(store))
    finally:
        workers.close()


async def ask(port, *raws, **given_):
    client = await Client.connect(port, **given_)
    answers = [await client.message(raw) for raw in raws]
    await client.close()
    return answers


def test_messages_over_one_connection(tmp_path):
    forged = b"X-Labrys-Verdict: clean\r\n" + GOOD

    async def use(port, gate):
        bad, good, other = await ask(port, BAD, GOOD, forged)
        assert bad.verdict == good.verdict == other.verdict == b"c"
        assert bad.quarantined.startswith("labrys: Urgent")
        assert dict(bad.added)["X-Labrys-Verdict"] == "high; action=quarantine"
        assert dict(good.added) == {
            "X-Labrys-Verdict": "clean; action=accept",
            "Authentication-Results": "mx.example.org; x-labrys=pass",
        }
        assert other.removed == [("X-Labrys-Verdict", 1)]
        return gate.store.held(action="quarantine"), dict(gate.seen)

    held, seen = serving(tmp_path, Policy(), use)
    assert [(each.queue_id, each.sender, each.recipients) for each in held] == [
        ("4ABC12", "a@example.net", ("b@example.org",))
    ]
    assert seen["messages"] == 3


def test_old_servers_hear_a_reply_to_each_command_and_others_to_none(tmp_path):
    async def use(port, _):
        old = await ask(port, BAD, GOOD, terms=0x400)
        new = await ask(port, BAD, GOOD)
        alone = await Client.connect(port)
        alone._send(b"MA <a@example.net>\0")
        alone._send(b"B" + GOOD)
        first = await alone._reply()
        await alone.close()
        return old, new, first

    old, new, first = serving(tmp_path, Policy(), use)
    assert old == new
    assert first == (b"c", b""), "the first reply is that to the body"


def test_policy_rejects_and_server_without_quarantine_is_told_to_wait(tmp_path):
    async def use(port, _):
        (refused,) = await ask(port, BAD)
        return refused

    assert serving(tmp_path, Policy(reject="high"), use).text.startswith("550 5.7.1")

    async def without(port, _):
        (waits,) = await ask(port, BAD, can=0x11)
        return waits

    assert serving(tmp_path, Policy(), without).text.startswith("451 4.7.1")


@pytest.mark.parametrize(("failed", "wanted"), [("accept", b"c"), ("defer", b"y")])
def test_message_that_kills_or_stalls_its_judge_takes_no_other_with_it(tmp_path, failed, wanted):
    async def use(port, _):
        raws = [GOOD, DIES, BAD, HANGS, GOOD, BAD]
        answers = await asyncio.gather(*(ask(port, raw) for raw in raws))
        return [answer for (answer,) in answers]

    answers = serving(tmp_path, Policy(failed=failed), use, seconds=3.0)
    assert [answer.verdict for answer in answers] == [b"c", wanted, b"c", wanted, b"c", b"c"]
    assert [bool(answer.quarantined) for answer in answers] == [
        False, False, True, False, False, True,
    ]  # fmt: skip
    if failed == "accept":
        assert dict(answers[1].added)["X-Labrys-Verdict"] == "inconclusive"


def test_more_than_may_wait_is_not_judged(tmp_path):
    async def use(port, _):
        (answer,) = await ask(port, BAD)
        return answer

    answer = serving(tmp_path, Policy(failed="defer"), use, most_bytes=10)
    assert answer.text.startswith("451")


@given(st.binary(max_size=200))
def test_whatever_comes_instead_of_the_protocol_ends_the_connection_only(raw):
    async def main():
        async def decide(content, envelope):
            return judged(0), Action.ACCEPT

        reader = asyncio.StreamReader()
        reader.feed_data(raw)
        reader.feed_eof()
        await Session(decide, "mx").run(reader, Nowhere())

    asyncio.run(main())


class Nowhere:
    """A writer that forgets."""

    def write(self, data):
        pass

    async def drain(self):
        pass

    def close(self):
        pass

    async def wait_closed(self):
        pass


def test_body_that_is_too_long_is_skipped_and_said(tmp_path):
    async def use(port, gate):
        (answer,) = await ask(port, GOOD + b"y" * (LARGEST + 100_000))
        return answer

    answer = serving(tmp_path, Policy(), use)
    assert "inconclusive" in dict(answer.added)["X-Labrys-Verdict"]
    assert "rest of it was not read" in dict(answer.added)["X-Labrys-Unread"].replace("\n\t", " ")


ARF = (
    b"From: user@example.org\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nhere\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"
    b"Feedback-Type: %s\r\nUser-Agent: x/1\r\nVersion: 1\r\n\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\n" + BAD + b"\r\n--b--\r\n"
)


def test_reports_give_the_message_as_it_was():
    (abuse,) = messages(ARF % b"abuse")
    (fine,) = messages(ARF % b"not-spam")
    assert (abuse.label, fine.label) == ("spam", "ham")
    assert abuse.content.strip() == BAD.strip()
    assert messages(BAD) == []
    assert messages(b"") == []


def test_reports_that_may_be_meant_to_mislead_wait():
    def said(digest, label, reporter, severity=0):
        return Report(digest=digest, label=label, reporter=reporter, time=1, severity=severity)

    flood = [said(f"f{n}", "ham", "eve") for n in range(30)]
    rest = [said(f"r{n}", "spam", f"u{n}") for n in range(10)]
    odd = [said("x", "ham", "ann"), said("x", "spam", "bob"), said("y", "ham", "cid", 4)]
    doubts = {each.report.digest: each.doubt for each in checked([*flood, *rest, *odd])}
    assert doubts["x"] == "people disagree about it"
    assert doubts["y"].startswith("reported as ordinary, but judged an attack")
    assert sum(bool(doubts[each.digest]) for each in flood) == 30 - FEW
    assert not any(doubts[each.digest] for each in rest)


def test_who_alone_calls_ordinary_what_something_was_found_in_waits():
    def said(digest, reporter, severity):
        return Report(digest=digest, label="ham", reporter=reporter, time=1, severity=severity)

    given = [said("a", "ann", 2), said("b", "ann", 0), said("c", "ann", 2), said("c", "bob", 2)]
    doubts = [each.doubt for each in checked(given)]
    assert "by one person" in doubts[0]
    assert doubts[1:] == ["", "", ""]
    decided = {"a": Decision(digest="a", label="ham", who="cid", time=2)}
    assert not next(checked(given, decided)).doubt


def test_one_person_teaches_little_more_than_others_do_and_two_are_not_compared():
    def said(label, reporter, count):
        return [
            Report(digest=f"{label}{reporter}{n}", label=label, reporter=reporter, time=n)
            for n in range(count)
        ]

    people = [one for n in range(9) for label in ("ham", "spam") for one in said(label, f"u{n}", 6)]
    taught = Counter(
        (each.report.label, each.report.reporter)
        for each in checked([*people, *said("ham", "eve", 20)])
        if not each.doubt
    )
    assert taught["ham", "eve"] == 2 * 6
    assert all(taught[label, f"u{n}"] == 6 for n in range(9) for label in ("ham", "spam"))
    few = [*said("spam", "ann", 15), *said("spam", "bob", 4)]
    assert not any(each.doubt for each in checked(few))


def test_copies_with_another_header_are_copies():
    text = (
        b"Your parcel waits at the depot, pay the outstanding fee of 2.99 before noon today. " * 6
    )
    raws = [
        b"From: a@x.org\r\nSubject: Parcel\r\nMessage-ID: <%d@x.org>\r\n\r\n%s%d" % (n, text, n)
        for n in range(5)
    ]
    raws.append(
        b"From: b@x.org\r\nSubject: Notes\r\n\r\nThe minutes of the meeting on the roof garden."
    )
    names = [signature(each.runs) for each in Judge(()).judge(raws)]
    assert len(set(names[:5])) == 1
    assert names[5] not in names[:5]
    made = [
        Report(digest=str(n), label="ham", reporter=f"u{n}", time=n, signature=names[n])
        for n in range(5)
    ]
    assert sum(bool(each.doubt) for each in checked(made)) == 2


def test_only_what_may_teach_is_exported(tmp_path):
    kept = tmp_path / "reported"
    kept.mkdir()
    rows = []
    for label, reporter, content in (("spam", "a", BAD), ("ham", "b", GOOD), ("spam", "b", GOOD)):
        digest = reports.Reported(content, None).digest
        (kept / f"{digest}.eml").write_bytes(content)
        rows.append(Report(digest=digest, label=label, reporter=reporter, time=1))
    assert export(tmp_path / "out", kept, checked(rows)) == (1, 0)
    (file,) = (tmp_path / "out" / "spam").iterdir()
    assert file.read_bytes() == BAD


def test_what_a_person_decides_goes_before_doubts_and_counts_once(tmp_path):
    rows = [
        Report(digest="aa", label=label, reporter=reporter, time=1)
        for label, reporter in (("spam", "a"), ("ham", "b"), ("ham", "c"))
    ]
    rows.append(Report(digest="bb", label="ham", reporter="a", time=1, severity=5))
    assert all(each.doubt for each in checked(rows))
    with opened(tmp_path) as store:
        for digest, label in (("aa", "spam"), ("bb", "drop"), ("aa", "ham")):
            store.decide(Decision(digest=digest, label=label, who="ann", time=2))
        decided = store.decisions()
    made = list(checked(rows, decided))
    assert [each.report.label for each in made[:3]] == ["ham"] * 3
    assert [bool(each.doubt) for each in made] == [False, True, True, True]
    assert {each.decided for each in made} == {"ann"}
    assert list(checked(rows, {})) == list(checked(rows))


def test_held_messages_are_released_once_named_and_forgotten_in_time(tmp_path):
    with opened(tmp_path) as store:
        store.keep(judged(), Action.QUARANTINE, Envelope("Q1", sender="a@x.org", recipients=["b"]))
        store.keep(None, Action.DEFER, Envelope("Q2"))
        assert store.release("Q1", "ann").released_by == "ann"
        with pytest.raises(LabrysError, match="no message Q2 was held back"):
            store.release("Q2", "ann")
        assert [each.queue_id for each in store.held()] == ["Q2", "Q1"]
        assert store.forget(1) == 0
        assert store.forget(-1) == 2


@pytest.mark.parametrize("name", ["", "-d ALL", "ALL", "a b", "../x"])
def test_nothing_but_a_queue_name_goes_to_postfix(name):
    with pytest.raises(LabrysError):
        let_go(name)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:88", "127.0.0.1:88"),
        ("inet:88@localhost", "localhost:88"),
        ("unix:/run/x", "unix:/run/x"),
        ("[::1]:25", "::1:25"),
        (":25", "127.0.0.1:25"),
    ],
)
def test_addresses(text, wanted):
    assert str(address(text)) == wanted


@pytest.mark.parametrize("text", ["", "host", "host:port", "host:99999"])
def test_what_is_no_address_is_said(text):
    with pytest.raises(LabrysError, match="is no address"):
        address(text)
