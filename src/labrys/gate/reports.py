"""What people say of messages, read from the reports they send, and which of it may teach a model.

A report is a mail with the message in it as it was (forwarded as attachment), or an ARF complaint.
The original header stays. Whoever can report can also teach: so what contradicts itself, floods, or
asks to take an attack for ordinary mail waits for a person, and so does what one person alone asks to
take for ordinary mail though something was found in it.

Sources: RFC 5965 (ARF), RFC 6430 (`not-spam`), RFC 2046 5.2.1 (message/rfc822).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from labrys.evidence.mail.mime import Message, Part, headers_of, parse
from labrys.evidence.mail.transfer import Decoder
from labrys.evidence.records import Source
from labrys.evidence.registry import formats
from labrys.gate.store import Decision, Label, Report
from labrys.guard.training.copies import COPIES, FEW, PART, fair
from labrys.ocsf.schema import Severity

_LARGEST: Final = 32 << 20
_MOST: Final = 50
_HELD: Final = frozenset(("message/rfc822", "message/global"))
_FEEDBACK: Final = "message/feedback-report"
_HAM: Final = frozenset(("not-spam",))
_ENOUGH: Final = 20
"""From so many reports on, none may come for the greater part from one person."""
_SHARE: Final = 0.34
_AGREE: Final = 2
"""So many people must say that mail is ordinary in which something was found. Many accounts of one
person can: so it stays `PART` of what people call ordinary and nothing was found in."""
_SHOWN: Final = 4_000
_COLUMNS: Final = {
    "from": "from_address", "name": "from_name", "to": "to", "date": "date", "subject": "subject",
    "text": "text_visible",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reported:
    """A message out of a report; `label` where the report itself says what it is."""

    content: bytes
    label: Label | None

    @property
    def digest(self) -> str:
        """SHA-256 of the message as it was reported."""
        return hashlib.sha256(self.content).hexdigest()


def messages(report: bytes) -> list[Reported]:
    """The messages in a report, at most 50; none where nothing is forwarded as it was."""
    read = parse(report[:_LARGEST], 0, min(len(report), _LARGEST))
    label = _feedback(read)
    found = (_content(part) for part in read.parts if part.kind in _HELD)
    return [Reported(content, label) for content in list(found)[:_MOST] if content.strip()]


def _feedback(read: Message) -> Label | None:
    for part in read.parts:
        if part.kind == _FEEDBACK:
            said = headers_of(_content(part)[:10_000] + b"\r\n").text("feedback-type") or ""
            return "ham" if said.strip().lower() in _HAM else "spam"
    return None


def _content(part: Part) -> bytes:
    return Decoder(part.buffer, part.start, part.end, part.encoding).head(_LARGEST)


@dataclass(frozen=True, slots=True)
class Checked:
    """A report, why it must not teach yet (empty: it may), and who decided about it if anybody did.

    What was decided is the report's label.
    """

    report: Report
    doubt: str = ""
    decided: str = ""

    @property
    def waits(self) -> bool:
        """Whether a person has still to say what it is."""
        return bool(self.doubt) and not self.decided


def checked(
    reports: Sequence[Report], decisions: Mapping[str, Decision] | None = None
) -> Iterator[Checked]:
    """Every report with the doubts about it, in their order; what a person decided goes before them.

    A message that was decided about teaches once, however many reported it.
    """
    decisions, once = decisions or {}, set[str]()
    left = iter(_doubted([each for each in reports if each.digest not in decisions]))
    for each in reports:
        if (said := decisions.get(each.digest)) is None:
            yield next(left)
            continue
        doubt = "it counts once" if each.digest in once else ""
        once.add(each.digest)
        if said.label == "drop":
            yield Checked(each, "decided: it must not teach", said.who)
        else:
            yield Checked(msgspec.structs.replace(each, label=said.label), doubt, said.who)


def _doubted(reports: Sequence[Report]) -> Iterator[Checked]:
    labels: dict[str, set[str]] = {}
    people: dict[str, set[str]] = {}
    for each in reports:
        labels.setdefault(each.digest, set()).add(each.label)
        people.setdefault(each.digest, set()).add(each.reporter)
    calm = {each.digest for each in reports if each.label == "ham" and not each.severity}
    odd, many = set[str](), max(FEW, int(PART * len(calm)))
    by_reporter = Counter(each.reporter for each in reports)
    gave = Counter((each.label, each.reporter) for each in reports)
    most = max(1, int(_SHARE * len(reports))) if len(reports) >= _ENOUGH else len(reports)
    of = {label: [count for (said, _), count in gave.items() if said == label] for label, _ in gave}
    share = {mine: fair(of[mine[0]], own) for mine, own in gave.items()}
    taken: Counter[str] = Counter()
    taught: Counter[tuple[str, str]] = Counter()
    copies: Counter[str] = Counter()
    for each in reports:
        taken[each.reporter] += 1
        alike, mine = f"{each.label}:{each.signature or each.digest}", (each.label, each.reporter)
        copies[alike] += 1
        if len(labels[each.digest]) > 1:
            yield Checked(each, "people disagree about it")
        elif each.label == "ham" and each.severity >= Severity.HIGH:
            yield Checked(each, "reported as ordinary, but judged an attack: look at it first")
        elif _odd(each) and len(people[each.digest]) < _AGREE:
            yield Checked(each, "reported as ordinary by one person, but something was found in it")
        elif _odd(each) and each.digest not in odd and len(odd) >= many:
            yield Checked(each, "much is reported as ordinary in which something was found")
        elif by_reporter[each.reporter] > most and taken[each.reporter] > most:
            yield Checked(each, "more than a third of all reports are of this person")
        elif copies[alike] > COPIES:
            yield Checked(each, "one more copy of what was reported already")
        elif taught[mine] >= share[mine]:
            yield Checked(each, "this person reports far more than others do")
        else:
            taught[mine] += 1
            odd |= {each.digest} if _odd(each) else set()
            yield Checked(each)


def _odd(each: Report) -> bool:
    return each.label == "ham" and each.severity > 0


def export(folder: Path, kept: Path, found: Iterable[Checked]) -> tuple[int, int]:
    """Copy the reported messages that may teach from `kept` to `folder`/spam and /ham.

    Returns how many there are of each; what waits for a person is left out.
    """
    counts = {"spam": 0, "ham": 0}
    for label in counts:
        (folder / label).mkdir(parents=True, exist_ok=True)
    for each in found:
        source = kept / f"{each.report.digest}.eml"
        if not each.doubt and source.is_file():
            target = folder / each.report.label / source.name
            target.write_bytes(source.read_bytes())
            counts[each.report.label] += 1
    return counts["spam"], counts["ham"]


def content_of(path: Path) -> dict[str, str]:
    """What a kept message says: some of its header, and the beginning of its text."""
    content = path.read_bytes()[:_LARGEST]
    mail = next(one for one in formats() if one.id == "mail")
    source = Source(path, path.name, hashlib.sha256(content).hexdigest(), len(content))
    for shape, batch in mail.read(source):
        if shape == "mail.message" and batch.num_rows:
            row = batch.slice(0, 1).to_pylist()[0]
            return {name: str(row.get(column) or "")[:_SHOWN] for name, column in _COLUMNS.items()}
    return dict.fromkeys(_COLUMNS, "")
