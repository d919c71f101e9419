import time

import pytest

from labrys.evidence.syslog.header import parse


def said(line):
    header = parse(line)
    return header and (
        *(header.timestamp, header.host, header.program, header.pid, header.message),
        *(header.facility, header.severity),
    )


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (
            "Mar  7 13:06:56 h sshd[12]: a: b",
            ("Mar  7 13:06:56", "h", "sshd", "12", "a: b", None, None),
        ),
        (
            "<38>Mar 27 13:06:56.123 h run-parts(/etc/cron.daily)[7]: x",
            ("Mar 27 13:06:56.123", "h", "run-parts(/etc/cron.daily)", "7", "x", "auth", "info"),
        ),
        (
            "Mar 27 2023 13:06:56 fw %ASA-6-302013: Built",
            ("Mar 27 2023 13:06:56", "fw", "%ASA-6-302013", None, "Built", None, None),
        ),
        (
            "Mar 27 2023 13:06:56 fw : %ASA-6-302013: Built",
            ("Mar 27 2023 13:06:56", "fw", "%ASA-6-302013", None, "Built", None, None),
        ),
        (
            "<189>*Mar 27 13:06:56.123 UTC: %SYS-5-CONFIG_I: Configured from console",
            (
                *("Mar 27 13:06:56.123", None, "%SYS-5-CONFIG_I", None),
                *("Configured from console", "local7", "notice"),
            ),
        ),
        (
            "Mar 27 13:06:56: --- last message repeated 3 times ---",
            (
                *("Mar 27 13:06:56", None, None, None),
                *("--- last message repeated 3 times ---", None, None),
            ),
        ),
        (
            "Mar 27 13:06:56 2023 h a: b",
            ("Mar 27 13:06:56 2023", "h", "a", None, "b", None, None),
        ),
        (
            "Mar 27 13:06:56 h last message repeated 3 times",
            ("Mar 27 13:06:56", "h", None, None, "last message repeated 3 times", None, None),
        ),
        (
            "Mar 27 13:06:56 mac com.apple.xpc.launchd[1] (com.x[2]): gone",
            ("Mar 27 13:06:56", "mac", "com.apple.xpc.launchd", "1", " (com.x[2]): gone", None, None),
        ),
        (
            "Jan  1 00:00:05 kernel: [ 1.2] x: y",
            ("Jan  1 00:00:05", None, "kernel", None, "[ 1.2] x: y", None, None),
        ),
        (
            "Jan  1 00:00:05 router daemon.info dnsmasq[9]: x",
            ("Jan  1 00:00:05", "router", "dnsmasq", "9", "x", "daemon", "info"),
        ),
        (
            "Thu Jan  1 00:00:05 2023 auth.notice dropbear[9]: x",
            ("Jan  1 00:00:05 2023", None, "dropbear", "9", "x", "auth", "notice"),
        ),
        (
            "Jan  1 00:00:05 sun sshd[1]: [ID 800047 auth.info] Failed",
            ("Jan  1 00:00:05", "sun", "sshd", "1", "Failed", "auth", "info"),
        ),
        (
            "2024-01-02T03:04:05.678901+02:00 h postfix/smtpd[5]: x",
            ("2024-01-02T03:04:05.678901+02:00", "h", "postfix/smtpd", "5", "x", None, None),
        ),
        (
            "<165>1 2003-10-11T22:14:15.003Z h.example evntslog - ID47 - \ufefftext",
            ("2003-10-11T22:14:15.003Z", "h.example", "evntslog", None, "text", "local4", "notice"),
        ),
        (
            "83 <34>1 - h su - - -",
            (None, "h", "su", None, "", "auth", "crit"),
        ),
        (
            "17 <13>Feb  3 01:02:03 h a: b",
            ("Feb  3 01:02:03", "h", "a", None, "b", "user", "notice"),
        ),
        ("<999>Feb  3 01:02:03 h a: b", ("Feb  3 01:02:03", "h", "a", None, "b", "124", "debug")),
        ("Foo  3 01:02:03 h a: b", None),
        ("plain text", None),
        ("", None),
        ("12 <34", None),
    ],
)  # fmt: skip
def test_heads(line, want):
    assert said(line) == want


def test_structured_data():
    line = r'<34>1 - h a - M [x@1 k="v \"\]\\ w" k="2" n=""][y] [not data] text'
    header = parse(line)
    assert header.extra == {"msgid": "M", "x@1.k": ['v "]\\ w', "2"], "x@1.n": ""}
    assert header.message == "[not data] text"
    assert parse('<34>1 - h a - - [broken k="v] text').message == '[broken k="v] text'


@pytest.mark.parametrize(
    "start", ["Jan  1 00:00:01 h ", "2024-01-02T03:04:05Z h ", "<1>1 - h a - - "]
)
@pytest.mark.parametrize("unit", ["a", "a:", "a:b", '[a b="c" ', '[a b="\\', "[", ": ", "[x] ("])
def test_no_line_takes_long(start, unit):
    began = time.process_time()
    parse(start + unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 2


def test_a_firewall_without_a_name_and_one_that_says_its_zone() -> None:
    nameless = parse("Aug 15 2026 23:30:09 : %ASA-6-302016 Teardown UDP")
    assert nameless is not None
    assert (nameless.host, nameless.message) == (None, "%ASA-6-302016 Teardown UDP")
    zoned = parse("Apr 15 2026 09:34:34 EDT: %ASA-5-106100: access-list")
    assert zoned is not None
    assert (zoned.timestamp, zoned.has_year) == ("Apr 15 2026 09:34:34 EDT", True)
