"""Compiles rule files to one rule set, and accounts for every document in them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Final

import msgspec
from sigma.exceptions import SigmaError

from labrys.detect.sigma.ir import Correlation, Node, Rejected, Rule, RuleSet
from labrys.detect.sigma.listing import Text, digest_of, rule_files, texts_of
from labrys.detect.sigma.parse import aggregation, correlations, filters
from labrys.detect.sigma.parse.condition import condition
from labrys.detect.sigma.parse.correlations import Draft
from labrys.detect.sigma.parse.documents import Document, documents
from labrys.detect.sigma.parse.errors import Unusable, Waiting
from labrys.detect.sigma.parse.filters import Filter
from labrys.detect.sigma.parse.meta import Meta, logsource, meta, timespan_ms
from labrys.detect.sigma.parse.nodes import Atoms, both, either
from labrys.detect.sigma.parse.values import Placeholders, Translator

UNRATED: Final = "medium"
"""Level of a rule that states none."""


def parse(
    paths: Iterable[str | PathLike[str]], placeholders: Placeholders | None = None
) -> RuleSet:
    """Compile every rule file under the paths (`*.yml`, `*.yaml`, or files by their own name).

    `placeholders` gives the user's list for each `%name%`. Raises `RuleError` only where a path
    cannot be read; a rule that cannot be loaded is in the result's `rejected` with its reason.
    """
    return compile_texts(texts_of(rule_files(paths)), placeholders)


def compile_texts(texts: Sequence[Text], placeholders: Placeholders | None = None) -> RuleSet:
    """Compile rule files given as path and content, in this order."""
    work = _Work(placeholders or {})
    for path, content in texts:
        for document in documents(path, content):
            work.take(document)
    return work.finished(digest_of(texts, placeholders or {}))


class _Work:
    """What has been compiled so far, and what could not be."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._atoms = Atoms()
        self._translator = Translator(self._atoms, placeholders)
        self._rules: list[Rule] = []
        self._drafts: list[Draft] = []
        self._filters: list[tuple[Filter, Document, Meta]] = []
        self._rejected: list[Rejected] = []
        self._warned: list[Rejected] = []
        self._uids: Counter[str] = Counter()
        self._unloaded: dict[str, str] = {}

    def take(self, document: Document) -> None:
        """Compile one document, or note why it cannot be."""
        head = meta(document.content)
        if document.problem:
            self._reject(document, head, document.problem)
            return
        content = document.content
        compile_one: Callable[[Document, Meta], None]
        if "correlation" in content:
            compile_one = self._correlation
        elif "filter" in content:
            compile_one = self._filter
        elif "detection" in content:
            compile_one = self._rule
        else:
            reason = "is not a Sigma rule: it has no detection, correlation or filter"
            self._reject(document, head, reason)
            return
        try:
            compile_one(document, head)
        except Waiting as waiting:
            self._reject(document, head, str(waiting), waiting=True)
        except (Unusable, SigmaError) as reason:
            self._reject(document, head, str(reason))
        except RecursionError:
            self._reject(document, head, "nests too deep")
        except Exception as error:  # pySigma on malformed input: a reason too, never a crash
            self._reject(document, head, f"cannot be read: {type(error).__name__}: {error}")

    def finished(self, digest: str) -> RuleSet:
        """The rule set: filters applied, references resolved."""
        for one, document, head in self._filters:
            self._apply(one, document, head)
        made, lost = correlations.resolved(self._drafts, self._rules, self._unloaded)
        for correlation, reason in lost:
            self._rejected.append(
                Rejected(correlation.path, correlation.uid, correlation.title, reason)
            )
        fed = _only_feeding(made)
        return RuleSet(
            digest=digest,
            atoms=self._atoms.all(),
            rules=tuple(self._rules),
            correlations=tuple(
                msgspec.structs.replace(one, alone=False) if one.uid in fed else one for one in made
            ),
            rejected=tuple(self._rejected),
            alone=tuple(rule.uid not in fed for rule in self._rules),
            warned=tuple(self._warned),
        )

    def _rule(self, document: Document, head: Meta) -> None:
        section = document.content["detection"]
        if not isinstance(section, Mapping):
            raise Unusable("`detection` is not a map")
        source = logsource(document.content.get("logsource"))
        named = {k: v for k, v in section.items() if k not in ("condition", "timeframe")}
        if not named:
            raise Unusable("`detection` has no detections")
        detections = self._translator.detections(named)
        plain: list[Node] = []
        counted: list[tuple[Node, aggregation.Aggregation]] = []
        if section.get("condition") is None and len(detections) == 1:
            self._warn(document, head, "has no condition; its only detection is taken for it")
            plain.extend(detections.values())
        for text in () if plain else _conditions(section.get("condition")):
            before, after = aggregation.split(text)
            node = condition(before, detections)
            if after:
                counted.append((node, aggregation.aggregation(after)))
            else:
                plain.append(node)
        if counted and (plain or len(counted) > 1):
            raise Unusable("several conditions, one of them an aggregation, cannot be translated")
        span = timespan_ms(section["timeframe"]) if "timeframe" in section else None
        if counted and span is None:
            raise Unusable("aggregation without `timeframe` would count over all evidence")
        shared = head.shared() | {"uid": self._unique(document, head)}
        rule = Rule(
            **shared | {"level": head.level or UNRATED},
            logsource=source,
            when=counted[0][0] if counted else either(plain),
            path=document.path,
        )
        if span is not None and counted:
            rule, counting = _counting(rule, counted[0][1], span)
            self._drafts.append(Draft(counting, generate=False))
        self._rules.append(rule)

    def _correlation(self, document: Document, head: Meta) -> None:
        draft = correlations.draft(head, document.path, document.content["correlation"])
        uid = self._unique(document, head)
        self._drafts.append(Draft(msgspec.structs.replace(draft.made, uid=uid), draft.generate))

    def _filter(self, document: Document, head: Meta) -> None:
        made = filters.compiled(document.content, self._translator)
        self._filters.append((made, document, head))

    def _apply(self, one: Filter, document: Document, head: Meta) -> None:
        fitting = [number for number, rule in enumerate(self._rules) if one.fits(rule)]
        for number in fitting:
            rule = self._rules[number]
            self._rules[number] = msgspec.structs.replace(rule, when=both([rule.when, one.when]))
        if not fitting:
            self._warn(document, head, "filter applies to no loaded rule")

    def _unique(self, document: Document, head: Meta) -> str:
        """The rule's uid, with a suffix where another rule has it already."""
        key = head.uid.lower()
        self._uids[key] += 1
        for slip in head.slips:
            self._warn(document, head, slip)
        if self._uids[key] == 1:
            return head.uid
        uid = f"{head.uid}~{self._uids[key]}"
        self._warn(document, head, f"another rule has this id; loaded as {uid}")
        return uid

    def _warn(self, document: Document, head: Meta, reason: str) -> None:
        self._warned.append(Rejected(document.path, head.uid, head.title, reason))

    def _reject(
        self, document: Document, head: Meta, reason: str, *, waiting: bool = False
    ) -> None:
        self._rejected.append(Rejected(document.path, head.uid, head.title, reason, waiting))
        for key in (head.uid, head.name, head.title):
            self._unloaded.setdefault(key.lower(), reason)


def _counting(
    rule: Rule, wanted: aggregation.Aggregation, span_ms: int
) -> tuple[Rule, Correlation]:
    """An old aggregation: a rule for its events, and a correlation that counts them."""
    events = msgspec.structs.replace(rule, uid=f"{rule.uid}{aggregation.EVENTS}", name="")
    fields = msgspec.structs.asdict(rule)
    head = {name: fields[name] for name in Correlation.__struct_fields__ if name in fields}
    counting = Correlation(
        **head,
        kind=wanted.kind,
        rules=(events.uid,),
        group_by=wanted.group_by,
        timespan_ms=span_ms,
        condition=wanted.condition,
        fields=wanted.fields,
    )
    return events, counting


def _conditions(value: Any) -> Sequence[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Unusable("`detection` has no condition")
    return texts


def _only_feeding(made: Iterable[Correlation]) -> set[str]:
    """The uids that some correlation refers to without letting them alert on their own."""
    return {uid for one in made if not one.generate for uid in (*one.rules, one.until)}
