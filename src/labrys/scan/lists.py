"""Reads the user's values for the `%placeholders%` of Sigma rules."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from labrys.errors import RuleError


def read_lists(path: Path | None) -> Mapping[str, tuple[str, ...]]:
    """A YAML mapping of names to a value or a list of values; nothing where there is no file."""
    if path is None:
        return {}
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RuleError(str(path), f"cannot be read ({error})") from error
    if not isinstance(table, dict):
        raise RuleError(str(path), "must map the names of placeholders to lists of values")
    return {
        str(name).strip("%"): tuple(
            str(value) for value in (values if isinstance(values, list) else [values])
        )
        for name, values in table.items()
    }
