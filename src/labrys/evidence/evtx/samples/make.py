"""Writes small EVTX files for the tests: plain binary XML, without templates (see libevtx's notes).

`python make.py` writes the sample beside it again.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Element = tuple[str, dict[str, str], Any]
"""Tag, attributes, and text, child elements or nothing."""

CHUNK = 65_536
WRITTEN = 133_596_000_000_000_000


def event(system: Sequence[Element], *sections: Element) -> Element:
    """One event: its `System` elements, and `EventData` or `UserData`."""
    xmlns = {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"}
    return "Event", xmlns, [("System", {}, list(system)), *sections]


def usual(
    number: int, channel: str, provider: str, time: str, record: int = 1, host: str = "PC1.example"
) -> list[Element]:
    """The `System` elements of most events."""
    return [
        ("Provider", {"Name": provider, "Guid": "{01234567-89ab-cdef-0123-456789abcdef}"}, None),
        ("EventID", {}, str(number)),
        ("Version", {}, "2"),
        ("Level", {}, "4"),
        ("Task", {}, "1"),
        ("Opcode", {}, "0"),
        ("Keywords", {}, "0x8020000000000000"),
        ("TimeCreated", {"SystemTime": time}, None),
        ("EventRecordID", {}, str(record)),
        ("Correlation", {"ActivityID": "11111111-2222-3333-4444-555555555555"}, None),
        ("Execution", {"ProcessID": "4", "ThreadID": "8"}, None),
        ("Channel", {}, channel),
        ("Computer", {}, host),
        ("Security", {"UserID": "S-1-5-18"}, None),
    ]


def named(values: dict[str, str]) -> Element:
    """An `EventData` of named values."""
    return "EventData", {}, [("Data", {"Name": name}, text) for name, text in values.items()]


def evtx(*chunks: bytes) -> bytes:
    """A file of these chunks."""
    header = bytearray(4096)
    count = len(chunks)
    struct.pack_into(
        "<8sQQQIHHHH", header, 0, b"ElfFile\0", 0, max(count - 1, 0), 99, 128, 1, 3, 4096, count
    )
    return bytes(header) + b"".join(chunks)


def chunk(events: Sequence[Element], first: int = 1) -> bytes:
    """A chunk of these events, numbered from `first`."""
    out, last = bytearray(512), 512
    for number, each in enumerate(events, first):
        last = len(out)
        body = _Body(last + 24)
        body.out += b"\x0f\x01\x01\x00"
        body.element(each)
        body.out += b"\x00"
        size = 28 + len(body.out) + -(28 + len(body.out)) % 8
        out += struct.pack("<4sIQQ", b"**\0\0", size, number, WRITTEN) + body.out
        out += bytes(size - 28 - len(body.out)) + struct.pack("<I", size)
    final = first + len(events) - 1
    struct.pack_into(
        "<8sQQQQIII", out, 0, b"ElfChnk\0", first, final, first, final, 128, last, len(out)
    )
    return bytes(out).ljust(CHUNK, b"\0")


class _Body:
    """Binary XML that begins at offset `at` of its chunk."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.out = bytearray()

    def element(self, element: Element) -> None:
        tag, attributes, content = element
        self.out.append(0x41 if attributes else 0x01)
        size = self._later()
        self._name(tag)
        if attributes:
            length = self._later()
            for left, (name, value) in enumerate(attributes.items(), 1 - len(attributes)):
                self.out.append(0x46 if left else 0x06)
                self._name(name)
                self._text(value)
            self._fill(length)
        if content is None:
            self.out.append(0x03)
        else:
            self.out.append(0x02)
            if isinstance(content, str):
                self._text(content)
            else:
                for child in content:
                    self.element(child)
            self.out.append(0x04)
        self._fill(size)

    def _later(self) -> int:
        self.out += bytes(4)
        return len(self.out)

    def _fill(self, start: int) -> None:
        struct.pack_into("<I", self.out, start - 4, len(self.out) - start)

    def _name(self, name: str) -> None:
        self.out += struct.pack("<IIHH", self._at + len(self.out) + 4, 0, 0, len(name))
        self.out += name.encode("utf-16-le") + b"\0\0"

    def _text(self, text: str) -> None:
        encoded = text.encode("utf-16-le")
        self.out += struct.pack("<BBH", 5, 1, len(encoded) // 2) + encoded


def sample() -> bytes:
    """What `made.evtx` is: the usual, and each thing that is not."""
    sysmon = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon")
    bare: list[Element] = [
        ("Provider", {"Name": "Old Source"}, None),
        ("EventID", {"Qualifiers": "16384"}, "300"),
        ("TimeCreated", {"SystemTime": "1601-01-01T00:00:00.000000Z"}, None),
        ("Computer", {}, "PC1"),
    ]
    return evtx(
        chunk(
            [
                event(
                    usual(1, *sysmon, "2024-05-06T07:08:09.123456Z"),
                    named(
                        {
                            "Image": "C:\\Tools\\é.exe",
                            "ProcessGuid": "0" * 8 + "-0000" * 3 + "-" + "1" * 12,
                        }
                    ),
                ),
                event(
                    usual(1, *sysmon, "2024-05-06T07:08:10.000001Z", 2),
                    named({"Image": "a\x1eb", "Level": "high", "Version": "9", "CommandLine": ""}),
                ),
                event(
                    bare,
                    (
                        "EventData",
                        {},
                        [("Data", {}, "one"), ("Data", {}, "two"), ("Binary", {}, "00FF")],
                    ),
                ),
            ]
        ),
        chunk(
            [
                event(
                    usual(
                        104,
                        "System",
                        "Microsoft-Windows-Eventlog",
                        "2100-01-01T00:00:00.000000Z",
                        4,
                    ),
                    (
                        "UserData",
                        {},
                        [
                            (
                                "LogFileCleared",
                                {"xmlns": "http://example/x"},
                                [
                                    ("SubjectUserName", {}, "ann"),
                                    ("Channel", {}, "Security"),
                                    ("Item", {"id": "7"}, [("Part", {"kind": "x"}, "text")]),
                                ],
                            )
                        ],
                    ),
                ),
                event(
                    usual(
                        4624,
                        "Security",
                        "Microsoft-Windows-Security-Auditing",
                        "2024-05-06T07:08:11.5Z",
                        5,
                    )
                ),
            ],
            first=4,
        ),
    )


if __name__ == "__main__":
    Path(__file__).with_name("made.evtx").write_bytes(sample())
