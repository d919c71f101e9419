"""Makes the samples: `python make.py` writes them beside itself. No login in them ever happened."""

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

NARROW, WIDE = "h2xi32s4s32s256shhiIi16s20x", "h2xi32s4s32s256shhqqq16s20x4x"
Record = tuple[int, str, str, str, int, str]
"""Type, line, user, host, seconds, address."""
START = 1_709_528_767
WTMP: tuple[Record, ...] = (
    (2, "~", "reboot", "6.1.0-18-amd64", START, ""),
    (6, "tty1", "LOGIN", "", START + 5, ""),
    (7, "pts/0", "alice", "192.0.2.7", START + 60, "192.0.2.7"),
    (7, "pts/1", "bob", "gw.example", START + 90, ""),
    (8, "pts/0", "", "", START + 600, ""),
    (7, "tty7", "carol", ":0", START + 700, ""),
    (1, "~", "shutdown", "6.1.0-18-amd64", START + 900, ""),
)
BTMP: tuple[Record, ...] = tuple(
    (6, "ssh:notty", name, "2001:db8::9", START + 30 + number, "2001:db8::9")
    for number, name in enumerate(("root", "admin", "UNKNOWN"))
)


def records(rows: Iterable[Record], form: str = NARROW, order: str = "<") -> bytes:
    """The records of utmp in one of its layouts."""
    made = b""
    for number, (kind, line, user, host, seconds, address) in enumerate(rows):
        raw = ip_address(address).packed if address else b""
        made += struct.pack(
            order + form,
            *(kind, 1000 + number, line.encode(), line[-4:].encode(), user.encode()),
            *(host.encode(), 0, 0, 0, seconds, 250_000, raw),
        )
    return made


def last(rows: dict[int, tuple[int, str, str]], form: str = "I32s256s", order: str = "<") -> bytes:
    """A lastlog: by the number of the account its time, line and host."""
    packed = struct.Struct(order + form)
    return b"".join(
        packed.pack(at, line.encode(), host.encode())
        for at, line, host in (rows.get(uid, (0, "", "")) for uid in range(max(rows) + 1))
    )


SAMPLES = {
    "wtmp": records(WTMP),
    "btmp": records(BTMP, WIDE),
    "lastlog": last({0: (START, "tty1", ""), 1000: (START + 60, "pts/0", "192.0.2.7")}),
}

if __name__ == "__main__":
    for name, data in SAMPLES.items():
        (Path(__file__).parent / name).write_bytes(data)
