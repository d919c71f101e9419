"""Says what an attachment is: by its first bytes, by its name's tricks, by what it holds.

Sources: file format magics as their specifications state them; APPNOTE.TXT (ZIP); RFC 5545.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from labrys.evidence.mail.charset import text
from labrys.evidence.mail.lists import words

MOST_MEMBERS: Final = 200
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"**ACE**", "application/x-ace-compressed"),
    (b"`\xea", "application/x-arj"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-elf"),
    (b"\xca\xfe\xba\xbe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rt", "text/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"),
    (b"-----BEGIN ", "application/x-pem-file"),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote"),
    (b"ITSF", "application/vnd.ms-htmlhelp"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"#!/", "text/x-shellscript"),
)
_MAGIC_WITHIN: Final = (
    (8, b"WEBP", "image/webp"),
    (4, b"ftyp", "video/mp4"),
    (257, b"ustar", "application/x-tar"),
    (32_769, b"CD001", "application/x-iso9660-image"),
)
_ARCHIVES: Final = words("archive_types")
_HTML: Final = re.compile(
    rb"\s*+(?:\xef\xbb\xbf)?\s*+(?:<!--.{0,400}?-->\s*+)?"
    rb"<(?:!doctype\s+html|html|head|body|script|meta|title|iframe|form|style|table|div)[\s>]",
    re.I | re.S,
)
_SVG: Final = re.compile(
    rb"\s*+(?:\xef\xbb\xbf)?(?:<\?xml.{0,200}?>)?.{0,400}?<svg[\s>]", re.I | re.S
)
_RUNS: Final = words("extensions_that_run")
_HARMLESS: Final = words("extensions_that_do_not")
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_ICS: Final = re.compile(
    r"(?im)^(ORGANIZER|METHOD|URL|LOCATION|SUMMARY|ATTENDEE)\b([^:\n]*):([^\n]*)"
)
_FOLD: Final = re.compile(r"\r?\n[ \t]")


@dataclass(slots=True)
class Looked:
    """What was found out about an attachment's content."""

    kind: str = ""
    is_archive: bool = False
    encrypted: bool = False
    members: list[str] = field(default_factory=list)
    calendar: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def sniffed(head: bytes) -> str:
    """The type that the first bytes show; "" where they show none."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    for place, magic, kind in _MAGIC_WITHIN:
        if head[place : place + len(magic)] == magic:
            return kind
    return _markup(head)


def _markup(head: bytes) -> str:
    """The type of a text, by how it begins."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = text(head[:2048], "utf-16")[0].encode("utf-8", "replace")
    if _HTML.match(head[:2048]):
        return "text/html"
    if _SVG.match(head[:1024]):
        return "image/svg+xml"
    if head[:64].lstrip()[:5].lower() == b"<?xml":
        return "application/xml"
    return "text/calendar" if head[:15].upper() == b"BEGIN:VCALENDAR" else ""


def look(content: bytes, size: int, kind: str) -> Looked:
    """What an attachment of `size` bytes holds, of which `content` is the beginning."""
    made = Looked(sniffed(content))
    shown = made.kind or kind
    made.is_archive = made.kind in _ARCHIVES
    if made.kind == "application/zip":
        _zip(content, size, made)
    elif made.kind == "application/vnd.rar":
        made.encrypted = _rar_is_locked(content)
    elif made.kind == "application/pdf":
        made.encrypted = b"/Encrypt" in content[-4096:] or b"/Encrypt" in content[:4096]
    elif shown == "text/calendar":
        made.calendar = _calendar(content)
    return made


_OFFICE: Final = {
    "word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "META-INF/MANIFEST.MF": "application/java-archive",
    "AndroidManifest.xml": "application/vnd.android.package-archive",
    "AppxManifest.xml": "application/appx",
}


def _zip(content: bytes, size: int, made: Looked) -> None:
    """The names in a ZIP, from its directory, or from what stands before each member."""
    if len(content) < size:
        made.problems.append("an archive too large to look into")
        return
    signature, name_at, flag_at, length_at = b"PK\x01\x02", 46, 8, 28
    if signature not in content:
        signature, name_at, flag_at, length_at = b"PK\x03\x04", 30, 6, 26
    at = content.find(signature)
    while at >= 0 and len(made.members) < MOST_MEMBERS:
        if at + name_at > len(content):
            break
        (flags,) = struct.unpack_from("<H", content, at + flag_at)
        (length,) = struct.unpack_from("<H", content, at + length_at)
        name = content[at + name_at : at + name_at + min(length, 500)]
        made.members.append(text(name, "utf-8" if flags & 0x800 else "cp437")[0])
        made.encrypted = made.encrypted or bool(flags & 1)
        at = content.find(signature, at + name_at + length)
    for start, kind in _OFFICE.items():
        if any(member.startswith(start) for member in made.members):
            made.kind, made.is_archive = kind, False
            break


def _rar_is_locked(content: bytes) -> bool:
    """Whether a RAR's headers, or its first file, are encrypted."""
    if content[6:8] == b"\x01\x00":  # version 5: an encryption header is of type 4
        return content[12:14] in (b"\x04", b"\x04\x00") or content[13:14] == b"\x04"
    flags = struct.unpack_from("<H", content, 10)[0] if len(content) > 12 else 0
    first = struct.unpack_from("<H", content, 23)[0] if len(content) > 25 else 0
    return bool(flags & 0x80 or first & 0x04)


def _calendar(content: bytes) -> dict[str, str]:
    """Organizer, method, links of an invitation: the first of each."""
    made: dict[str, str] = {}
    lines = _FOLD.sub("", text(content[: 256 << 10], "utf-8")[0].replace("\r\n", "\n"))
    for name, _, value in _ICS.findall(lines)[:200]:
        plain = value.strip().removeprefix("mailto:").removeprefix("MAILTO:")
        made.setdefault(name.lower(), plain[:500])
    return made


def tricks(name: str, kind: str, found: str) -> list[str]:
    """How a name deceives: `double extension`, `reversed`, `padded`, `runs`, `not what it says`."""
    made: list[str] = []
    if _BIDI.search(name):
        made.append("reversed")
    plain = _BIDI.sub("", name).strip().lower().rstrip(". ")
    parts = plain.split(".")
    last = parts[-1].strip() if len(parts) > 1 else ""
    if last in _RUNS:
        made.append("runs")
        if len(parts) > 2 and parts[-2].strip() in _HARMLESS:
            made.append("double extension")
    if re.search(r"\s{5,}\.|\.\s{3,}|_{10,}\.", plain):
        made.append("padded")
    if found and last and not _fits(last, found):
        made.append("not what it says")
    return made


_EXPECTED: Final = {
    "pdf": ("application/pdf",),
    "png": ("image/",),
    "jpg": ("image/",),
    "jpeg": ("image/",),
    "gif": ("image/",),
    "bmp": ("image/",),
    "txt": ("text/",),
    "doc": (
        "application/x-ole",
        "text/rtf",
        "application/vnd.openxml",
        "text/html",
        "application/xml",
    ),
    "xls": ("application/x-ole", "application/vnd.openxml", "text/html", "application/xml"),
    "ppt": ("application/x-ole", "application/vnd.openxml"),
    "docx": ("application/vnd.openxml", "application/x-ole"),
    "xlsx": ("application/vnd.openxml", "application/x-ole"),
    "pptx": ("application/vnd.openxml", "application/x-ole"),
    "mp3": ("audio/",),
    "csv": ("text/",),
    "ics": ("text/calendar",),
}


def _fits(extension: str, found: str) -> bool:
    expected = _EXPECTED.get(extension)
    return expected is None or found.startswith(expected)
