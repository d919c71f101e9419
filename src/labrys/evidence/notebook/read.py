"""Reads Jupyter notebooks: the text of each cell, and what its saved output would do in a browser.

Source: nbformat, "The Notebook file format" (versions 3 and 4). Offsets count cells.
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.records import Records, Shaped, Source

SHAPE: Final = "model.notebook"
_LARGEST: Final = 256 << 20
_LONGEST: Final = 256 << 10
_MOST: Final = 100_000
_ACTIVE: Final = ("text/html", "application/javascript", "image/svg+xml")


def sniff(head: bytes, name: str) -> float:
    """A JSON object with cells, and the keys that only notebooks have beside them."""
    if head.lstrip()[:1] != b"{":
        return 0.0
    keys = (b'"cell_type"', b'"nbformat"', b'"nbformat_minor"', b'"execution_count"')
    found = sum(key in head for key in keys)
    return 0.97 if found >= 2 and (b'"cells"' in head or b'"worksheets"' in head) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.notebook` for each cell."""
    records = Records(source)
    with source.open() as stream:
        content = stream.read(_LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ValueError("larger than 256 MiB")
        book: Any = orjson.loads(content)
        cells = list(_cells(book))
    except (ValueError, AttributeError) as error:
        records.unparsed(0, f"no notebook that can be read ({error})"[:300], content[:64])
    else:
        kernel = _kernel(book)
        for number, cell in enumerate(cells[:_MOST]):
            records.add(SHAPE, {**_row(cell), **kernel}, time=None, offset=number)
            if records.full:
                yield from records.drain()
        if len(cells) > _MOST:
            records.unparsed(_MOST, f"only {_MOST} of {len(cells)} cells are read")
        elif not cells:
            records.unparsed(0, "a notebook without cells")
    yield from records.drain()


def _cells(book: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for sheet in (book, *_list(book.get("worksheets"))):
        yield from (each for each in _list(sheet.get("cells")) if isinstance(each, dict))


def _kernel(book: dict[str, Any]) -> dict[str, Any]:
    said = book.get("metadata")
    spec = said.get("kernelspec") if isinstance(said, dict) else None
    return {"kernel": _text(spec.get("name"), 100) if isinstance(spec, dict) else None}


def _row(cell: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, None] = {}
    active = []
    for output in _list(cell.get("outputs")):
        data = output.get("data") if isinstance(output, dict) else None
        for kind, value in data.items() if isinstance(data, dict) else ():
            kinds[str(kind)[:100]] = None
            if kind in _ACTIVE:
                active.append(_text(value, _LONGEST))
    return {
        "format": "notebook",
        "cell_type": _text(cell.get("cell_type"), 40),
        "source": _text(cell.get("source", cell.get("input")), _LONGEST),
        "output_types": list(kinds)[:50],
        "output_active": "\n".join(active)[:_LONGEST] or None,
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any, most: int) -> str:
    if isinstance(value, list):
        value = "".join(each for each in value if isinstance(each, str))
    return value[:most] if isinstance(value, str) else ""
