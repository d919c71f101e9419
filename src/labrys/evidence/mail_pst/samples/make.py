"""Makes the sample, a mailbox of two folders: `python make.py` writes it beside itself.

As MS-PST lays a Unicode mailbox out, with no more in it than a reader of messages needs.
"""

import struct
from binascii import crc32
from pathlib import Path

TICKS = (1_772_600_767 + 11_644_473_600) * 10_000_000
_PAGE, _NBT, _BBT = 512, 0x81, 0x80
Properties = dict[tuple[int, int], bytes]
"""By number and type."""


def text(uid: int, said: str) -> Properties:
    """A property of text."""
    return {(uid, 0x1F): said.encode("utf-16-le")}


def folder(name: str) -> Properties:
    """The properties of a folder."""
    return text(0x3001, name) | {(0x3602, 3): bytes(4), (0x3603, 3): bytes(4)}


def mail(kind: str, subject: str, body: str, header: str) -> Properties:
    """The properties of an item."""
    said = {0x001A: kind, 0x0037: subject, 0x1000: body, 0x007D: header}
    made = {key: value for uid, each in said.items() for key, value in text(uid, each).items()}
    return made | {(0x0039, 0x40): struct.pack("<Q", TICKS)}


NODES: tuple[tuple[int, int, Properties], ...] = (
    (0x21, 0, text(0x3001, "Sample")),
    (0x122, 0x122, folder("")),
    (0x8022, 0x122, folder("Top")),
    (0x8042, 0x8022, folder("Inbox")),
    (
        0x200024,
        0x8042,
        mail(
            "IPM.Note",
            "\x01\x05Re: lunch",
            "At noon? https://shop.example/x",
            "From: Ann <ann@firm.example>\r\nTo: bob@corp.example\r\n"
            "Message-ID: <1@firm.example>\r\n\r\n",
        ),
    ),
    (0x200044, 0x8042, mail("IPM.Contact", "Bob", "", "")),
)
"""Number, parent and properties of each."""


def context(properties: Properties) -> bytes:
    """A property context: a heap with a B-tree of the properties and their values."""
    held: list[bytes] = [b"", b""]
    records = b""
    for (uid, kind), value in sorted(properties.items()):
        if kind == 3:
            where = value
        else:
            held.append(value)
            where = struct.pack("<I", len(held) << 5 if value else 0)
        records += struct.pack("<HH", uid, kind) + where
    held[:2] = struct.pack("<BBBBI", 0xB5, 2, 6, 0, 2 << 5), records
    return heap(0xBC, held)


def table(rows: list[int]) -> bytes:
    """A table context of the numbers of items, with no other columns."""
    columns = struct.pack("<IHBBIHBB", 0x67F20003, 0, 4, 0, 0x67F30003, 4, 4, 1)
    info = struct.pack("<BB4HIII", 0x7C, 2, 8, 8, 8, 9, 2 << 5, 4 << 5 if rows else 0, 0)
    index = b"".join(struct.pack("<II", nid, number) for number, nid in enumerate(rows))
    data = b"".join(struct.pack("<IIB", nid, 1, 0xC0) for nid in rows)
    tree = struct.pack("<BBBBI", 0xB5, 4, 4, 0, 3 << 5 if rows else 0)
    return heap(0x7C, [info + columns, tree, *([index, data] if rows else [])])


def heap(kind: int, held: list[bytes]) -> bytes:
    """A heap on a node, of which the first allocation is the root."""
    at, places, data = 12, [12], b""
    for each in held:
        data += each
        at += len(each)
        places.append(at)
    pad = bytes(-at % 2)
    page_map = struct.pack("<HH", len(held), 0) + struct.pack(f"<{len(places)}H", *places)
    return struct.pack("<HBBI4x", at + len(pad), 0xEC, kind, 1 << 5) + data + pad + page_map


def nodes() -> list[tuple[int, int, bytes]]:
    """Number, parent and data of every node: the items, and the tables of each folder."""
    made = [(nid, parent, context(properties)) for nid, parent, properties in NODES]
    for nid, *_ in (each for each in NODES if each[0] & 0x1F == 2):
        below = [each[0] for each in NODES if each[1] == nid != each[0]]
        folders, items = ([each for each in below if each & 0x1F == kind] for kind in (2, 4))
        for kind, rows in ((0x0D, folders), (0x0E, items), (0x0F, [])):
            made.append((nid & ~0x1F | kind, 0, table(rows)))
    return sorted(made)


def crc(data: bytes) -> int:
    """The checksum of MS-PST: CRC-32 begun with zero and not inverted."""
    return crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def signature(at: int, bid: int) -> int:
    """What a block or page has of its own place and number."""
    mixed = at ^ bid
    return ((mixed >> 16) ^ mixed) & 0xFFFF


def page(entries: list[bytes], kind: int, at: int, bid: int) -> bytes:
    """A leaf of one of the two B-trees."""
    size = len(entries[0])
    body = b"".join(entries).ljust(488, b"\0")
    body += struct.pack("<BBBB4x", len(entries), 488 // size, size, 0)
    return body + struct.pack("<BBHIQ", kind, kind, signature(at, bid), crc(body), bid)


def sample() -> bytes:
    """The whole mailbox."""
    out = bytearray(0x4600)
    blocks: list[bytes] = []
    listed: list[bytes] = []
    for number, (nid, parent, data) in enumerate(nodes(), 1):
        bid, at = number * 4, len(out)
        size = -(-(len(data) + 16) // 64) * 64
        trailer = struct.pack("<HHIQ", len(data), signature(at, bid), crc(data), bid)
        out += data.ljust(size - 16, b"\0") + trailer
        blocks.append(struct.pack("<QQHHI", bid, at, len(data), 2, 0))
        listed.append(struct.pack("<QQQII", nid, bid, 0, parent, 0))
    out += bytes(-len(out) % _PAGE)
    trees = b""
    for bid, kind, entries in ((0x101, _NBT, listed), (0x105, _BBT, blocks)):
        # More than a page holds would need a level above.
        size = len(entries[0])
        assert len(entries) <= 488 // size
        trees += struct.pack("<QQ", bid, len(out))
        out += page(entries, kind, len(out), bid)
    root = struct.pack("<IQQQQ", 0, len(out), 0x4400, 0, 0) + trees + b"\2\0\0\0"
    part = struct.pack("<HHHBBII", 0x4D53, 23, 19, 1, 1, 0, 0)
    part += struct.pack("<QQI", 0, 0x200, 1) + bytes(128) + bytes(8) + root + bytes(4)
    part += b"\xff" * 256 + struct.pack("<BBHQ", 0x80, 0, 0, 0x100)
    head = b"!BDN" + struct.pack("<I", crc(part[:471])) + part
    out[: len(head)] = head
    out[524:528] = struct.pack("<I", crc(bytes(out[8:524])))
    return bytes(out)


if __name__ == "__main__":
    (Path(__file__).parent / "two.pst").write_bytes(sample())
