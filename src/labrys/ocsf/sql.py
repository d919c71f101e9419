"""An OCSF class as one SELECT over the shapes that are there, in DuckDB's or Spark's SQL.

Only simple expressions are used, so that both engines (and Sail) give the same rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from labrys.errors import LabrysError
from labrys.ocsf.maps import NUMBERS, Attribute, ClassMap, attributes_of, mapping_for
from labrys.ocsf.values import THREAT_KIND, THREAT_PATH, THREAT_URL
from labrys.ocsf.vocabulary import BIGINT, DOUBLE, TEXT, attribute_type, classes, column_name

Dialect = Literal["duckdb", "spark"]
LEADING: Final = {"_id": TEXT, "_time": BIGINT, "_source": TEXT, "_offset": BIGINT, "_host": TEXT}
CONSTANT: Final = {"_shape": TEXT, "class_uid": BIGINT, "class_name": TEXT}
CODES: Final = ("activity_id", "status_id", "severity_id")
_SQL_TYPES: Final = {
    "duckdb": {TEXT: "VARCHAR", BIGINT: "BIGINT", DOUBLE: "DOUBLE"},
    "spark": {TEXT: "STRING", BIGINT: "BIGINT", DOUBLE: "DOUBLE"},
}


@dataclass(frozen=True, slots=True)
class Relation:
    """Where the rows of a shape are: what stands after FROM, and its name of each source column."""

    sql: str
    columns: Mapping[str, str]


def class_columns(class_uid: int) -> dict[str, str]:
    """The columns of a class's view and their types; the same in every case."""
    paths = [path for path in attributes_of(class_uid) if path not in CODES]
    return {
        **LEADING,
        **CONSTANT,
        **dict.fromkeys(CODES, BIGINT),
        **{column_name(path): attribute_type(path) for path in paths},
    }


def class_sql(class_uid: int, shapes: Mapping[str, Relation], dialect: Dialect = "duckdb") -> str:
    """The rows of a class in all of the shapes; without any, the same columns and no rows."""
    if class_uid not in classes():
        raise LabrysError(f"OCSF class {class_uid} is not one that labrys knows")
    parts = [
        _part(class_uid, shape, made, relation, dialect)
        for shape, relation in shapes.items()
        for made in mapping_for(shape)
        if made.class_uid == class_uid
    ]
    return "\nUNION ALL\n".join(parts) if parts else _nothing(class_uid, dialect)


def identifier(name: str, dialect: Dialect) -> str:
    """A quoted name."""
    mark = '"' if dialect == "duckdb" else "`"
    return mark + name.replace(mark, mark * 2) + mark


def literal(text: str, dialect: Dialect) -> str:
    """A quoted text."""
    text = text.replace("'", "''") if dialect == "duckdb" else _spark_escaped(text)
    return f"'{text}'"


def _spark_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _nothing(class_uid: int, dialect: Dialect) -> str:
    types = _SQL_TYPES[dialect]
    columns = ", ".join(
        f"CAST(NULL AS {types[kind]}) AS {identifier(name, dialect)}"
        for name, kind in class_columns(class_uid).items()
    )
    return f"SELECT {columns} WHERE 1 = 0"


def _part(class_uid: int, shape: str, made: ClassMap, relation: Relation, dialect: Dialect) -> str:
    by_column = {column_name(attribute.path): attribute for attribute in made.attributes}
    constants = {
        "_shape": literal(shape, dialect),
        "class_uid": f"CAST({class_uid} AS BIGINT)",
        "class_name": literal(classes()[class_uid].name, dialect),
    }
    columns = []
    for name, kind in class_columns(class_uid).items():
        if name in LEADING:
            value = identifier(relation.columns.get(name, name), dialect)
        elif name in constants:
            value = constants[name]
        else:
            value = _value(by_column.get(name), kind, relation, dialect)
        columns.append(f"{value} AS {identifier(name, dialect)}")
    where = _where(made, relation, dialect)
    return f"SELECT {', '.join(columns)} FROM {relation.sql}{where}"  # noqa: S608 quoted above


def _where(made: ClassMap, relation: Relation, dialect: Dialect) -> str:
    tests = []
    for name, wanted in made.where:
        values = ", ".join(literal(value, dialect) for value in wanted)
        found = relation.columns.get(name)
        tests.append(f"{identifier(found, dialect)} IN ({values})" if found else "1 = 0")
    return f" WHERE {' AND '.join(tests)}" if tests else ""


def _value(attribute: Attribute | None, kind: str, relation: Relation, dialect: Dialect) -> str:
    sql_type = _SQL_TYPES[dialect][kind]
    if attribute is None:
        return f"CAST(NULL AS {sql_type})"
    if attribute.value is not None:
        return f"CAST({literal(str(attribute.value), dialect)} AS {sql_type})"
    texts = [
        _text(relation.columns[name], name, dialect)
        for name in attribute.columns
        if name in relation.columns
    ]
    if not texts:
        return f"CAST(NULL AS {sql_type})"
    text = texts[0] if len(texts) == 1 else f"COALESCE({', '.join(texts)})"
    if attribute.codes:
        return _coded(text, attribute, dialect)
    how = "int" if kind == BIGINT and attribute.how == "" else attribute.how
    value = transformed(text, how, dialect)
    if kind == DOUBLE:
        return f"TRY_CAST({value} AS DOUBLE)"
    makes = BIGINT if how in NUMBERS else TEXT
    return value if makes == kind else f"TRY_CAST({value} AS {sql_type})"


def transformed(text: str, how: str, dialect: Dialect) -> str:
    """The SQL of a text read as `how` says (`maps.HOW`), as `values.transform` reads it."""
    return _AS[how](text, dialect) if how else text


def _text(column: str, source: str, dialect: Dialect) -> str:
    """The column with empty cells and `-` as null; numbers of ours as text."""
    name = identifier(column, dialect)
    if LEADING.get(source) == BIGINT:
        return f"CAST({name} AS {_SQL_TYPES[dialect][TEXT]})"
    return name if source in LEADING else f"NULLIF(NULLIF({name}, ''), '-')"


def _coded(text: str, attribute: Attribute, dialect: Dialect) -> str:
    whens = " ".join(f"WHEN {literal(key, dialect)} THEN {code}" for key, code in attribute.codes)
    default = "NULL" if attribute.default is None else str(attribute.default)
    return f"CAST(CASE {text} {whens} ELSE {default} END AS BIGINT)"


def _int(text: str, dialect: Dialect) -> str:
    """Only plain decimals: DuckDB would also cast `1.5`, `1e3` and `1_000`."""
    return (
        f"CASE WHEN {_is(text, '[+-]?[0-9]{1,64}', dialect)} THEN TRY_CAST({text} AS BIGINT)"
        f" WHEN substr({text}, 1, 2) IN ('0x', '0X') THEN {_hex(text, dialect)} END"
    )


def _hex(text: str, dialect: Dialect) -> str:
    digits = f"NULLIF(regexp_extract({text}, '^(0[xX])?([0-9a-fA-F]{{1,16}})$', 2), '')"
    if dialect == "duckdb":
        return f"TRY_CAST('0x' || {digits} AS BIGINT)"
    return f"TRY_CAST(conv({digits}, 16, 10) AS BIGINT)"


def _seconds(text: str, dialect: Dialect) -> str:
    seconds = "[0-9]{1,12}([.][0-9]{1,30})?(e-[0-9]{1,2})?"
    number = f"floor(TRY_CAST({text} AS DOUBLE) * 1000 + 0.5)"
    return f"CASE WHEN {_is(text, seconds, dialect)} THEN CAST({number} AS BIGINT) END"


def _is(text: str, pattern: str, dialect: Dialect) -> str:
    """Whether a pattern fits a whole text."""
    if dialect == "duckdb":
        return f"regexp_full_match({text}, '{pattern}')"
    return f"({text} RLIKE '^({pattern})$')"


def _user(text: str, _: Dialect) -> str:
    return f"NULLIF(substr({text}, instr({text}, chr(92)) + 1), '')"


def _domain(text: str, _: Dialect) -> str:
    at = f"instr({text}, chr(92))"
    return f"CASE WHEN {at} > 1 THEN substr({text}, 1, {at} - 1) END"


def _basename(text: str, _: Dialect) -> str:
    return f"NULLIF(split_part(replace({text}, chr(92), '/'), '/', -1), '')"


def _threat_path(text: str, _: Dialect) -> str:
    kind = f"regexp_extract({text}, '{THREAT_KIND}', 0)"
    return f"CASE WHEN {kind} = '' THEN {text} ELSE {_first(THREAT_PATH, text)} END"


def _first(pattern: str, text: str) -> str:
    return f"NULLIF(regexp_extract({text} || '|', '{pattern}', 1), '')"


def _from_list(kind: str) -> "Callable[[str, Dialect], str]":
    pattern = f"(?i)(?:^|[,; ]){kind}=([0-9a-f]+)"

    def value(text: str, _: Dialect) -> str:
        found = f"NULLIF(regexp_extract({text}, '{pattern}', 1), '')"
        return f"lower(CASE WHEN instr({text}, '=') = 0 THEN {text} ELSE {found} END)"

    return value


_AS: Final[Mapping[str, Callable[[str, Dialect], str]]] = {
    "int": _int,
    "hex": _hex,
    "seconds": _seconds,
    "lower": lambda text, _: f"lower({text})",
    "basename": _basename,
    "user": _user,
    "domain": _domain,
    "threat_path": _threat_path,
    "threat_url": lambda text, _: _first(THREAT_URL, text),
    **{kind: _from_list(kind) for kind in ("sha256", "sha1", "md5", "imphash")},
}
