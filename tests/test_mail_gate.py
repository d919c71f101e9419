"""`labrys mail` as a user runs it: checks, reports, the HTTP side, and a real Postfix."""

import json
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from tests.command import COMMAND, environment, labrys
from tests.postfix import Postfix, free_port, missing

RULE = """title: Wire at once
id: 6a0d9d5e-2f0b-4a52-9a55-0e5f3c2a7b10
status: test
level: high
tags: [attack.t1566]
logsource: {product: mail, category: email}
detection: {words: {subject|contains: urgent wire}, condition: words}
"""
BAD = (
    b"From: Pay <a@example.net>\r\nTo: b@example.org\r\nSubject: urgent wire\r\n"
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nPay now.\r\n"
)
GOOD = BAD.replace(b"urgent wire", b"lunch at noon").replace(b"Pay now.", b"See you there.")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/wire.yml").write_text(RULE)
    (tmp_path / "bad.eml").write_bytes(BAD)
    (tmp_path / "good.eml").write_bytes(GOOD)
    return tmp_path


@contextmanager
def serving(place, *more, milter=None, http=None):
    """A gate that listens; yields its process."""
    milter, http = milter or free_port(), http or free_port()
    process = subprocess.Popen(
        [
            *COMMAND, "mail", "serve", "--milter", f"127.0.0.1:{milter}", "--host", "mx.example.org",
            "--http", f"127.0.0.1:{http}", "--rules", "rules", "--jobs", "2", *more,
        ],
        cwd=place, env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.milter, process.http = milter, http
    try:
        assert "milter on" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def ask(gate, path, body=None, **headers):
    asked = urllib.request.Request(f"http://127.0.0.1:{gate.http}{path}", body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_check_says_why(place):
    done = labrys("mail", "check", "bad.eml", "good.eml", "--rules", "rules", "--json", cwd=place)
    assert done.code == 0, done.err
    bad, good = done.lines
    assert (bad["action"], bad["severity_id"]) == ("quarantine", 4)
    assert "Wire at once" in [each["title"] for each in bad["reasons"]]
    assert (good["action"], good["verdict"]) == ("accept", "clean")
    told = labrys("mail", "check", "bad.eml", "--rules", "rules", cwd=place)
    assert "bad.eml: found, quarantine" in told.text
    assert "subject" in told.text


def test_who_borrows_the_name_of_somebody_learnt_is_found(place):
    (place / "box").mkdir()
    wrote = GOOD.replace(b"From: Pay <a@example.net>", b"From: Marta Kovacs <marta@hartwig.com>")
    for day in range(1, 6):
        mail = wrote.replace(b"Mon, 30 Nov 2026", b"0%d Jan 2026" % day).replace(
            b"<1@", b"<%d@" % day
        )
        (place / f"box/{day}.eml").write_bytes(mail)
    borrowed = BAD.replace(b"From: Pay <a@example.net>", b"From: Marta Kovacs <marta7@gmail.com>")
    (place / "new.eml").write_bytes(borrowed.replace(b"Pay now.", b"Please buy gift cards today."))
    done = labrys("mail", "learn", "box", "--folder", "gate", "--quiet", cwd=place)
    assert done.code == 0, done.err
    assert "learnt from 5 messages, 0 taught nothing; 1 domains are known" in done.err
    told = labrys("mail", "check", "new.eml", "--folder", "gate", cwd=place)
    assert "Mail in the name of somebody known (mail_relation.borrowed" in told.text
    assert "the name is known from another address: marta kovacs <marta7@gmail.com>" in told.text
    assert "somebody known" not in labrys("mail", "check", "new.eml", cwd=place).text
    assert labrys("mail", "learn", "nowhere", "--folder", "gate", cwd=place).code == 2


def test_check_of_what_cannot_be_read_is_inconclusive(place):
    (place / "odd.eml").write_bytes(
        GOOD.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed\r\n\r\n", 1)
    )
    done = labrys("mail", "check", "odd.eml", "--json", cwd=place)
    assert done.code == 1
    assert done.lines[0]["verdict"] == "inconclusive"


def test_bad_usage_is_said(place):
    assert labrys("mail", "check", "none.eml", cwd=place).code == 2
    assert labrys("mail", "held", "--folder", "nowhere", cwd=place).code == 2
    done = labrys("mail", "serve", "--milter", "here", cwd=place)
    assert done.code == 2
    assert "is no address" in done.err


def test_a_client_that_tries_changes_is_told_of_bounded_and_told_no_more_than_asked(place):
    with serving(place, "--folder", "gate", "--budget", "14", "--labels-only") as gate:
        words = b"please pay the invoice that we sent you last week to our new account today"
        answers = [
            ask(gate, "/check", BAD.replace(b"Pay now.", words + b" x%d" % n)) for n in range(16)
        ]
        assert [status for status, _ in answers] == [200] * 14 + [429] * 2
        assert answers[0][1] == {"action": "quarantine"}
        assert ask(gate, "/alarms") == (200, [])
        assert ask(gate, "/health")[1]["refused, over budget"] == 2


def test_http_checks_and_takes_reports_that_can_be_exported(place):
    report = (
        b"From: b@example.org\r\nSubject: fwd\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n'
        b"Content-Type: message/rfc822\r\n\r\n" + BAD + b"\r\n--x--\r\n"
    )
    with serving(place, "--folder", "gate") as gate:
        assert ask(gate, "/check", BAD)[1]["action"] == "quarantine"
        assert ask(gate, "/check", GOOD)[1]["verdict"] == "clean"
        assert ask(gate, "/report?label=spam&by=ann", report) == (200, {"kept": 1})
        assert ask(gate, "/report?label=spam", BAD)[0] == 422
        assert ask(gate, "/report", report)[0] == 400
        assert ask(gate, "/health")[1]["messages"] == 2
        assert ask(gate, "/nothing")[0] == 404
        assert ask(gate, "/check")[0] == 405
        assert ask(gate, "/check", BAD, Origin="http://evil.example")[0] == 403
        gate.send_signal(signal.SIGTERM)
        assert gate.wait(30) == 0
        assert "2 messages" in gate.stderr.read()
    listed = labrys("mail", "reports", "--folder", "gate", "--out", "teach", "--json", cwd=place)
    assert [(row["label"], row["reporter"], row["doubt"]) for row in listed.lines] == [
        ("spam", "ann", "")
    ]
    (taught,) = (place / "teach/spam").iterdir()
    assert b"Subject: urgent wire" in taught.read_bytes()
    short = listed.lines[0]["digest"][:8]
    asked = ("--as", "drop", "--folder", "gate")
    assert labrys("mail", "decide", "zz", *asked, cwd=place).code == 2
    assert labrys("mail", "decide", short, *asked, "--who", "bo", cwd=place).code == 0
    said = labrys("mail", "reports", "--folder", "gate", "--json", cwd=place).lines[0]
    assert (said["decided"], said["doubt"]) == ("bo", "decided: it must not teach")
    assert b"left out" in labrys("mail", "reports", "--folder", "gate", cwd=place).out


def test_what_waits_is_shown_and_let_teach_or_kept_from_it(place):
    attached = (
        b"From: b@example.org\r\nSubject: fwd\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n'
        b"Content-Type: message/rfc822\r\n\r\n%s\r\n--x--\r\n"
    )
    here = ("--folder", "gate")
    for name, message, said in (("r1", BAD, "ham"), ("r2", GOOD, "ham"), ("r3", GOOD, "spam")):
        (place / f"{name}.eml").write_bytes(attached % message)
        given = ("--label", said, "--who", name, *here)
        assert labrys("mail", "report", f"{name}.eml", *given, cwd=place).code == 0
    listed = labrys("mail", "reports", "--waiting", "--json", *here, cwd=place)
    assert listed.code == 1
    # r1 alone calls ordinary what something is found in; r2 and r3 disagree.
    assert {row["reporter"] for row in listed.lines} == {"r1", "r2", "r3"}
    every = labrys("mail", "reports", "--json", *here, cwd=place).lines
    bad, good = (
        next(row["digest"] for row in every if row["reporter"] == who) for who in ("r1", "r2")
    )
    told = labrys("mail", "show", bad[:9], "--json", *here, cwd=place)
    assert told.code == 0
    (row,) = told.lines
    assert row["message"]["subject"] == "urgent wire"
    assert {"verdict", "reasons", "problems"} <= set(row["now"])
    assert [one["reporter"] for one in row["reports"]] == ["r1"]
    assert b"waits: people disagree" in labrys("mail", "show", good, *here, cwd=place).out
    asked = ("--as", "reported", "--json", *here)
    assert labrys("mail", "decide", good[:9], *asked, cwd=place).code == 2
    assert labrys("mail", "decide", bad[:9], *asked, cwd=place).lines[0]["label"] == "ham"
    assert labrys("mail", "decide", good, "--as", "drop", *here, cwd=place).code == 0
    after = labrys("mail", "reports", "--waiting", "--out", "teach", *here, cwd=place)
    assert (after.code, after.out) == (0, b"")
    assert [each.name for each in (place / "teach/ham").iterdir()] == [f"{bad}.eml"]
    (place / "gate/reported" / f"{bad}.eml").unlink()
    gone = labrys("mail", "show", bad, *here, cwd=place)
    assert (gone.code, b"not kept" in gone.out) == (1, True)


def test_report_command_keeps_what_is_attached(place):
    done = labrys("mail", "report", "bad.eml", "--label", "spam", "--folder", "gate", cwd=place)
    assert done.code == 1
    assert "no message is attached" in done.err


@pytest.fixture
def postfix_here():
    if why := missing():
        pytest.skip(why)


@pytest.mark.usefixtures("postfix_here")
def test_postfix_delivers_marks_holds_and_releases(place):
    milter = free_port()
    with (
        serving(place, "--folder", "gate", milter=milter),
        Postfix(milter) as server,
    ):
        assert server.send(b"X-Labrys-Verdict: clean; forged\r\n" + GOOD) == 250
        assert server.send(BAD) == 250
        server.wait(lambda: len(server.delivered()) == 1 and len(server.held()) == 1)
        (good,) = server.delivered()
        assert b"X-Labrys-Verdict: clean; action=accept" in good
        assert b"forged" not in good
        assert b"Authentication-Results: mx.example.org; x-labrys=pass" in good
        rows = labrys("mail", "held", "--folder", "gate", "--json", cwd=place).lines
        (held,) = server.held()
        assert [(row["queue_id"], row["recipients"]) for row in rows] == [(held, ["b@example.org"])]
        assert labrys("mail", "release", "NOSUCH", "--folder", "gate", cwd=place).code == 2
        # This server is not the machine's own, so its own command lets the message go.
        done = labrys("mail", "release", held, "--no-server", "--folder", "gate", cwd=place)
        assert done.code == 0, done.err
        server.run("postsuper", "-H", held)
        server.run("postqueue", "-f")
        server.wait(lambda: len(server.delivered()) == 2)
        assert any(
            b"X-Labrys-Verdict: high; action=quarantine" in each for each in server.delivered()
        )


@pytest.mark.usefixtures("postfix_here")
def test_nothing_is_lost_when_the_gate_is_killed(place):
    """Senders try again what was not taken; each message arrives, whatever dies in between."""
    milter, count = free_port(), 40
    left, lock = list(range(count)), threading.Lock()

    def send():
        while True:
            with lock:
                if not left:
                    return
                number = left.pop()
            raw = GOOD.replace(b"lunch at noon", b"number %d." % number)
            while server.send(raw) != 250:
                time.sleep(0.2)

    with Postfix(milter) as server:
        with serving(place, milter=milter) as gate:
            senders = [threading.Thread(target=send) for _ in range(4)]
            for each in senders:
                each.start()
            server.wait(lambda: len(left) < count // 2)
            gate.kill()
        with serving(place, milter=milter):
            for each in senders:
                each.join(60)
            server.wait(lambda: len(server.delivered()) >= count)
        arrived = b"\n".join(server.delivered())
    assert {int(each) for each in re.findall(rb"Subject: number (\d+)", arrived)} == set(
        range(count)
    )
