"""Suricata datasets of addresses, names and hashes, and rules that look them up.

Source: Suricata user guide, "Datasets" and "File keywords". Put the files where `default-rule-path`
points, and change `alert` to `drop` where Suricata may.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Final

from labrys.respond.guards import Names
from labrys.respond.ledger import Block
from labrys.respond.lists import values

_SID: Final = 9_100_001
_HASHES: Final = {"md5": 32, "sha1": 40, "sha256": 64}
_HEAD: Final = "# Blocks of labrys. The rules need the lists beside them.\n"


def files(blocks: Sequence[Block], allow: Names, at: int) -> dict[str, str]:
    """See `labrys.respond.lists`; names are in Base64, as datasets of strings are kept."""
    hashes = values(blocks, "hash")
    lists = {
        "labrys-ips.lst": _lines(values(blocks, "ip")),
        "labrys-domains.lst": _lines(
            b64encode(name.encode()).decode() for name in values(blocks, "domain")
        ),
    }
    for kind, length in _HASHES.items():
        lists[f"labrys-{kind}.lst"] = _lines(each for each in hashes if len(each) == length)
    rules = [rule for name, rule in _rules() if lists[name]]
    return {"labrys.rules": _HEAD + _lines(rules), **lists}


def _rules() -> Iterable[tuple[str, str]]:
    number = _SID
    for side in ("src", "dst"):
        yield (
            "labrys-ips.lst",
            f'alert ip any any -> any any (msg:"labrys: blocked address ({side})"; ip.{side};'
            " dataset:isset,labrys-ips,type ip,load labrys-ips.lst;"
            f" sid:{number}; rev:1;)",
        )
        number += 1
    for protocol, keyword, what in (
        ("dns", "dns.query", "DNS"),
        ("tls", "tls.sni", "TLS"),
        ("http", "http.host", "HTTP"),
    ):
        yield (
            "labrys-domains.lst",
            f'alert {protocol} any any -> any any (msg:"labrys: blocked name in {what}"; {keyword};'
            " dataset:isset,labrys-domains,type string,load labrys-domains.lst;"
            f" sid:{number}; rev:1;)",
        )
        number += 1
    for kind in _HASHES:
        yield (
            f"labrys-{kind}.lst",
            f'alert http any any -> any any (msg:"labrys: blocked file ({kind})";'
            f" file{kind}:labrys-{kind}.lst; sid:{number}; rev:1;)",
        )
        number += 1


def _lines(each: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in each)
