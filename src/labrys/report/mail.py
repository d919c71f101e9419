"""What is worth sharing of a message that a finding rests on: who, what, and where its links lead.

Not everything in a bad mail is bad: links to well-known brands, to free mailboxes and to the
reader's own organisation are named, but not as something to block.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labrys.detect.imitation import brands
from labrys.evidence.mail.domains import registered
from labrys.evidence.values import MULTI

MOST: Final = 50
"""Links of one message that are shared."""
_FETCHED: Final = frozenset(("img", "embedded", "comment"))
_WEB: Final = ("http://", "https://", "ftp://")


@dataclass(frozen=True, slots=True)
class Indicator:
    """Something seen; `sure` where it may be blocked or searched for."""

    value: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, as far as others can use it."""

    sender: str
    name: str
    reply_to: str
    return_path: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    date: str
    origin: str
    urls: tuple[Indicator, ...]
    domains: tuple[Indicator, ...]
    files: tuple[str, ...]
    hashes: tuple[str, ...]


def mail(record: Mapping[str, str]) -> Mail | None:
    """The message a record is; None where it is none."""
    if "from_address" not in record or "headers" not in record:
        return None
    record = {name: value.encode("utf-8", "replace").decode() for name, value in record.items()}
    recipients = _several(record, "to")
    own = {registered(one.rpartition("@")[2]) for one in recipients}
    domains = _several(record, "followed_domains")[:MOST]
    return Mail(
        sender=record["from_address"],
        name=record.get("from_name", ""),
        reply_to=record.get("reply_to_address", ""),
        return_path=record.get("return_path_address", ""),
        recipients=recipients,
        subject=record.get("subject", ""),
        message_id=record.get("message_id", ""),
        date=record.get("_time", ""),
        origin=record.get("border_ip", ""),
        urls=tuple(
            Indicator(url, _is_sure(url, own)) for url in dict.fromkeys(list(_urls(record))[:MOST])
        ),
        domains=tuple(
            Indicator(one, one not in own and not brands.owner(one) and not brands.kind(one))
            for one in dict.fromkeys(domains)
        ),
        files=_several(record, "attachment_names")[:MOST],
        hashes=_several(record, "attachment_hashes")[:MOST],
    )


def _several(record: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(one for one in record.get(name, "").split(MULTI) if one)


def _urls(record: Mapping[str, str]) -> Iterator[str]:
    """Where the links lead that a reader follows, and what redirectors hold."""
    kinds = record.get("link_kinds", "").split(MULTI)
    for name in ("link_hrefs", "link_targets"):
        for kind, url in zip(kinds, record.get(name, "").split(MULTI), strict=False):
            if kind not in _FETCHED and url.lower().startswith(_WEB):
                yield url


def _is_sure(url: str, own: set[str]) -> bool:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    if registered(host) in own:
        return False
    return brands.owner(host) is None or brands.kind(host) is not None
