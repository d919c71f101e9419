import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence.logons import of_record, told


@pytest.mark.parametrize(
    ("line", "how", "address", "user"),
    [
        (
            "Login failed for user 'sa'. Reason: wrong. [CLIENT: 192.0.2.9]",
            "failure",
            "192.0.2.9",
            "sa",
        ),
        (
            "warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: x",
            "failure",
            "192.0.2.9",
            None,
        ),
        (
            "imap-login: Login: user=<ben>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.1",
            "success",
            "192.0.2.9",
            "ben",
        ),
        (
            "imap-login: Disconnected (auth failed, 1 attempts): user=<ben>, rip=192.0.2.9, lip=192.0.2.1",
            "failure",
            "192.0.2.9",
            "ben",
        ),
        ("hostd[9]: Event 4 : Cannot login ben@192.0.2.9", "failure", "192.0.2.9", "ben"),
        ("hostd[9]: Event 5 : User ben@192.0.2.9 logged in as x/6", "success", "192.0.2.9", "ben"),
        (
            "192.0.2.9:5555 TLS Auth Error: Auth Username/Password verification failed for peer",
            "failure",
            "192.0.2.9",
            None,
        ),
        ("auth-worker(7): pam(ben,192.0.2.9): unknown user", "failure", "192.0.2.9", "ben"),
        (
            "plain authenticator failed for (a.example) [192.0.2.9]:5: 535 Incorrect data (set_id=ben)",
            "failure",
            "192.0.2.9",
            "ben",
        ),
        ('[pid 7] [ben] FAIL LOGIN: Client "::ffff:192.0.2.9"', "failure", "192.0.2.9", "ben"),
        (
            "Access denied for user 'ben'@'192.0.2.9' (using password: YES)",
            "failure",
            "192.0.2.9",
            "ben",
        ),
        (
            "authentication failure; rhost=2001:db8::9 user=ben@pam msg=no",
            "failure",
            "2001:db8::9",
            "ben@pam",
        ),
        (
            "msg=\"Unsuccessful 1FA authentication attempt by user 'ben'\" remote_ip=192.0.2.9",
            "failure",
            "192.0.2.9",
            "ben",
        ),
        ("[Warn] Auth: Auth-Failure ip 192.0.2.9 username 'ben'", "failure", "192.0.2.9", "ben"),
        ("(ben@192.0.2.9) [INFO] ben is now logged in", "success", "192.0.2.9", None),
        (
            '[auth_basic:error] [client 192.0.2.9:5] AH1: user ben: authentication failure for "/a": x',
            "failure",
            "192.0.2.9",
            "ben",
        ),
        (
            "Successful login for user 'admin' from: 192.0.2.9 (Local Database)",
            "success",
            "192.0.2.9",
            "admin",
        ),
    ],
)
def test_what_programs_say_of_log_ons(line: str, how: str, address: str, user: str | None) -> None:
    found = told(line)
    assert found is not None
    assert (found["event_outcome"], found["src_ip"]) == (how, address)
    if user is not None:
        assert found["user"] == user


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Login failed for user ben",  # from where?
        '192.0.2.9 - - "GET /login?error=invalid HTTP/1.1" 404 9',
        'open() "/srv/www/login.css" failed (2: No such file or directory), client: 192.0.2.9',
        "auth service at 192.0.2.9 unavailable: login failed",
        "remote error: tls: unknown certificate authority from 192.0.2.9 while authenticating",
        "the author of 192.0.2.9 has failed",
        "user ben logged out from 192.0.2.9",
        "connection from 192.0.2.9 failed",
        "invalid packet from 192.0.2.9",
    ],
)
def test_what_is_none(line: str) -> None:
    assert told(line) is None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "login",
                " failed",
                " from ",
                "192.0.2.9",
                "user",
                "=",
                "(",
                "[",
                "::",
                "x" * 60,
                " ",
                "for ",
            ]
        ),
        max_size=60,
    )
)
def test_no_line_takes_long(parts: list[str]) -> None:
    begun = time.process_time()
    told("".join(parts) * 20)
    assert time.process_time() - begun < 0.5


def test_a_record_says_it_in_several_places() -> None:
    record = {
        "msg": "Authentication failed",
        "attr.principalName": "ben",
        "attr.remote": "192.0.2.9:5",
    }
    assert of_record(record) == {
        "event_kind": "logon",
        "event_outcome": "failure",
        "src_ip": "192.0.2.9",
        "user": "ben",
    }
    record = {"message": "Login failed: ben", "remoteAddr": "2001:db8::9", "user": "--"}
    found = of_record(record)
    assert found is not None
    assert found["src_ip"] == "2001:db8::9"
    assert of_record({**record, "rule.id": "5"}) is None
    assert of_record({"message": "Login failed: ben"}) is None
    assert of_record({"a": 1}) is None
