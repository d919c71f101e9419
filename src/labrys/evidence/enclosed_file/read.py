"""Says of a file that no reader knows what can be said: name, size, digest, and its real type."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence.mail.attachments import look, tricks
from labrys.evidence.records import Records, Shaped, Source

_LOOKED: Final = 4 << 20


def sniff(head: bytes, name: str) -> float:
    """Never: it is only for what came in a mail, and nothing in it tells that."""
    return 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row, of shape `file.enclosed`."""
    records = Records(source)
    with source.open() as stream:
        head = stream.read(_LOOKED)
    name = source.name.rpartition("!/")[2].replace("\\", "/").rpartition("/")[2]
    looked = look(head, source.size, "")
    last = name.rpartition(".")[2].lower() if "." in name else ""
    fields = {
        "name": name[:1000] or None,
        "extension": last[:20] or None,
        "size": source.size,
        "sha256": source.digest,
        "sniffed_type": looked.kind or None,
        "is_archive": looked.is_archive or None,
        "is_encrypted": looked.encrypted or None,
        "tricks": tricks(name, "", looked.kind) or None,
    }
    kept = {key: value for key, value in fields.items() if value is not None}
    records.add("file.enclosed", kept, time=None, offset=0)
    yield from records.drain()
