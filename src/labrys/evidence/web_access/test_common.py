import time

import pytest

from labrys.evidence.web_access.common import parse, time_of


def said(line, *names):
    fields, _ = parse(line)
    return tuple(fields.get(name) for name in names)


STAMP = "[04/Mar/2024:05:06:07 +0000]"


def test_who_asked():
    rest = f' {STAMP} "GET / HTTP/1.1" 200 1'
    names = ("c-ip", "cs-username", "cs-host")
    assert said("192.0.2.1 - -" + rest, *names) == ("192.0.2.1", None, None)
    assert said("192.0.2.1 - a b c" + rest, *names) == ("192.0.2.1", "a b c", None)
    assert said("h.example 192.0.2.1 - a" + rest, *names) == ("192.0.2.1", "a", "h.example")
    assert said("192.0.2.1 192.0.2.2 - a" + rest, *names)[0] == "192.0.2.1"
    assert said("client.example - [x]" + rest, *names) == ("client.example", "[x]", None)
    assert said("a, b - -" + rest, *names) == (["a", "b"], None, None)
    assert said("192.0.2.1" + rest, *names) == ("192.0.2.1", None, None)


def test_what_was_asked():
    names = ("cs-method", "cs-uri", "cs-uri-stem", "cs-uri-query", "cs-version", "request")
    for request, want in (
        ("GET /a?b?c HTTP/1.1", ("GET", "/a?b?c", "/a", "b?c", "HTTP/1.1", None)),
        ("GET /a? HTTP/1.1", ("GET", "/a?", "/a", "", "HTTP/1.1", None)),
        ("GET /a b HTTP/1.1", ("GET", "/a b", "/a b", None, "HTTP/1.1", None)),
        ("GET /", ("GET", "/", "/", None, None, None)),
        ("GET http://x", ("GET", "http://x", "/", None, None, None)),
        ("-", (None, None, None, None, None, "-")),
        ("", (None, None, None, None, None, "")),
        (r"\x16\x03 \x01", (None, None, None, None, None, r"\x16\x03 \x01")),
    ):
        assert said(f'192.0.2.1 - - {STAMP} "{request}" 200 1', *names) == want


@pytest.mark.parametrize(
    "line",
    [
        "",
        "192.0.2.1 - -",
        f'192.0.2.1 - - {STAMP} "GET / HTTP/1.1"',
        f'192.0.2.1 - - {STAMP} "GET / HTTP/1.1" abc 1',
        f'192.0.2.1 - - {STAMP} "GET / HTTP/1.1" 2000 1',
        f'192.0.2.1 - - {STAMP} "GET / HTTP/1.1" 200 1x',
        f'{STAMP} "GET / HTTP/1.1" 200 1',
        '192.0.2.1 - - [2024-03-04] "GET / HTTP/1.1" 200 1',
    ],
)
def test_what_is_no_request(line):
    assert parse(line) is None


def test_times():
    assert time_of("10/Oct/2000:13:55:36 -0700") == 971_211_336_000
    assert time_of("10/Oct/2000:13:55:36.250 +0000") == 971_186_136_250
    assert time_of("29/Feb/2023:00:00:00 +0000") is None
    assert time_of("01/Xyz/2023:00:00:00 +0000") is None
    assert time_of("01/Jan/0000:00:00:00 +0000") is None
    assert time_of("01/Jan/2023:24:00:00 +0000") is None


@pytest.mark.parametrize("unit", ["a ", '"', '" ', f"{STAMP} ", "\\", '" 200 1', f'{STAMP} "a" 2'])
def test_no_line_takes_long(unit):
    began = time.process_time()
    for start in ("", f'a {STAMP} "'):
        parse(start + unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 4
