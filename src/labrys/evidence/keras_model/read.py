"""Reads the configuration of a Keras model: which classes and functions loading it would look up.

In a `.keras` archive that is `config.json`; in HDF5 it is a text in an attribute, which is looked for
without reading HDF5 as a whole. Sources: Keras 3 `serialization_lib`; HDF5 specification, III.A.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.records import Records, Shaped, Source

_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_LARGEST: Final = 64 << 20
_CONFIG: Final = re.compile(rb'\{\s*"(?:class_name|module|registered_name)"\s*:')
_KEYS: Final = (b'"class_name"', b'"config"')
_OTHER_KEYS: Final = (b'"registered_name"', b'"build_config"', b'"keras_version"', b'"module"')
_MOST: Final = 100_000
_DEEPEST: Final = 200
_PIECE: Final = 8 << 20


def sniff(head: bytes, name: str) -> float:
    """HDF5 by its signature; JSON by the keys that Keras writes."""
    if head.startswith(_HDF5):
        return 0.96
    start = head.lstrip()[:1] == b"{"
    if start and all(key in head for key in _KEYS) and any(key in head for key in _OTHER_KEYS):
        return 0.96
    return 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file` for each configuration; an HDF5 file without one has a row too."""
    records = Records(source)
    with source.open() as stream:
        head = stream.read(8)
        stream.seek(0)
        if head.startswith(_HDF5):
            found = list(_in_hdf5(stream, records))
            for offset, config in found or [(0, {})]:
                records.add("model.file", _row(config, "hdf5"), time=None, offset=offset)
        else:
            content = stream.read(_LARGEST + 1)
            try:
                config = orjson.loads(content)
                records.add("model.file", _row(config, "keras"), time=None, offset=0)
            except orjson.JSONDecodeError as error:
                records.unparsed(0, f"its configuration is no JSON ({error})"[:300], content[:64])
    yield from records.drain()


def _in_hdf5(stream: Any, records: Records) -> Iterator[tuple[int, Any]]:
    """Configurations in a file that holds them as plain text; pieces overlap by what one may take."""
    offset, kept = 0, b""
    while piece := stream.read(_PIECE):
        data = kept + piece
        at = 0
        while (found := _CONFIG.search(data, at)) is not None:
            at = found.end()
            text = _balanced(data, found.start())
            if text is None:
                continue
            at = found.start() + len(text)
            try:
                yield offset + found.start(), orjson.loads(text)
            except orjson.JSONDecodeError:
                records.unparsed(offset + found.start(), "a configuration that is no JSON")
        kept = data[-_PIECE // 2 :] if at < len(data) - _PIECE // 2 else data[at:]
        offset += len(data) - len(kept)


def _balanced(data: bytes, start: int) -> bytes | None:
    """From an opening brace to the one that closes it; None where it does not close."""
    depth, inside, at = 0, False, start
    for found in _BRACES.finditer(data, start):
        token = found[0]
        if inside:
            inside = token != b'"'
        elif token == b'"':
            inside = True
        elif token == b"{":
            depth += 1
        elif token == b"}":
            depth -= 1
            if depth == 0:
                at = found.end()
                return data[start:at]
    return None


_BRACES: Final = re.compile(rb'\\.|[{}"]', re.DOTALL)


def _row(config: Any, form: str) -> dict[str, Any]:
    classes: dict[str, None] = {}
    code: dict[str, None] = {}
    _walk(config, classes, code, 0)
    return {
        "format": form,
        "classes": list(classes)[:_MOST],
        "code": list(code)[:1000],
        "keras_version": config.get("keras_version") if isinstance(config, dict) else None,
    }


def _walk(value: Any, classes: dict[str, None], code: dict[str, None], depth: int) -> None:
    if depth > _DEEPEST or len(classes) > _MOST:
        return
    if isinstance(value, dict):
        name, module = value.get("class_name"), value.get("module")
        if isinstance(name, str):
            where = module if isinstance(module, str) else ""
            classes[f"{where}.{name}"[:500]] = None
            if name in ("function", "Lambda", "__lambda__"):
                code[orjson.dumps(value.get("config"))[:500].decode("utf-8", "replace")] = None
        for each in value.values():
            _walk(each, classes, code, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _walk(each, classes, code, depth + 1)
