"""Who wrote before, kept up to date from one message to the next: for a mail gate.

`features` counts over all mail of a case; a gate sees a message once and must judge it at once. This
counts the same things from the past only, in bounded memory, and makes the rows that `score` judges.

What an attacker can do to it: each thing counts once a day, so that a flood makes nobody known; what
was seen on few days is forgotten before what was seen on many, so that a flood makes nobody unknown.
Addresses and names are kept as keyed digests; domains as they are, since look-alikes need them.
"""

import hmac
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from labrys.detect.mail.hosts import FREE_MAIL
from labrys.detect.mail_relation.features import FEW, YOUNG
from labrys.detect.mail_relation.score import skeleton
from labrys.detect.mail_relation.seen import DAY, Mail, Seen

MOST: Final = 60_000
"""So many digests are kept of what was seen on few days, and again of what was seen on more."""
MOST_DOMAINS: Final = 10_000
_MOST_ALIKE: Final = 64
_LONGEST_LABEL: Final = 63


class Ledger:
    """Things and when they were seen; what was seen least recently is forgotten.

    What was seen on fewer than `FEW` days has room of its own: it cannot push out the rest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._new: dict[str, Seen] = {}
        self._known: dict[str, Seen] = {}

    def count(self, key: str) -> int:
        """On how many days it was seen."""
        made = self.get(key)
        return made.count if made is not None else 0

    def get(self, key: str) -> Seen | None:
        """When it was seen."""
        return self._known.get(key) or self._new.get(key)

    def put(self, key: str, seen: Seen) -> str:
        """Keep it as the most recent; what is forgotten for it, else ""."""
        self._new.pop(key, None)
        place = self._known if seen.count >= FEW else self._new
        place.pop(key, None)
        place[key] = seen
        if len(place) <= self._most:
            return ""
        oldest = next(iter(place))
        del place[oldest]
        return oldest

    def trusted(self) -> Iterator[str]:
        """What was seen on `FEW` days or more."""
        return iter(self._known)


class Profile:
    """Who writes here. `key` is the secret of the digests."""

    def __init__(self, key: bytes, *, most: int = MOST, most_domains: int = MOST_DOMAINS) -> None:
        self._key = key
        self._people, self._domains = Ledger(most), Ledger(most_domains)
        self._shapes = _Shapes()
        self._changed: dict[str, Seen | None] = {}

    def __len__(self) -> int:
        """How many domains are known."""
        return sum(1 for _ in self._domains.trusted())

    def broken(self, mail: Mail, uid: str, time: int) -> list[dict[str, Any]]:
        """The rows for `score` of a message that breaks with the past; none for one that does not.

        Nor for one that `score` says nothing of, whatever it says: it must be a stranger's whom
        nobody wrote to, or have something borrowed.
        """
        if not mail.sender:
            return []
        row = self.row(mail, uid, time)
        borrows = row["name_earlier"] - row["pair_earlier"] >= FEW > row["pair_earlier"]
        answers = mail.reply != "" and row["earlier"] >= FEW > row["reply_earlier"]
        unasked = row["earlier"] == 0 == row["written"]
        broken = borrows or answers or unasked
        if not broken and row["domain_earlier"] >= YOUNG:
            return []
        alike = self._alike(mail.domain)
        own = self._domains.get(mail.domain) or Seen(0, time, -1)
        return [row, _domain(mail.domain, own), *alike] if broken or alike else []

    def row(self, mail: Mail, uid: str, time: int) -> dict[str, Any]:
        """What came before a message, as `features` counts it."""
        seen = self._people.count
        shown = mail.name not in ("", mail.sender)
        return {
            **msgspec.structs.asdict(mail),
            "kind": "message",
            "_id": uid,
            "_source": "message",
            "_shape": "mail.message",
            "_time": time,
            "_offset": 0,
            "thing": mail.sender,
            "earlier": seen(self._digest("sender", mail.sender)),
            "domain_earlier": self._domains.count(mail.domain),
            "written": seen(self._digest("to", mail.sender)),
            "name_earlier": seen(self._digest("name", mail.name)) if shown else 0,
            "pair_earlier": seen(self._digest("pair", mail.name, mail.sender)) if shown else 0,
            "reply_earlier": seen(self._digest("reply", mail.sender, mail.reply)),
        }

    def _alike(self, domain: str) -> list[dict[str, Any]]:
        """The rows of the known domains that this one may look like."""
        names = self._shapes.alike(domain) if domain not in FREE_MAIL else ()
        held = ((name, self._domains.get(name)) for name in names)
        return [_domain(name, seen) for name, seen in held if seen is not None]

    def learn(self, mail: Mail, time: int, *, wrote_to: bool) -> None:
        """Count a message that came at `time` (epoch ms, not before those learnt already).

        `wrote_to`: it went to its recipient indeed, so that he is nobody unasked from now on.
        """
        if not mail.sender:
            return
        self._count(self._people, self._digest("sender", mail.sender), time)
        self._count(self._people, self._digest("reply", mail.sender, mail.reply), time)
        if mail.name:
            self._count(self._people, self._digest("name", mail.name), time)
            self._count(self._people, self._digest("pair", mail.name, mail.sender), time)
        if wrote_to and mail.recipient not in ("", mail.sender):
            self._count(self._people, self._digest("to", mail.recipient), time)
        if mail.domain:
            self._count(self._domains, mail.domain, time)

    def _count(self, ledger: Ledger, key: str, time: int) -> None:
        day = time // DAY
        seen = ledger.get(key) or Seen(0, time, -1)
        if day > seen.day:
            seen.count, seen.day = seen.count + 1, day
            self._note(ledger, key, seen)
        self._keep(ledger, key, seen)

    def _keep(self, ledger: Ledger, key: str, seen: Seen) -> None:
        gone = ledger.put(key, seen)
        if gone:
            self._note(ledger, gone, None)
        if ledger is self._domains:
            if gone:
                self._shapes.drop(gone)
            if seen.count >= FEW and key not in FREE_MAIL:
                self._shapes.add(key)

    def _note(self, ledger: Ledger, key: str, seen: Seen | None) -> None:
        mark = "@" if ledger is self._domains else ""
        self._changed[f"{mark}{key}"] = seen and Seen(seen.count, seen.first, seen.day)

    def taken(self) -> dict[str, Seen | None]:
        """What has changed since this was asked last, to be stored; None: forgotten."""
        made, self._changed = self._changed, {}
        return made

    def restore(self, rows: Iterator[tuple[str, Seen]]) -> None:
        """Take back what was stored, least recent first."""
        for name, seen in rows:
            ledger = self._domains if name.startswith("@") else self._people
            self._keep(ledger, name.removeprefix("@"), seen)

    def _digest(self, *parts: str) -> str:
        said = "\0".join(parts).encode("utf-8", "replace")
        return hmac.digest(self._key, said, "sha256")[:12].hex()


def _domain(name: str, seen: Seen) -> dict[str, Any]:
    return {"kind": "domain", "thing": name, "_time": seen.first, "earlier": seen.count}


class _Shapes:
    """Known domains by what they look like: finds all that `score` could hold for alike, fast."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[str, None]] = {}
        self._there: set[str] = set()

    def add(self, domain: str) -> None:
        if domain not in self._there:
            self._there.add(domain)
            for key in _keys(domain):
                self._by_key.setdefault(key, {})[domain] = None

    def drop(self, domain: str) -> None:
        if domain in self._there:
            self._there.discard(domain)
            for key in _keys(domain):
                there = self._by_key.get(key, {})
                there.pop(domain, None)
                if not there:
                    self._by_key.pop(key, None)

    def alike(self, domain: str) -> list[str]:
        """Known domains that share a key with this one, at most `_MOST_ALIKE`."""
        label = skeleton(domain).partition(".")[0][:_LONGEST_LABEL]
        inside = (
            f"={label[at:end]}" for at in range(len(label)) for end in range(at + 6, len(label) + 1)
        )
        found: dict[str, None] = {}
        for key in (*_keys(domain), *inside):
            found.update(self._by_key.get(key, {}))
            if len(found) > _MOST_ALIKE:
                break
        found.pop(domain, None)
        return list(found)[:_MOST_ALIKE]


def _keys(domain: str) -> set[str]:
    """What two domains share if they look the same, or their first labels are one edit apart."""
    shape = skeleton(domain)
    label = shape.partition(".")[0][:_LONGEST_LABEL]
    # Words that are one edit apart share one of these (Garbe's symmetric deletion).
    shorter = {f"-{label[:at]}{label[at + 1 :]}" for at in range(len(label))}
    return {f".{shape}", f"={label}", f"-{label}", *shorter}
