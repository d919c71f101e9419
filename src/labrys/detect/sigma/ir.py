"""The compiled form of Sigma rules: what the parser emits, the cache stores and the matcher runs.

Source: Sigma Rules Specification 2.1 and Sigma Correlation Rules Specification 2.1.
Comparison semantics, for every engine that runs this form:

* A field is a source column, by exact name after the shape's field map. An absent column, or a
  null cell, matches nothing but `null` and `exists=False`. A cell may hold several values
  (`labrys.evidence.values.MULTI`); an atom matches when any of them does. `null` is true only
  for an absent or null cell (not for empty text).
* Text is compared case-insensitively unless `cased`: both sides through Unicode's simple lower-case
  mapping, code point by code point (so U+0130 becomes a plain i).
* `not` is plain negation: `not X` is true where X is not true, missing fields included.
* `lookalike`, `disguised` and `person` are ours: `labrys.detect.imitation` says what they mean.
* A keyword atom (`field` None) is true when any source column's cell (not our leading columns)
  satisfies it.
"""

from typing import Final, Literal

import msgspec

FORM: Final = "2"
"""Changes with the compiled form or its meaning, so that older compilations are not used."""

Op = Literal[
    "eq",  # whole value equals
    "starts",
    "ends",
    "contains",
    "glob",  # `value` has wildcards: `*` any run, `?` one code point, `\\` escapes; whole value
    "re",  # regular expression found anywhere in the value; `flags` from "ims"
    "cidr",  # value is an address inside the network
    "lt",
    "lte",
    "gt",
    "gte",  # value as a decimal number compared with `value`
    "null",
    "exists",  # `value` is "true" or "false"
    "fieldref",  # equals the cell of the field named by `value`; `flags`: "", "starts", "ends", "contains"
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",  # that part of the value read as a UTC time equals the number in `value`
    "lookalike",  # ours: a host whose registered domain is not `value` but looks like it
    "disguised",  # ours: `value` stands in the text in letters that only look like its own
    "person",  # ours: a shown name that has every word of the name in `value`
]


class Atom(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One comparison of one field; `field` None is a keyword, searched in every column."""

    field: str | None
    op: Op
    value: str = ""
    cased: bool = False
    flags: str = ""


class All(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="and"):
    """True where every part is; an empty one is true."""

    parts: tuple["Node", ...]


class Any_(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="or"):
    """True where some part is; an empty one is false."""

    parts: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="not"):
    """True where its part is not."""

    part: "Node"


class Leaf(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="atom"):
    """An atom, by its number in `RuleSet.atoms`."""

    atom: int


Node = All | Any_ | Not | Leaf


class LogSource(msgspec.Struct, frozen=True, gc=False):
    """Where a rule looks, as the rule says it; empty text where it says nothing."""

    category: str = ""
    product: str = ""
    service: str = ""


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One detection rule. `when` is its condition (several conditions are joined by `or`)."""

    uid: str  # the rule's id, or a stable hash of its text where it has none
    name: str  # the rule's `name`, for correlations; "" where absent
    title: str
    level: str  # informational, low, medium, high, critical
    status: str
    author: str
    description: str
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    references: tuple[str, ...]
    logsource: LogSource
    when: Node
    path: str
    license: str = ""
    advice: str = ""


class Correlation(msgspec.Struct, frozen=True, gc=False):
    """A correlation rule, or one of our extensions `new_terms` and `sequence`."""

    uid: str
    name: str
    title: str
    level: str
    status: str
    author: str
    description: str
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    references: tuple[str, ...]
    path: str
    kind: str  # event_count, value_count, value_sum, …, temporal, temporal_ordered, new_terms, sequence
    rules: tuple[str, ...]  # uids of the rules it refers to (resolved from id, name or title)
    group_by: tuple[str, ...]
    timespan_ms: int
    condition: tuple[tuple[str, float], ...] = ()  # ("gte", 10.0), joined by and
    fields: tuple[str, ...] = ()  # of value_count and the other value_… kinds, and new_terms
    expression: str = ""  # extended temporal: condition over rule names
    aliases: dict[str, dict[str, str]] = {}  # alias → {rule uid: field}
    generate: bool = False  # referred rules also alert on their own
    percentile: float = 0.0
    until: str = ""  # sequence: a rule uid that ends it
    history_ms: int = 0  # new_terms: how far back a term counts as known
    license: str = ""
    advice: str = ""
    alone: bool = True  # alerts by itself (False: only feeds other correlations)


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A rule that is not loaded, and exactly why; `waiting` when it only needs a user's list."""

    path: str
    uid: str
    title: str
    reason: str
    waiting: bool = False


class RuleSet(msgspec.Struct, frozen=True, gc=False):
    """A compiled rule directory; `digest` covers every rule's text, placeholders and this form."""

    digest: str
    atoms: tuple[Atom, ...]
    rules: tuple[Rule, ...]
    correlations: tuple[Correlation, ...]
    rejected: tuple[Rejected, ...]
    alone: tuple[bool, ...] = ()  # per rule: alerts by itself (False: only feeds correlations)
    warned: tuple[Rejected, ...] = ()  # loaded all the same, but their authors should look
