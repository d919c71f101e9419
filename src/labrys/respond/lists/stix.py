"""STIX 2.1 indicators that say until when they hold. Source: STIX Version 2.1, section 4.7."""

import ipaddress
from collections.abc import Sequence
from typing import Final

import orjson

from labrys.report.stix import Item, domain_object, ourselves
from labrys.report.visible import iso
from labrys.respond.guards import Names
from labrys.respond.ledger import Block

_HASHES: Final = {32: "MD5", 40: "'SHA-1'", 64: "'SHA-256'"}


def files(blocks: Sequence[Block], allow: Names, at: int) -> dict[str, str]:
    """See `labrys.respond.lists`; a bundle with one indicator for each block."""
    objects = [ourselves(), *map(_indicator, blocks)]
    bundle = domain_object("bundle", "|".join(each.id for each in blocks), "")
    made = {"type": "bundle", "id": bundle["id"], "objects": objects}
    return {"labrys-stix.json": orjson.dumps(made, option=orjson.OPT_INDENT_2).decode() + "\n"}


def _indicator(block: Block) -> Item:
    since = iso(block.since)
    return domain_object("indicator", block.id, since) | {
        "name": f"Blocked {block.kind} {block.value}",
        "indicator_types": ["malicious-activity"],
        "pattern": _pattern(block),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": since,
        "valid_until": iso(block.until),
    }


def _pattern(block: Block) -> str:
    if block.kind == "hash":
        return f"[file:hashes.{_HASHES[len(block.value)]} = '{block.value}']"
    if block.kind == "domain":
        return f"[domain-name:value = '{block.value}']"
    version = ipaddress.ip_address(block.value).version
    return f"[ipv{version}-addr:value = '{block.value}']"
