"""Keeps evidence that names its own fields from making columns without end."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

MOST: Final = 400
"""How many different field names of one source become columns."""
LONGEST: Final = 160
REST: Final = "other_fields"
"""The column, of JSON text, that holds the fields beyond."""


class NameLimit:
    """The field names a source has used so far; the first `MOST` of them are columns."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._names: set[str] = set()

    def fit(self, fields: dict[str, Any]) -> Mapping[str, Any]:
        """The same fields, those whose names are too many or too long gathered under `REST`."""
        if fields.keys() <= self._names:
            return fields
        kept: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in fields.items():
            if name not in self._names:
                if len(self._names) >= self._most or len(name) > LONGEST:
                    rest[name] = value
                    continue
                self._names.add(name)
            kept[name] = value
        if rest:
            kept[REST] = orjson.dumps(rest, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        return kept
