"""Reads Windows XML Event Log files (EVTX, [MS-EVEN6] 2.2.12 to 2.2.17) into records."""

from collections.abc import Iterator
from typing import Any, Final

from evtx import PyEvtxParser

from labrys.evidence import windows_document
from labrys.evidence.records import Records, Shaped, Source

MAGIC: Final = b"ElfFile\0"


def sniff(head: bytes, name: str) -> float:
    """Certain when the file begins with the magic of EVTX."""
    return 1.0 if head.startswith(MAGIC) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Every readable event; each unreadable record or chunk is an `unparsed` row.

    `_offset` is the running number of the record (or of what should have been one) in the file.
    """
    records = Records(source)
    try:
        found = _parser(source).records_json()
    except Exception as error:
        records.unparsed(0, f"the file header is unreadable: {error}")
        yield from records.drain()
        return
    take = found.__next__
    number, errors, most_errors = 0, 0, 64 + source.size // 512
    add, from_json = records.add, windows_document.from_json
    while True:
        try:
            record = take()
            text = record["data"]
            shape, fields, time, host = from_json(text)
            add(shape, fields, time=time, offset=number, host=host, size=len(text))
        except StopIteration:
            break
        except Exception as error:
            records.unparsed(number, str(error))
            errors += 1
            if errors > most_errors:
                break
        number += 1
        if records.full:
            yield from records.drain()
    yield from records.drain()


def _parser(source: Source) -> Any:
    return PyEvtxParser(str(source.path), number_of_threads=1, validate_checksums=False)
