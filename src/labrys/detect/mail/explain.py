"""Says in plain words why a message was found, strongest reason first."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from labrys.detect.mail import text
from labrys.detect.mail.columns import Floats, Ints, texts
from labrys.detect.mail.features import FEATURES, Seen
from labrys.detect.mail.score import TEXTS, Model, Scores

MOST: Final = 8
_WORDS: Final = 6
_LONGEST: Final = 120
_LEAST: Final = 0.05
_MOST_LINKS: Final = 100
_OF_TEXT: Final = {
    "window": "what it says",
    "subject": "its subject",
    "alternative": "its plain text, which is not shown",
    "hidden": "its hidden text",
}
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "reply_elsewhere": ("from_address", "reply_to_address"),
    "reply_to_free_mail": ("from_address", "reply_to_address"),
    "reply_other_free_mail": ("from_address", "reply_to_address"),
    "name_is_other_address": ("from_name", "from_address"),
    "name_of_brand": ("from_name", "from_address"),
    "subject_of_brand": ("subject", "from_address"),
    "name_of_recipient": ("from_name", "from_address"),
    "subject_of_recipient": ("subject", "from_address"),
    "name_unlike_domain": ("from_name", "from_domain"),
    "from_malformed": ("from_name", "from_address"),
    "from_free_mail": ("from_address",),
    "from_odd_ending": ("from_domain",),
    "from_odd_name": ("from_address",),
    "from_itself": ("from_address",),
    "auth_failed": ("auth_results", "own_auth_why"),
    "hidden": ("hidden_by",),
    "attached_program": ("attachment_names",),
    "attached_macro": ("attachment_names",),
    "attached_html": ("attachment_names",),
    "attached_html_signs": ("attachment_html_signs",),
    "attached_archive": ("attachment_names",),
    "attached_locked": ("attachment_names",),
    "attached_member_runs": ("attachment_members",),
    "attached_tricks": ("attachment_tricks",),
    "attached_document": ("attachment_names",),
}
"""Which columns show what a feature means."""
_PLAIN: Final = frozenset(
    (
        "links_mismatched",
        "name_is_other_address",
        "name_of_brand",
        "attached_tricks",
        "html_password",
    )
)
"""What speaks for itself: told whether or not the trees needed it."""


def reasons(rows: Ints, seen: Seen, made: Scores, model: Model) -> list[list[dict[str, Any]]]:
    """For each of these rows its reasons: feature, value, and how much it adds to the margin."""
    moved = model.forest.contributions(made.features[rows])
    said = made.texts[rows] * model.coefficients
    columns = {name: texts(seen.table, name) for pair in _VALUES.values() for name in pair}
    found = []
    for at, row in enumerate(rows.tolist()):
        each = [
            *_of_texts(row, said[at], seen, made, model),
            *_of_features(row, moved[at], made.features[row], seen, columns),
        ]
        found.append(_chosen(each))
    return found


def _chosen(each: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The strongest, and what speaks for itself among them."""
    plain = {feature.what for feature in FEATURES if feature.name in _PLAIN}
    order = sorted(each, key=lambda one: (-one["weight"], one["feature"]))
    kept = [one for one in order if one["feature"] in plain]
    kept += [one for one in order if one["feature"] not in plain][: max(0, MOST - len(kept))]
    return [one for one in order if one in kept]


def _of_texts(
    row: int, said: Floats, seen: Seen, made: Scores, model: Model
) -> Iterator[dict[str, Any]]:
    """The text scores that speak against a message; of the visible text its telling words."""
    by_name = dict(zip(TEXTS, said.tolist(), strict=True))
    body = by_name.pop("window")
    if body > _LEAST:
        first, last = int(made.first[row]), int(made.last[row])
        yield _reason(_OF_TEXT["window"], telling(seen, model, first, last), body)
    for name, value in by_name.items():
        if value > _LEAST:
            subject = seen.subject[row].as_py() if name == "subject" else "words of bad mail"
            yield _reason(_OF_TEXT[name], subject, value)


def telling(seen: Seen, model: Model, first: int, last: int) -> str:
    """The words of a window that weigh most, in the order in which they stand."""
    found = seen.visible_words
    part = text.Words(
        found.whole[first:last], found.stem[first:last], found.text[first:last] * 0, 1,
        found.start[first:last], found.end[first:last], found.data,
    )  # fmt: skip
    value = text.word_weights(part, model.weights)
    best: dict[str, int] = {}
    for at in np.argsort(-value, kind="stable").tolist():
        if value[at] <= 0 or len(best) >= _WORDS:
            break
        best.setdefault(part.spelt(at), at)
    return " … ".join(sorted(best, key=best.__getitem__))


def _of_features(
    row: int, moved: Floats, values: Floats, seen: Seen, columns: Mapping[str, pa.Array]
) -> Iterator[dict[str, Any]]:
    for at, feature in enumerate(FEATURES):
        plain = feature.name in _PLAIN and values[at] > 0
        if not plain and (moved[at] <= _LEAST or not values[at] > 0):
            continue
        if feature.name.startswith("links_"):
            value = link_shown(row, feature.name, seen, columns["from_domain"][row].as_py())
        else:
            said = [columns[name][row].as_py() for name in _VALUES.get(feature.name, ())]
            value = " → ".join(one for one in said if one)
        yield _reason(feature.what, value or f"{values[at]:.3g}", float(moved[at]))


def link_shown(row: int, feature: str, seen: Seen, own: str) -> str:
    """The link that a feature of links is most likely about, as text and target."""
    held = seen.links
    first, last = np.searchsorted(held.row, [row, row + 1]).tolist()
    for at in range(first, min(last, first + _MOST_LINKS)):
        if not held.pressed[at]:
            continue
        shown = held.column["shown_domains"][at].as_py()
        goes = held.domain[at].as_py() or held.column["hosts"][at].as_py()
        if feature == "links_mismatched":
            if shown and goes and shown != goes:
                return f"link text says {shown}, goes to {goes}"
        elif goes and goes != own:
            return f"goes to {held.column['hosts'][at].as_py() or goes}"
    return ""


def _reason(feature: str, value: str, weight: float) -> dict[str, Any]:
    shown = " ".join(value.replace("\x1e", ", ").split())
    if len(shown) > _LONGEST:
        shown = shown[: _LONGEST - 1] + "…"
    return {"feature": feature, "value": shown, "weight": round(weight, 3)}
