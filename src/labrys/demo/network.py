"""What a Zeek sensor at the firm's gateway wrote: conn.log and dns.log as tab-separated text."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime

from labrys.demo.scene import ANNA, DC, DESKS, INTRUDER, at

_CONN = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "missed_bytes",
    "history",
    "orig_pkts",
    "resp_pkts",
]
_CONN_TYPES = [
    "time",
    "string",
    "addr",
    "port",
    "addr",
    "port",
    "enum",
    "string",
    "interval",
    "count",
    "count",
    "string",
    "count",
    "string",
    "count",
    "count",
]
_DNS = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "query",
    "qtype_name",
    "rcode_name",
    "answers",
]
_DNS_TYPES = [
    "time",
    "string",
    "addr",
    "port",
    "addr",
    "port",
    "enum",
    "string",
    "string",
    "string",
    "vector[string]",
]
_NAMES = (
    "outlook.example.com",
    "files.example.org",
    "updates.example.net",
    "www.example.com",
    "chat.example.org",
)


def conn_log(draw: random.Random) -> str:
    """Connections of the day."""
    return _table("conn", _CONN, _CONN_TYPES, _connections(draw))


def dns_log(draw: random.Random) -> str:
    """Name look-ups of the day."""
    return _table("dns", _DNS, _DNS_TYPES, _lookups(draw))


def _connections(draw: random.Random) -> Iterator[tuple[datetime, Sequence[object]]]:
    for _ in range(1800):
        desk = draw.choice(DESKS)
        when = at("08:00", draw.random() * 9.5 * 3600)
        sent, got = draw.randrange(600, 90_000), draw.randrange(2_000, 4_000_000)
        yield (
            when,
            _connection(
                draw, desk.ip, f"198.51.100.{draw.randrange(1, 40)}", 443, "ssl", sent, got
            ),
        )
    for number in range(150):
        when = at("11:12", 22 + number * 60 + draw.random() * 8)
        yield when, _connection(draw, ANNA.ip, INTRUDER, 443, "ssl", draw.randrange(900, 1200), 640)
    yield at("12:04"), _connection(draw, DC.ip, INTRUDER, 443, "ssl", 1_288_490_188, 81_220)


def _connection(
    draw: random.Random, source: str, target: str, port: int, service: str, sent: int, got: int
) -> Sequence[object]:
    seconds = f"{draw.random() * 40:.6f}"
    return (
        _uid(draw), source, draw.randrange(49152, 65535), target, port, "tcp", service, seconds,
        sent, got, "SF", 0, "ShADadFf", sent // 900 + 4, got // 900 + 4,
    )  # fmt: skip


def _lookups(draw: random.Random) -> Iterator[tuple[datetime, Sequence[object]]]:
    for _ in range(900):
        desk = draw.choice(DESKS)
        answer = f"198.51.100.{draw.randrange(1, 40)}"
        yield at("08:00", draw.random() * 9.5 * 3600), (
            _uid(draw), desk.ip, draw.randrange(49152, 65535), DC.ip, 53, "udp",
            draw.choice(_NAMES), "A", "NOERROR", answer,
        )  # fmt: skip


def _uid(draw: random.Random) -> str:
    return "C" + "".join(draw.choices("abcdefghijkmnpqrstuvwxyzABCDEFGH23456789", k=17))


def _table(
    path: str, names: Sequence[str], types: Sequence[str],
    rows: Iterator[tuple[datetime, Sequence[object]]],
) -> str:  # fmt: skip
    head = (
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
        f"#path\t{path}\n#fields\t" + "\t".join(names) + "\n#types\t" + "\t".join(types) + "\n"
    )
    body = "".join(
        "\t".join((f"{when.timestamp():.6f}", *map(str, row))) + "\n"
        for when, row in sorted(rows, key=lambda pair: pair[0])
    )
    return head + body
