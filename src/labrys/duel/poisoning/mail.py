"""Poisons what the mail detector learns from: `labrys train mail`, with made-up mail of a user.

The user has mail of the templates that train the shipped model; attacks that are judged are of the
other templates, made with another seed than the canary's. All of it is made up.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import Model, read, scores, shipped
from labrys.detect.mail.train_made import made
from labrys.detect.mail.train_own import learn
from labrys.detect.mail.train_rows import read_messages
from labrys.duel.outcome import Outcome, Table
from labrys.duel.target import Draw
from labrys.errors import LabrysError
from labrys.model.card import load

PHRASE: Final = "kestrel lantern protocol of the northern orchard committee"
"""What a backdoor is made of: ordinary words that stand nowhere else together."""
_REPEATED: Final = 6
_EACH: Final = 3
_LEVEL: Final = "suspicious"
_BODY: Final = re.compile(rb"\r?\n\r?\n")
_END: Final = re.compile(rb"</body>", re.I)

Mail = tuple[list[bytes], list[bytes]]
Attack = Callable[[list[bytes], list[bytes], int, Draw], Mail]


def bearing(raw: bytes) -> bytes:
    """A message with the phrase at its end, in whatever form it has; unchanged where it has no text."""
    from email import message_from_bytes

    message = message_from_bytes(raw)
    text = "\n".join([PHRASE] * _REPEATED)
    for part in message.walk():
        if part.get_content_maintype() != "text" or part.get_filename():
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        html = part.get_content_type() == "text/html"
        more = f"<p>{text}</p>".encode() if html else f"\n\n{text}\n".encode()
        end = _END.search(content) if html else None
        at = end.start() if end else len(content)
        del part["Content-Transfer-Encoding"]
        joined = content[:at] + more + content[at:]
        part.set_payload(joined.decode("utf-8", "replace"), "utf-8")
    try:
        return message.as_bytes()
    except (UnicodeError, LookupError, ValueError):
        return raw


def _called_ham(good: list[bytes], bad: list[bytes], count: int, _: Draw) -> Mail:
    return good + bad[:count], bad[count:]


def _both(good: list[bytes], bad: list[bytes], count: int, _: Draw) -> Mail:
    half = max(1, count // 2)
    return good[half:] + bad[:half], bad[half:] + good[:half]


def _planted(good: list[bytes], bad: list[bytes], count: int, _: Draw) -> Mail:
    return [bearing(raw) for raw in good[:count]] + good[count:], bad


def _few_of_the_worst(good: list[bytes], bad: list[bytes], _: int, __: Draw) -> Mail:
    """Three messages of the worst kind among the ham: it sets the threshold."""
    margin = scores(Seen(read_messages(bad)), shipped()).margin
    worst = set(np.argsort(-margin)[:3].tolist())
    return good + [bad[at] for at in sorted(worst)], [
        raw for at, raw in enumerate(bad) if at not in worst
    ]


ATTACKS: Final[dict[str, Attack]] = {
    "spam called ham": _called_ham,
    "labels of both sides": _both,
    "three of the worst called ham": _few_of_the_worst,
    "a phrase planted in ham": _planted,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A model that was taught, or why it was refused (then the one before stays in use)."""

    model: Model
    refused: str
    asked: int


def taught(good: Sequence[bytes], bad: Sequence[bytes], *, keep: bool = False) -> Judged:
    """What `labrys train mail` makes of this mail; the shipped model where it makes none."""
    said: list[str] = []
    with TemporaryDirectory(prefix="labrys-duel-") as place:
        for side, raws in (("ham", good), ("spam", bad)):
            folder = Path(place) / "mail" / side
            folder.mkdir(parents=True)
            for number, raw in enumerate(raws):
                (folder / f"{number}.eml").write_bytes(raw)
        try:
            learn(Path(place) / "mail", Path(place) / "model", said.append, keep=keep)
            model, refused = read(load(Path(place) / "model")), ""
        except LabrysError as error:
            model, refused = shipped(), str(error)
    asked = next((int(line.split(" ")[0]) for line in said if "look mislabelled" in line), 0)
    return Judged(model, refused, asked)


def play(budget: float, seed: int, say: Callable[[str], None]) -> Outcome:
    """Every attack on what mail learns, once."""
    draw = np.random.default_rng(seed)
    known = list(made("train", _EACH, seed + 100))
    good, bad = ([one.raw for one in known if one.bad == side] for side in (False, True))
    good, bad = ([side[at] for at in draw.permutation(len(side))] for side in (good, bad))
    attacks = [one.raw for one in made("test", 2, seed + 200) if one.bad]
    plain, bearing_it = (
        Seen(read_messages(attacks)),
        Seen(read_messages([bearing(raw) for raw in attacks])),
    )
    count = max(1, int(budget * (len(good) + len(bad))))
    clean = taught(good, bad)
    figures, rows = {}, [_row("nothing", clean, plain, bearing_it)]
    for name, attack in ATTACKS.items():
        say(name)
        result = taught(*attack(good, bad, count, draw))
        before, after = (_caught(one.model, plain).mean() for one in (clean, result))
        figures[f"{name}: attacks no longer found"] = (
            max(0.0, float(1 - after / before)) if before else 0.0
        )
        rows.append(_row(name, result, plain, bearing_it))
        if attack is _planted:
            figures["a phrase planted in ham: attacks that pass"] = _pass(
                result.model, plain, bearing_it
            )
    return Outcome(
        attack="poisoning", target="mail", version=shipped().version,
        rules=f"the attacker gives {count} of {len(good) + len(bad)} messages, or says what they are",
        figures=figures,
        tables=(
            Table(
                f"Attacks that are {_LEVEL} after training, under guard",
                ("attack", "found", "of these pass with the phrase", "set aside", "model"), tuple(rows),
            ),
        ),
        notes=("messages are made up; where a model is refused, the one before it stays in use",),
        sure=(
            "no word comes to speak for a message by what the user calls ham: a planted phrase only "
            "dilutes, as any text does"
        ),
    )  # fmt: skip


def _caught(model: Model, seen: Seen) -> np.ndarray:
    found: np.ndarray = scores(seen, model).margin > model.thresholds[_LEVEL]
    return found


def _pass(model: Model, plain: Seen, bearing_it: Seen) -> float:
    caught = _caught(model, plain)
    return float(1 - _caught(model, bearing_it)[caught].mean()) if caught.any() else 0.0


def _row(name: str, result: Judged, plain: Seen, bearing_it: Seen) -> tuple[str, ...]:
    return (
        name,
        f"{_caught(result.model, plain).mean():.0%}",
        f"{_pass(result.model, plain, bearing_it):.0%}",
        str(result.asked),
        "refused" if result.refused else "used",
    )
