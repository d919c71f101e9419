"""Reads the configuration of a model from a hub: code of its own that it asks for, and its templates.

Source: Hugging Face Transformers, "Custom models" (`auto_map`), "Chat templates".
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.records import Records, Shaped, Source

_SURE: Final = (b'"auto_map"', b'"transformers_version"', b'"chat_template"', b'"tokenizer_class"')
_LARGEST: Final = 32 << 20


def sniff(head: bytes, name: str) -> float:
    """A JSON object with a key that only such configurations have."""
    opens = head.lstrip()[:1] == b"{"
    return 0.9 if opens and any(key in head for key in _SURE) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`."""
    records = Records(source)
    with source.open() as stream:
        content = stream.read(_LARGEST)
    try:
        config: Any = orjson.loads(content)
        if not isinstance(config, dict):
            raise ValueError("no object")
    except ValueError as error:
        records.unparsed(0, f"no JSON object ({error})"[:300], content[:64])
    else:
        records.add("model.file", _row(config), time=None, offset=0)
    yield from records.drain()


def _row(config: dict[str, Any]) -> dict[str, Any]:
    custom = config.get("auto_map")
    wanted = config.get("architectures")
    return {
        "format": "hub",
        "model_type": _text(config.get("model_type")),
        "classes": [str(each)[:300] for each in wanted[:200]] if isinstance(wanted, list) else None,
        "custom_code": _custom(custom),
        "templates": list(_templates(config.get("chat_template"))),
        "library_version": _text(config.get("transformers_version")),
    }


def _custom(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}={str(each)[:300]}" for key, each in list(value.items())[:200]]
    return [str(value)[:300]] if value else []


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value[:100]:
            if isinstance(each, dict):
                yield from _templates(each.get("template"))


def _text(value: Any) -> str | None:
    return str(value)[:300] if value is not None else None
