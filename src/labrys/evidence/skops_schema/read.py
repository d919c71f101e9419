"""Reads `schema.json` of a skops model as what loading it would look up, make and call.

It says in JSON what a pickle says in opcodes, so its row is one of `model.pickle`. Source: skops.io,
"Secure persistence with skops" (its nodes).
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.records import Records, Shaped, Source

SHAPE: Final = "model.pickle"
_LARGEST: Final = 64 << 20
_MOST: Final = 100_000
_DEEPEST: Final = 400
_NAMED: Final = frozenset(("FunctionNode", "TypeNode", "NdArrayNode"))
"""Looked up, not called (an array is read from its file)."""
_CALLED: Final = frozenset(("OperatorFuncNode", "PartialNode", "ReduceNode"))


def sniff(head: bytes, name: str) -> float:
    """JSON with the keys that skops gives each of its nodes."""
    keys = (b'"__class__"', b'"__module__"', b'"__loader__"')
    return 0.97 if head.lstrip()[:1] == b"{" and all(key in head for key in keys) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.pickle`."""
    records = Records(source)
    with source.open() as stream:
        content = stream.read(_LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ValueError("larger than 64 MiB")
        schema: Any = orjson.loads(content)
    except ValueError as error:
        records.unparsed(0, f"a schema that cannot be read ({error})"[:300], content[:64])
    else:
        names, whole = _names(schema)
        if not whole:
            records.unparsed(0, f"more than {_MOST} names, or nested more than {_DEEPEST} deep")
        records.add(SHAPE, _row(names), time=None, offset=0)
    yield from records.drain()


def _row(names: dict[str, set[str]]) -> dict[str, Any]:
    return {
        "format": "skops",
        "names": list(names),
        "names_used": [" ".join(sorted(how)) for how in names.values()],
        "names_arguments": ["" for _ in names],
        "carries_code": False,
    }


def _names(schema: Any) -> tuple[dict[str, set[str]], bool]:
    """Each name with how it is used (`evidence.pickle.facts.Use.how`), and whether that is all."""
    found: dict[str, set[str]] = {}
    waiting, whole = [(schema, 0)], True
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST or len(found) > _MOST:
            whole = False
            continue
        if isinstance(value, dict):
            _node(value, found)
            waiting += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]
    return dict(sorted(found.items())), whole


def _node(value: dict[str, Any], found: dict[str, set[str]]) -> None:
    module, name = value.get("__module__"), value.get("__class__")
    loader, content = str(value.get("__loader__")), value.get("content")
    if loader == "JsonNode" or not isinstance(module, str) or not isinstance(name, str):
        return
    if loader == "FunctionNode" and isinstance(content, dict):
        module, name = str(content.get("module_path")), str(content.get("function"))
    elif loader == "FunctionNode" and isinstance(content, str):
        name = content  # earlier versions wrote it there
    how = "named" if loader in _NAMED else "called" if loader in _CALLED else "made"
    found.setdefault(f"{module}.{name}"[:500], set()).add(how)
