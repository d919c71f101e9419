"""Poisons what people say: reports of mail to the gate, verdicts on incidents. No model is trained.

Told is how much of what the attacker says would teach, with the checks that labrys has and without.
Everything is made up; the attacker knows the checks.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from labrys.decisions import Decisions, Verdict, lessons
from labrys.duel.outcome import Outcome, Table
from labrys.duel.target import Draw
from labrys.gate.reports import checked
from labrys.gate.store import Report
from labrys.ocsf.schema import Severity

_HONEST: Final = 400
_PEOPLE: Final = 25
_ACCOUNTS: Final = 10
_VERDICTS_GIVEN: Final = 42
_MINUTE: Final = 60_000
_TACTICS: Final = ("TA0001", "TA0002", "TA0003", "TA0004", "TA0005", "TA0008", "TA0010")

Reports = Callable[[int, Draw], Iterator[Report]]


def _report(number: int, who: str, severity: int = 0, signature: str = "") -> Report:
    return Report(
        digest=f"bad-{number}", label="ham", reporter=who, time=number, severity=severity,
        signature=signature,
    )  # fmt: skip


def _one_floods(count: int, _: Draw) -> Iterator[Report]:
    yield from (_report(number, "mallory") for number in range(count))


def _many_copies(count: int, _: Draw) -> Iterator[Report]:
    for number in range(count):
        yield _report(number, f"mallory-{number % _ACCOUNTS}", signature="the same text")


def _known_attacks(count: int, _: Draw) -> Iterator[Report]:
    for number in range(count):
        yield _report(number, f"mallory-{number % _ACCOUNTS}", severity=int(Severity.HIGH))


def _slowly(count: int, _: Draw) -> Iterator[Report]:
    """What the model hardly doubts, each another text, by accounts that say little each."""
    for number in range(count):
        yield _report(number, f"mallory-{number % _ACCOUNTS}", severity=int(Severity.LOW))


def _in_pairs(count: int, _: Draw) -> Iterator[Report]:
    """As slowly, but two accounts say it of each."""
    for number in range(count // 2):
        for which in (0, 1):
            who = f"mallory-{(2 * number + which) % _ACCOUNTS}"
            yield _report(number, who, severity=int(Severity.LOW))


def _against_others(count: int, draw: Draw) -> Iterator[Report]:
    """Spam that others report too."""
    for number in range(count):
        made = _report(number, f"mallory-{number % _ACCOUNTS}")
        yield made
        yield Report(
            digest=made.digest,
            label="spam",
            reporter=f"person-{draw.integers(_PEOPLE)}",
            time=number,
        )


_REPORTS: Final[dict[str, Reports]] = {
    "one account floods": _one_floods,
    "copies by ten accounts": _many_copies,
    "known attacks by ten accounts": _known_attacks,
    "attacks that others report": _against_others,
    "slow drift by ten accounts": _slowly,
    "slow drift, two accounts each": _in_pairs,
}


def _verdict(
    number: int, who: str, minute: int, severity: int, tactics: tuple[str, ...]
) -> Verdict:
    return Verdict(
        incident=f"i{number}", verdict="false", pairs=((f"rule-{number}", f"host-{number % 7}"),),
        phases=len(tactics), who=who, why="normal here", made=minute * _MINUTE, severity=severity,
        tactics=tactics,
    )  # fmt: skip


def _whole_attack(count: int) -> Iterator[Verdict]:
    for number in range(count):
        yield _verdict(number, "mallory", number * 60, int(Severity.MEDIUM), _TACTICS)


def _in_a_row(count: int) -> Iterator[Verdict]:
    for number in range(count):
        yield _verdict(number, "mallory", number, int(Severity.LOW), (_TACTICS[0],))


def _severe(count: int) -> Iterator[Verdict]:
    for number in range(count):
        yield _verdict(number, "mallory", number * 60, int(Severity.HIGH), (_TACTICS[0],))


def _bit_by_bit(count: int) -> Iterator[Verdict]:
    """One phase at a time, hours apart, each of low severity."""
    for number in range(count):
        tactic = _TACTICS[number // 7 % len(_TACTICS)]
        yield _verdict(number, "mallory", number * 60, int(Severity.LOW), (tactic,))


def _two_accounts(count: int) -> Iterator[Verdict]:
    for each in _whole_attack(count // 2):
        yield each
        yield Verdict(**{name: getattr(each, name) for name in each.__slots__} | {"who": "trudy"})


_VERDICTS: Final[dict[str, Callable[[int], Iterator[Verdict]]]] = {
    "whole attacks called normal": _whole_attack,
    "many in one sitting": _in_a_row,
    "severe ones called normal": _severe,
    "phase by phase": _bit_by_bit,
    "two accounts agree": _two_accounts,
}


def play(budget: float, seed: int, say: Callable[[str], None]) -> Outcome:
    """Every attack on the feedback once."""
    figures: dict[str, float] = {}
    rows = []
    for name, attack in _REPORTS.items():
        say(name)
        taught, said = _reported(attack, budget, seed)
        figures[f"reports, {name}"] = taught / said
        rows.append(("reports of mail", name, f"{taught} of {said}"))
    for name, verdicts in _VERDICTS.items():
        say(name)
        given = list(verdicts(_VERDICTS_GIVEN))
        pairs = {pair for each in given for pair in each.pairs}
        learnt = len(pairs & lessons(Decisions(verdicts=tuple(given))).normal)
        figures[f"verdicts, {name}"] = learnt / len(pairs)
        rows.append(("verdicts", name, f"{learnt} of {len(pairs)}"))
    return Outcome(
        attack="poisoning", target="feedback", version="",
        rules=f"the attacker makes {budget:.1%} of what people say; he knows the checks",
        figures=figures,
        tables=(Table("What of it would teach", ("what", "attack", "teaches"), tuple(rows)),),
        notes=(
            "without the checks all of it would teach",
            "what a slow attacker with many accounts says is not told apart here: it meets the checks "
            "of labrys train",
        ),
        sure="a verdict lowers a rank at most: it hides nothing, and critical rules are never learnt",
    )  # fmt: skip


def _reported(attack: Reports, budget: float, seed: int) -> tuple[int, int]:
    draw = np.random.default_rng(seed)
    count = max(10, int(budget / (1 - budget) * _HONEST))
    honest = [
        Report(
            digest=f"good-{number}", label="spam" if draw.random() < 0.7 else "ham",
            reporter=f"person-{draw.integers(_PEOPLE)}", time=number,
        )
        for number in range(_HONEST)
    ]  # fmt: skip
    theirs = list(attack(count, draw))
    teaches = [each.report for each in checked([*honest, *theirs]) if not each.doubt]
    bad = [each for each in theirs if each.reporter.startswith("mallory")]
    return sum(each.reporter.startswith("mallory") for each in teaches), len(bad)
