"""What is read, and which OCSF class and attribute every part of it becomes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from generator.markdown import code, codes, link, page, table
from labrys.evidence.registry import Format, formats
from labrys.ocsf.maps import Attribute, ClassMap, attributes_of, maps
from labrys.ocsf.schema import OCSF_VERSION
from labrys.ocsf.vocabulary import attribute_type, classes, column_name

_OURS = "labrys.evidence."


def formats_page() -> str:
    """The page of all formats."""
    head = ["id", "format", "`_offset` counts", "reader version"]
    rows = [
        [link(code(made.id), f"#{made.id}"), made.title, f"{made.unit}s", str(made.version)]
        for made in _ours()
    ]
    return page(
        "Formats",
        "A file's format is told by its content, never by its name: by its first bytes where those "
        "are unmistakable, else every reader says how surely the first 64 KiB are its own, and the "
        "surest reads. Compressed files and archives (gzip, "
        "bzip2, xz, Zstandard, LZ4, zip, tar, 7z) are opened on the way, in one another too.\n\n"
        "A *shape* is one kind of record, with the columns its source gives it; each is a view "
        "you can [hunt](../hunt.md) in. `*` stands for a part that the evidence names. What cannot be "
        "understood is a row of the shape `unparsed`, whatever the format.",
        table(head, rows),
        *map(_format, _ours()),
    )


def ocsf_page() -> str:
    """The page of OCSF classes: their shapes and attributes."""
    used = [uid for uid in sorted(classes()) if attributes_of(uid)]
    rows = [
        [
            link(code(classes()[uid].name), f"#{classes()[uid].name}"),
            str(uid),
            classes()[uid].category,
            codes(compact(_shapes_of(uid))),
        ]
        for uid in used
    ]
    return page(
        "OCSF views",
        f"Each class of OCSF {OCSF_VERSION} that some shape maps to is a view over all those "
        "shapes. Attributes are columns with underscores for dots: `src_endpoint.ip` is "
        "`src_endpoint_ip`. A view always has all its columns, filled or not, so a query that is "
        "right for one case is right for all. Every view begins with `_id`, `_time` (milliseconds "
        "since 1970, UTC), `_source`, `_offset`, `_host`, `_shape`, `class_uid`, `class_name`, "
        "`activity_id`, `status_id` (1 success, 2 failure) and `severity_id`.",
        table(["view", "class", "category", "shapes"], rows),
        *map(_class, used),
    )


def _ours() -> list[Format]:
    """The formats that come with labrys: plug-ins of this machine are not for the pages."""
    return [made for made in formats() if made.module.startswith(_OURS)]


def _own(made: Format) -> list[str]:
    """A format's own shapes: of the kind that it names first, not of what else a file may hold."""
    kind = made.shapes[0].partition(".")[0]
    return [shape for shape in made.shapes if shape.partition(".")[0] == kind]


def compact(shapes: Iterable[str]) -> list[str]:
    """Shapes that differ in their event number only, as one: `windows.sysmon.{1,5}`."""
    by: dict[str, list[int]] = {}
    for shape in dict.fromkeys(shapes):
        head, _, last = shape.rpartition(".")
        if last.isdigit():
            by.setdefault(f"{head}.", []).append(int(last))
        else:
            by[shape] = []
    return [f"{head}{_numbers(numbers)}" for head, numbers in by.items()]


def _numbers(numbers: list[int]) -> str:
    listed = ",".join(map(str, sorted(numbers)))
    return f"{{{listed}}}" if len(numbers) > 1 else listed


def _format(made: Format) -> str:
    own = _own(made)
    rest = [shape for shape in made.shapes if shape not in own]
    said = f"Shapes: {codes(own)}."
    if rest:
        said += f" Where a file holds something else as well: {codes(rest)}."
    if made.mixed:
        said += " Events of other services in the same file are read as theirs."
    parts = [f"## {made.id}", f"{made.title}.", said]
    if made.spec:
        parts.append("Written after:\n\n" + "\n".join(f"- {_spec(one)}" for one in made.spec))
    return "\n\n".join(parts)


def _spec(text: str) -> str:
    """A source, its address made one."""
    words = (f"<{word}>" if word.startswith("https://") else word for word in text.split())
    return " ".join(words)


def _shapes_of(uid: int) -> list[str]:
    return list(dict.fromkeys(s for made in maps() if made.class_uid == uid for s in made.shapes))


def _class(uid: int) -> str:
    made = classes()[uid]
    sources: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in maps():
        if one.class_uid == uid:
            for attribute in one.attributes:
                sources[attribute.path][_filled(attribute)] += one.shapes
    rows = [
        [code(column_name(path)), attribute_type(path), _from(by)]
        for path, by in sorted(sources.items())
    ]
    guards = [
        f"- of {codes(compact(one.shapes))} only records where {_guard(one)}"
        for one in maps()
        if one.class_uid == uid and one.where
    ]
    parts = [f"## {made.name}", table(["column", "type", "from"], rows)]
    if guards:
        parts.append("\n".join(guards))
    return "\n\n".join(parts)


def _guard(made: ClassMap) -> str:
    return " and ".join(
        f"{code(name)} is {' or '.join(map(code, values[:12]))}"
        f"{f' or one of {len(values) - 12} more' if len(values) > 12 else ''}"
        for name, values in made.where
    )


def _filled(attribute: Attribute) -> str:
    """How an attribute is filled, in a few words."""
    if attribute.value is not None:
        return f"always {code(str(attribute.value))}"
    columns = " or ".join(map(code, attribute.columns))
    if attribute.codes:
        some = ", ".join(f"{value} = {number}" for value, number in attribute.codes[:6])
        more = f" and {len(attribute.codes) - 6} more" if len(attribute.codes) > 6 else ""
        return f"{columns} ({some}{more})"
    return f"{columns} as {attribute.how}" if attribute.how else columns


def _from(by: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{filled} ({', '.join(compact(shapes))})" for filled, shapes in by.items())
