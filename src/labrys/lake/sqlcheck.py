"""Which views a statement needs, and whether it only reads: judged on a parse tree, not on words.

DuckDB's own tree is used for DuckDB (since 2.0 even a WITH may write: `WITH x AS (COPY … TO …)`),
sqlglot's for Spark, where the endpoint's own permissions are the real boundary.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from labrys.errors import EngineError
from labrys.lake.views import Views

_EXPLAIN: Final = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
_READING_NODES: Final = frozenset(
    ["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"]
)
_TABLE_FUNCTIONS: Final = frozenset(
    {
        *("unnest", "range", "generate_series", "json_each", "json_tree"),
        *("duckdb_columns", "duckdb_functions", "duckdb_types", "duckdb_views"),
    }
)
_NO_SELECT: Final = "only reading is allowed: give one SELECT"
_CATALOGS: Final = frozenset(["information_schema", "pg_catalog"])
_SPARK_FUNCTIONS_REFUSED: Final = frozenset(["reflect", "try_reflect", "java_method", "read_files"])


def explained(text: str) -> str:
    """The statement inside EXPLAIN [ANALYZE], or the statement itself."""
    return _EXPLAIN.sub("", text, count=1) if _EXPLAIN.match(text) else text


def tables_in_duckdb(tree: Any, views: Views) -> list[str]:
    """The views used by a statement, given as DuckDB's `json_serialize_sql` gives it.

    Raises `EngineError` where it is not one statement that only reads this case.
    """
    if tree["error"]:
        at = f" (at character {int(tree['position']) + 1})" if tree.get("position") else ""
        said = f"{tree['error_message']}{at}; one SELECT is expected"
        raise EngineError(f"SQL: {_NO_SELECT if 'Only SELECT' in said else said}")
    if len(tree["statements"]) != 1:
        raise EngineError("SQL: give one statement at a time")
    names, own, everything = [], set[str](), False
    for node in _nodes(tree):
        kind = node.get("type")
        if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READING_NODES:
            raise EngineError(f"SQL: only reading is allowed, not {kind.partition('_')[0]}")
        if kind == "TABLE_FUNCTION":
            _require_harmless(node["function"]["function_name"])
        elif kind == "BASE_TABLE":
            schema = node["schema_name"].lower()
            everything |= schema in _CATALOGS
            if schema not in _CATALOGS:
                names.append(node["table_name"])
        elif kind == "SHOW_REF":
            everything |= node["show_type"] == "SHOW_SPECIAL"
        own.update(entry["key"].lower() for entry in node.get("cte_map", {}).get("map", ()))
    if everything:
        names.extend(views.by_name)
    return _existing(names, own, views)


def tables_in_spark(text: str, views: Views) -> list[str]:
    """The views used by a statement; raises `EngineError` as `tables_in_duckdb` does."""
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse(text, dialect="spark")
    except sqlglot.errors.SqlglotError as reason:
        raise EngineError(f"SQL: {reason}") from reason
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise EngineError(f"SQL: {_NO_SELECT}")
    writing = (exp.DML, exp.DDL, exp.Command, exp.QueryTransform)
    for node in parsed[0].walk():
        if isinstance(node, writing) and not isinstance(node, exp.Query):
            raise EngineError(f"SQL: only reading is allowed, not {type(node).__name__.upper()}")
        if isinstance(node, exp.Anonymous) and node.name.lower() in _SPARK_FUNCTIONS_REFUSED:
            raise EngineError(f"SQL: the function {node.name} is not allowed")
    own = {made.alias.lower() for made in parsed[0].find_all(exp.CTE)}
    names = []
    for found in parsed[0].find_all(exp.Table):
        if isinstance(found.this, exp.Identifier):
            names.append(f"{found.db}.{found.name}" if found.db else found.name)
    return _existing(names, own, views)


def _existing(names: list[str], own: set[str], views: Views) -> list[str]:
    found = dict.fromkeys(name for name in names if name.lower() not in own)
    for name in found:
        if views.find(name) is None:
            raise EngineError(views.like(name))
    return list(found)


def _require_harmless(function: str) -> None:
    if function.lower() not in _TABLE_FUNCTIONS:
        raise EngineError(
            f"SQL: the table function {function} is not allowed; the case's views and"
            f" {', '.join(sorted(_TABLE_FUNCTIONS))} are"
        )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in the tree, without recursion: the text may nest as deep as it likes."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
