"""What a bad message is: phishing, impersonation, scam, malware or spam, by what can be explained.

Each kind has simple evidence with points; the kind with most points is told, spam where there is
none. The model says whether a message is bad, this says what it is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.detect.mail.columns import Bools, Floats, Ints
from labrys.detect.mail.features import NAMES


@dataclass(frozen=True, slots=True)
class Kind:
    """A verdict: its id, title, ATT&CK techniques and tactics, and what to do."""

    id: str
    title: str
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    advice: str


KINDS: Final = (
    Kind(
        "malware",
        "Mail that carries malware",
        ("T1566.001",),
        ("initial-access",),
        "Keep the attachment from being opened; look for it in other mailboxes and on hosts.",
    ),
    Kind(
        "phishing",
        "Phishing mail",
        ("T1566.002",),
        ("initial-access",),
        "Block the link; see in proxy and sign-in logs who followed it, and reset those passwords.",
    ),
    Kind(
        "impersonation",
        "Mail that impersonates somebody to get money or data",
        ("T1656", "T1566"),
        ("defense-evasion", "initial-access"),
        "Ask the supposed sender by telephone; stop payments and changes that it asks for.",
    ),
    Kind(
        "scam",
        "Scam mail",
        ("T1598",),
        ("reconnaissance",),
        "Do not answer; delete it and the like of it.",
    ),
    Kind("spam", "Spam", (), (), "Delete it; report it to your filter."),
)
PHISHING: Final = 1
_WRONG: Final = (
    *("reply_elsewhere", "reply_to_free_mail", "reply_other_free_mail", "name_is_other_address"),
    *("name_of_brand", "subject_of_brand", "name_of_recipient", "subject_of_recipient"),
    *("name_unlike_domain", "from_malformed", "from_free_mail", "from_odd_ending", "from_odd_name"),
    *("from_itself", "recipients_hidden", "auth_failed", "links_mismatched", "links_to_ip"),
    *(
        "links_with_user",
        "links_strange",
        "links_shortened",
        "links_free_hosting",
        "links_odd_host",
    ),
    *("links_brand_in_host", "links_brand_elsewhere", "links_qr", "links_in_attachments"),
    *("html_forms", "html_password", "html_scripts", "attached_program", "attached_macro"),
    *("attached_html", "attached_archive", "attached_locked", "attached_tricks", "coin_address"),
    *("phone_numbers", "disguised_words", "zero_width"),
)
"""What there is of phishing besides words."""
_AT: Final = {name: at for at, name in enumerate(NAMES)}


def kinds(features: Floats) -> Ints:
    """For each message the number of its kind in `KINDS`."""
    points = np.column_stack(
        [_malware(features), _phishing(features), _bec(features), _scam(features)]
    )
    spam = 0.9 + 1.2 * _said(features, "goods") + 0.8 * _said(features, "marketing")
    made: Ints = np.argmax(np.column_stack([points, spam]), axis=1)
    return made  # fmt: skip


def certain_malware(features: Floats) -> Bools:
    """Where the attachments alone are enough: a program disguised, packed, or smuggled in HTML."""
    runs = _has(features, "attached_program", "attached_member_runs")
    tricked = runs & _has(features, "attached_tricks", "attached_member_runs")
    smuggled = _has(features, "attached_html") & (_of(features, "attached_html_signs") >= 2)
    return np.asarray(tricked | smuggled, bool)


def words_alone(features: Floats) -> Bools:
    """Whether only words speak against a message: its sender is named, nothing that he says of himself
    disagrees, and links lead to him or to services that are known. So is a true "reset your password"."""
    wrong = np.nan_to_num(features[:, [_AT[name] for name in _WRONG]], nan=1.0)
    return np.asarray((wrong <= 0).all(axis=1), bool)


def _of(features: Floats, name: str) -> Floats:
    column: Floats = np.nan_to_num(features[:, _AT[name]])
    return column


def _has(features: Floats, *names: str) -> Bools:
    return np.asarray(np.any([_of(features, name) > 0 for name in names], axis=0), bool)


def _said(features: Floats, name: str) -> Floats:
    made: Floats = np.minimum(_of(features, f"says_{name}") + _of(features, f"subject_{name}"), 2)
    return made


def _leads(features: Floats) -> Bools:
    """Whether there is something to follow or to fill in."""
    return _has(
        features, "links_elsewhere", "links_shortened", "links_free_hosting", "html_forms",
        "links_qr", "links_in_attachments", "attached_html", "links_to_ip",
    )  # fmt: skip


def _malware(features: Floats) -> Floats:
    made: Floats = (
        4.0 * _has(features, "attached_program", "attached_member_runs")
        + 3.0 * _has(features, "attached_locked")
        + 2.0 * _has(features, "attached_macro", "attached_tricks")
        + 1.5 * _has(features, "attached_archive")
        + 2.0 * (_of(features, "attached_html_signs") >= 3)
    )
    return made


def _phishing(features: Floats) -> Floats:
    lure: Floats = (
        1.5 * _said(features, "credential")
        + 1.5 * _said(features, "quota")
        + 1.0 * _said(features, "file_lure")
        + 1.0 * _said(features, "parcel")
        + 0.5 * _said(features, "payment")
        + 2.0 * _has(features, "links_brand_elsewhere", "name_of_brand", "subject_of_brand")
        + 2.0 * _has(features, "links_mismatched", "links_brand_in_host", "html_password")
        + 1.0 * _has(features, "links_sign_in", "links_to_person", "links_to_ip")
        + 1.5 * _has(features, "attached_html", "links_qr")
    )
    made: Floats = lure * np.where(_leads(features), 1.0, 0.3)
    return made


def _bec(features: Floats) -> Floats:
    asks: Floats = (
        1.5 * _said(features, "errand")
        + 2.0 * _said(features, "gift_card")
        + 1.5 * _said(features, "bank_change")
        + 0.7 * _said(features, "payment")
        + 0.5 * _said(features, "urgency")
        + 1.0 * _has(features, "reply_to_free_mail", "reply_other_free_mail", "reply_elsewhere")
    )
    asked = (
        _said(features, "errand") + _said(features, "gift_card") + _said(features, "bank_change")
    )
    made: Floats = asks * np.where(_leads(features), 0.4, 1.0) * (asked > 0)
    return made  # fmt: skip


def _scam(features: Floats) -> Floats:
    phone = _has(features, "phone_numbers") * np.minimum(_said(features, "callback"), 2)
    made: Floats = (
        1.5 * _said(features, "windfall")
        + 2.0 * _said(features, "extortion")
        + 1.2 * _said(features, "coins")
        + 1.5 * phone
        + 0.7 * _has(features, "free_mail_in_text")
        + 2.0 * _has(features, "coin_address")
    )
    return made
