"""Puts an incident in words: its title and its summary."""

from datetime import UTC, datetime
from typing import Final

from labrys.ocsf.schema import Severity
from labrys.triage.advice import phrase
from labrys.triage.chain import in_order, tactic_name
from labrys.triage.columns import NO_TIME
from labrys.triage.identity import cut
from labrys.triage.nodes import DAY, HOUR, MINUTE
from labrys.triage.rank import tactics
from labrys.triage.story import Hits, Story

_TITLE: Final = 70
_NOUNS: Final = (
    ("host", "host", "hosts"),
    ("user", "account", "accounts"),
    ("ip", "address", "addresses"),
)
_CONSEQUENCES: Final = ("lateral-movement", "exfiltration", "impact")


def title(story: Story) -> str:
    """The incident in one line: what, after what, then what, where, by whom."""
    worst = _telling(story)[0]
    if story.habits and len(story.hits) > 1:
        rules = sum(hit.severity >= Severity.MEDIUM for hit in story.hits)
        return f"Everyday here: findings of {rules} rules that would be serious elsewhere{_where(story)}"
    unusual = sum(hit.bits > 0 for hit in story.hits)
    if story.lifted and unusual:
        length = duration(max(story.finish - story.start, 1000))
        text = f"{unusual} unusual kinds of alert within {length}, among them {_what(worst)},"
    elif len(story.hits) == 1:
        text = cut(worst.title, _TITLE)
    else:
        text = _what(worst) + _before(story, worst) + _then(story, worst)
    return text[:1].upper() + text[1:] + _where(story)


def summary(story: Story) -> str:
    """Two to four sentences: when and where, who, which phases, and what weighs most."""
    sentences = [f"{_span(story)}{_amount(story)}{_place(story)}."]
    phases = in_order(tactics(story))
    if story.habits:
        sentences.append("Nothing ties them but that each comes on many days.")
    elif phases:
        names = _listed([tactic_name(phase) for phase in phases])
        it = "It fits" if story.end - story.begin == 1 else "They fit"
        noun = "phase" if len(phases) == 1 else "phases"
        sentences.append(f"{it} {len(phases)} {noun} of an attack: {names}.")
    sentences.extend(_owned(story))
    worst = _telling(story)[0]
    level = Severity(worst.severity).name.lower()
    times = f", {worst.count:,} times" if worst.count > 1 else ""
    sure = f"{level}, confidence {worst.confidence}{times}"
    sentences.append(f"What weighs most is “{cut(worst.title, 90)}” ({sure}).")
    if story.lifted and story.bits:
        sentences.append(
            "Each finding is low by itself; that so many which hardly ever occur there came "
            "together is not."
        )
    elif story.lifted:
        sentences.append(
            "Each finding is low by itself; so many phases in so short a time are not."
        )
    elif story.start == NO_TIME:
        sentences.append("None of the findings has a time that can be believed.")
    return " ".join(sentences)


def _owned(story: Story) -> list[str]:
    """Which of its hosts and accounts matter, and why."""
    roles: dict[str, list[str]] = {}
    for each in story.cast.named:
        if each.asset and each.role != "parent":
            roles.setdefault(each.asset, []).append(cut(each.shown, 40))
    made = []
    for role, names in list(roles.items())[:3]:
        rest = f" and {len(names) - 2} more" if len(names) > 2 else ""
        made.append(f"{role}: {', '.join(names[:2])}{rest}")
    return [f"Of note: {'; '.join(made)}."] if made else []


def duration(gap: int) -> str:
    """A length of time in its largest sensible unit: `45 s`, `12 min`, `3 h`, `5 d`."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1000, "s")):
        if gap >= (2 * unit if name in ("d", "h") else unit):
            return f"{gap // unit} {name}"
    return f"{gap} ms"


def _before(story: Story, worst: Hits) -> str:
    """The first serious and unusual thing that came before the worst one."""
    for hit in story.hits:
        earlier = NO_TIME < hit.first < worst.first
        telling = hit.severity >= Severity.MEDIUM and hit.rarity >= 0.5 * worst.rarity
        if telling and earlier and _what(hit) != _what(worst):
            return f" after {_what(hit)}"
    return ""


def _then(story: Story, worst: Hits) -> str:
    """What the worst one led to, when it went further: spread, theft of data, destruction."""
    later = [
        hit
        for hit in story.hits
        if hit.severity >= Severity.MEDIUM
        and hit.first > worst.first
        and _what(hit) != _what(worst)
        and set(_CONSEQUENCES) & set(hit.attack.tactics[:1])
    ]
    if not later:
        return ""
    furthest = max(
        later, key=lambda hit: (_CONSEQUENCES.index(hit.attack.tactics[0]), hit.severity, hit.rule)
    )
    return f", then {_what(furthest)},"


def _amount(story: Story) -> str:
    count, rules = story.end - story.begin, len(story.hits)
    if count == 1:
        return "one finding stands alone" if story.start != NO_TIME else "One finding stands alone"
    of = "one rule" if rules == 1 else f"{rules} rules"
    return f"{count:,} findings of {of} {'are listed' if story.habits else 'belong together'}"


def _telling(story: Story) -> list[Hits]:
    """Rules by how much they tell: worst, most surprising, rarest, surest, earliest first."""
    return sorted(
        story.hits,
        key=lambda hit: (
            -hit.severity,
            -round(hit.bits),
            -round(hit.rarity, 6),
            -hit.confidence,
            hit.first,
            hit.rule,
        ),
    )


def _what(hit: Hits) -> str:
    return phrase(hit.attack) or cut(hit.title, _TITLE)


def _where(story: Story) -> str:
    hosts = story.cast.of("host")
    users = [each for each in story.cast.of("user") if each.role != "parent"]
    text = ""
    if hosts:
        text += f" on {cut(hosts[0].shown, 40)}{_and(story.cast.count('host') - 1, ' more host')}"
    if users:
        name = users[0].key.partition("@")[0] or users[0].shown
        text += f" by {cut(name, 40)}{_and(story.cast.count('user') - 1, ' more')}"
    elif not hosts and story.cast.of("ip"):
        text += f" involving {story.cast.of('ip')[0].shown}"
    return text


def _and(rest: int, noun: str) -> str:
    if rest <= 0:
        return ""
    plural = "s" if rest > 1 and noun != " more" else ""
    return f" and {rest:,}{noun}{plural}"


def _place(story: Story) -> str:
    """Where and whose: ` on ws01 (account bob; address 192.0.2.1)`, `, involving the account bob`."""
    parts = []
    for kind, one, many in _NOUNS:
        found = [cut(each.shown, 60) for each in story.cast.of(kind)]
        rest = story.cast.count(kind) - min(3, len(found))
        if found:
            names = f"{', '.join(found[:3])}{_and(rest, ' more')}"
            noun = one if story.cast.count(kind) == 1 else many
            parts.append(f"on {names}" if kind == "host" else f"{noun} {names}")
    if not parts:
        return ""
    if not story.cast.count("host"):
        return f", involving the {' and the '.join(parts)}"
    return f" {parts[0]}" + (f" ({'; '.join(parts[1:])})" if len(parts) > 1 else "")


def _span(story: Story) -> str:
    if story.start == NO_TIME:
        return ""
    first, last = moment(story.start), moment(story.finish)
    if first == last:
        return f"At {first} UTC "
    shown = last[11:] if first[:10] == last[:10] else last
    return f"Between {first} and {shown} UTC, "


def moment(time: int) -> str:
    """Epoch milliseconds as people read it, to the minute, in UTC."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
