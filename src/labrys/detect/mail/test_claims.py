"""Who a message says it is from, as services write it; and a picture in the place of words."""

from email.message import EmailMessage

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.mail import claims
from labrys.detect.mail.features import NAMES, Seen, matrix
from labrys.detect.mail.train_rows import read_messages


def features(html="<p>Hello</p>", **head):
    """Name → value of one message."""
    held = EmailMessage()
    fields = {"From": "Ann <ann@example.com>", "To": "bo@home.test", "Subject": "Hello"} | head
    for name, value in fields.items():
        held[name] = value
    held.set_content(html, subtype="html")
    row = matrix(Seen(read_messages([held.as_bytes()])))[0]
    return dict(zip(NAMES, row.tolist(), strict=True))


@pytest.mark.parametrize(
    "address",
    [
        "n-ob=ubzr.grfg-7731f@postmaster.example.com",
        "updates+8841297@example.com",
        "prvs=4417c8=ann@example.com",
        "SRS0=9921=77=example.org=ann@example.com",
    ],
    ids=["VERP", "sub-address", "BATV", "SRS"],
)
def test_whom_a_mailbox_is_for_says_nothing_odd_of_its_sender(address):
    assert features(From=f"Ann <{address}>")["from_odd_name"] == 0
    assert features(From="Ann <ann77312@example.com>")["from_odd_name"] == 1


def test_a_firms_own_shortener_and_store_are_not_somebody_elses():
    short = '<a href="https://t.co/x1">Show</a>'
    assert features(short, From="Twitter <info@twitter.com>")["links_shortened"] == 0
    assert features(short)["links_shortened"] > 0
    stored = '<a href="https://www.dropbox.com/s/x1">Show</a>'
    assert features(stored, From="Dropbox <no-reply@dropboxmail.com>")["links_free_hosting"] == 0
    assert features(stored)["links_free_hosting"] > 0


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=5))
def test_strangers_are_of_no_firm(pairs):
    led = pa.array([one for one, _ in pairs], pa.string())
    own = pa.array([other for _, other in pairs], pa.string())
    assert not claims.same_firm(led, own).any()
    assert claims.same_firm(pa.array(["t.co"]), pa.array(["twitter.com"])).tolist() == [True]


def test_a_picture_to_press_without_words():
    picture = '<a href="https://shop.test/a"><img src="https://cdn.test/b.jpg"></a>'
    assert features(picture)["picture_alone"] == 1
    assert features(picture + "<p>Unsubscribe</p>")["picture_alone"] == 1
    assert features(picture + "<p>" + "These are some more words. " * 3)["picture_alone"] == 0
    assert features("<p>Hello</p>")["picture_alone"] == 0
