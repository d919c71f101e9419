"""Says what a file is that no reader knows, by its first bytes, and what makes it readable.

Sources: the formats' own specifications, and the `libyal` notes on those without one.
"""

from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "no reader knows this format"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all files of a kind have at `at`, what it is called, and what to do with it."""

    what: str
    starts: tuple[bytes, ...]
    at: int = 0
    advice: str = ""


_IMAGE: Final = "mount it, and scan the files in it"
_MEMORY: Final = "look into it with a memory forensics tool, and scan what that writes"
_KINDS: Final = (
    _Kind("a Windows registry hive", (b"regf", b"HvLE"), 0, "export it as text or CSV"),
    _Kind("an NTFS master file table", (b"FILE0\x00", b"FILE*\x00", b"BAAD"), 0, "make a CSV of it"),
    _Kind("a Windows shortcut", (b"L\x00\x00\x00\x01\x14\x02\x00",)),
    _Kind("a Windows prefetch file", (b"MAM\x04", b"MAM\x84"), 0, "make a CSV of it"),
    _Kind("a Windows prefetch file", (b"SCCA",), 4, "make a CSV of it"),
    _Kind("an ESE database", (b"\xef\xcd\xab\x89",), 4, "export its tables as CSV"),
    _Kind(
        "an event log of Windows XP or 2003 (.evt)",
        (b"LfLe",),
        4,
        "convert it on a newer Windows (`wevtutil epl OLD.evt NEW.evtx /lf:true`)",
    ),
    _Kind("an SQLite database", (b"SQLite format 3\x00",), 0, "export its tables as CSV"),
    _Kind("an SQLite database's journal", (b"7\x7f\x06\x82", b"7\x7f\x06\x83")),
    _Kind("a Jet database (.mdb)", (b"Standard Jet DB", b"Standard ACE DB"), 4),
    _Kind("Internet Explorer's history", (b"Client UrlCache MMF",), 0, "make a CSV of it"),
    _Kind("a part of a browser's cache", (b"\xc3\xca\x03\xc1", b"\xc3\xca\x04\xc1", b"0\\r\xa7\x1bm\xfb\xfc")),
    _Kind("a binary property list", (b"bplist0",), 0, "`plutil -convert xml1` makes text of it"),
    _Kind("Apple's system log (.asl)", (b"ASL DB\x00",), 0, "`syslog -f FILE` makes text of it"),
    _Kind("macOS's unified log (.tracev3)", (b"\x00\x10\x00\x00\x11\x00\x00\x00",), 0, "`log show --style ndjson` makes JSON of it"),
    _Kind("macOS's list of file events", (b"1SLD", b"2SLD", b"3SLD")),
    _Kind("a key store of macOS", (b"kych",)),
    _Kind("a folder's view settings of macOS (.DS_Store)", (b"\x00\x00\x00\x01Bud1",)),
    _Kind("a disk image (E01)", (b"EVF\t\r\n\xff\x00", b"EVF2\r\n\x81\x00", b"LVF\t\r\n\xff\x00"), 0, _IMAGE),
    _Kind("a virtual disk", (b"KDMV", b"QFI\xfb", b"conectix", b"cxsparse", b"vhdxfile"), 0, _IMAGE),
    _Kind("a virtual disk", (b"\x7f\x10\xda\xbe",), 64, _IMAGE),
    _Kind("an NTFS volume", (b"NTFS    ",), 3, _IMAGE),
    _Kind("an encrypted volume (BitLocker)", (b"-FVE-FS-",), 3, "unlock it, " + _IMAGE),
    _Kind("an encrypted volume (LUKS)", (b"LUKS\xba\xbe",), 0, "unlock it, " + _IMAGE),
    _Kind("an ext file system", (b"\x53\xef",), 1080, _IMAGE),
    _Kind("an APFS container", (b"NXSB",), 32, _IMAGE),
    _Kind("a CD or DVD image", (b"CD001",), 32_769, _IMAGE),
    _Kind("a disk with partitions", (b"EFI PART",), 512, _IMAGE),
    _Kind("a memory dump", (b"PAGEDU64", b"PAGEDUMP", b"EMiL", b"AVML", b"\xd2\xbe\xd2\xbe", b"hibr", b"HIBR"), 0, _MEMORY),
    _Kind("a crash dump of a process", (b"MDMP\x93\xa7",), 0, "look into it with a debugger"),
    _Kind("a document or another compound file, and no Outlook item", (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)),
    _Kind("a document or program packed as ZIP", (b"PK\x03\x04",)),
    _Kind("a PDF", (b"%PDF-",)),
    _Kind("a program for Windows", (b"MZ",)),
    _Kind("a program for Unix (ELF)", (b"\x7fELF",)),
    _Kind("a program for macOS", (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")),
    _Kind("a Java class or a program for macOS", (b"\xca\xfe\xba\xbe",)),
    _Kind("a picture", (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"\x00\x00\x01\x00\x01\x00")),
    _Kind("a picture", (b"WEBP", b"AVIF", b"ftypheic"), 8),
    _Kind("a film or sound", (b"OggS", b"ID3", b"\x1aE\xdf\xa3", b"fLaC")),
    _Kind("a film or sound", (b"ftyp",), 4),
    _Kind("a font", (b"wOFF", b"wOF2", b"OTTO", b"\x00\x01\x00\x00\x00", b"true")),
    _Kind("compiled Python", (b"\r\r\n",), 1),
)  # fmt: skip


def why(head: bytes) -> str:
    """Why a file that begins with `head` was not read, in one line."""
    for kind in _KINDS:
        if kind.starts and head.startswith(kind.starts, kind.at):
            advice = f": {kind.advice}" if kind.advice else ""
            return f"{UNKNOWN}, {kind.what}{advice}"
    if head and not head.strip(b"\0"):
        return f"{UNKNOWN}, nothing but zeros"
    if head[510:512] == b"\x55\xaa":
        return f"{UNKNOWN}, a disk or volume: {_IMAGE}"
    return UNKNOWN
