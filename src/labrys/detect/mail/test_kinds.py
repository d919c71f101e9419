"""Severity: phishing that nothing but its words tells from a service's own notice is low at most."""

from email.message import EmailMessage

import numpy as np
import pytest

from labrys.detect.mail.detect import severities
from labrys.detect.mail.features import Seen, matrix
from labrys.detect.mail.kinds import KINDS, PHISHING, kinds, words_alone
from labrys.detect.mail.score import LEVELS, Scores, model
from labrys.detect.mail.train_rows import read_messages
from labrys.ocsf.schema import Severity

NOTICE = "We noticed a new sign in to your account. If this was not you, reset your password now."


def judged(link="https://id.weaverly.example/reset", *, said=NOTICE, **head):
    """The features of one notice, as a table of one row."""
    held = EmailMessage()
    fields = {"From": "Weaverly <security@weaverly.example>", "To": "bo@home.test"} | head
    for name, value in fields.items():
        if value:
            held[name] = value
    held["Subject"] = "New sign in: verify your account"
    held.set_content(said)
    held.add_alternative(f'<p>{said}</p><a href="{link}">Reset your password</a>', subtype="html")
    return matrix(Seen(read_messages([held.as_bytes()])))


def severity(features, margin):
    scored = Scores(np.array([margin]), features, np.zeros((1, 4)), np.zeros(1), np.zeros(1))
    return int(severities(scored, np.array([PHISHING]), model())[0])


def test_a_notice_whose_sender_and_links_agree_is_words_alone():
    assert KINDS[PHISHING].id == "phishing"
    features = judged()
    assert words_alone(features).tolist() == [True]
    surest = max(model().thresholds[level] for level in LEVELS) + 1
    assert severity(features, surest) == Severity.LOW


@pytest.mark.parametrize(
    ("link", "head"),
    [
        ("https://weaverly-id.net/reset", {}),
        ("https://198.51.100.7/reset", {}),
        ("https://id.weaverly.example/reset", {"Reply-To": "weaverly@gmail.com"}),
        ("https://id.weaverly.example/reset", {"From": "PayPal <security@weaverly.example>"}),
        ("https://id.weaverly.example/reset", {"From": "Weaverly Security <a@gardenshed.example>"}),
        ("https://id.weaverly.example/reset", {"From": ""}),
    ],
    ids=["another domain", "numbers", "answers elsewhere", "a brand", "an office", "no sender"],
)
def test_anything_that_disagrees_counts(link, head):
    features = judged(link, **head)
    assert words_alone(features).tolist() == [False]
    assert severity(features, model().thresholds["sure"] + 1) == Severity.HIGH


def test_what_is_added_never_makes_it_words_alone():
    features = np.vstack([judged(), judged("https://elsewhere.test/")])
    more = features + 1.0
    assert not words_alone(more).any()
    assert kinds(features).shape == (2,)
