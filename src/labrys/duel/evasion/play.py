"""A fight over evasion as an outcome: how often each search won, when, by what, with examples."""

from collections.abc import Iterator

from labrys.duel import tabular, targets, taxonomy
from labrys.duel.attacks import NotPlayed, Order
from labrys.duel.evasion.fight import Asked, Duel, Round, fight
from labrys.duel.evasion.search import SEARCHES, Rules
from labrys.duel.outcome import Curve, Example, Outcome, Table
from labrys.duel.target import COSTS, Target

_BUDGET = 300
_MOST_CHANGES = 5


def play(order: Order) -> Outcome:
    """Fight, by every search or those that were asked for."""
    rules = Rules(order.budget or _BUDGET, order.access, order.most_cost)
    asked = Asked(order.searches or tuple(SEARCHES), rules, order.seed)
    return outcome(fight(_target(order), asked, order.note))


def _target(order: Order) -> Target:
    if not order.own:
        return targets.target(order.name, attacks=order.attacks, seed=order.seed)
    if order.data is None or order.threat is None:
        raise NotPlayed("evasion of a model of your own takes --data and --threat")
    given = tabular.threat(order.threat)
    return tabular.target(
        order.model, order.data, given, attacks=order.attacks, seed=order.seed
    )  # fmt: skip


def outcome(duel: Duel) -> Outcome:
    """What a fight came to."""
    best = max(duel.rounds, key=lambda each: each.share, default=None)
    entry = taxonomy.attacks()["evasion"]
    return Outcome(
        attack="evasion",
        target=duel.target,
        version=duel.version,
        rules=(
            f"{duel.budget} questions for each attack, the attacker sees the {duel.access}, changes "
            f"of cost {duel.most_cost} at most ({COSTS[duel.most_cost]})"
        ),
        who="whoever can show the model what he made and see what becomes of it",
        figures={each.search: round(each.share, 4) for each in duel.rounds},
        bounds={each.search: (each.low, each.high) for each in duel.rounds},
        headline=best.search if best else "",
        cost=_cost(best) if best else "",
        tables=(_searches(duel),) if duel.rounds else (),
        curves=tuple(_curve(each, duel.budget) for each in duel.rounds if each.won_after),
        examples=tuple(_examples(duel, best)),
        notes=duel.notes,
        sure=duel.guarantee,
        techniques=entry.techniques,
        risks=entry.risks,
        seconds=duel.seconds,
        complete=duel.complete,
    )


def _cost(each: Round) -> str:
    if each.median_questions is None:
        return "no search won"
    return f"{each.median_questions:g} questions, changes of cost {each.median_cost:g} (medians)"


def _searches(duel: Duel) -> Table:
    rows = tuple(
        (
            each.search,
            f"{each.wins} of {each.attacks}",
            f"{each.low:.0%} to {each.high:.0%}",
            "" if each.median_questions is None else f"{each.median_questions:g}",
            "" if each.median_cost is None else f"{each.median_cost:g}",
            ", ".join(f"{name} ({n})" for name, n in list(each.changes.items())[:_MOST_CHANGES]),
        )
        for each in duel.rounds
    )
    return Table(
        "how often each search got through",
        ("search", "got through", "bounds", "questions", "cost", "by"),
        rows,
    )


def _curve(each: Round, budget: int) -> Curve:
    """The share of attacks that had got through after so many questions."""
    steps = [(0.0, 0.0)]
    steps += [
        (float(asked), (n + 1) / each.attacks) for n, asked in enumerate(sorted(each.won_after))
    ]
    return Curve(each.search, "questions for one attack", (*steps, (float(budget), steps[-1][1])))


def _examples(duel: Duel, best: Round | None) -> Iterator[Example]:
    ordered = sorted(duel.rounds, key=lambda each: each is not best)
    for each in ordered:
        for one in each.examples[:1]:
            how = f"{each.search}: {', '.join(one.changes)}; {one.asked} questions"
            yield Example(how, one.before, one.after)
