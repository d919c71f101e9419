import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.ocsf import entities, maps
from labrys.ocsf.entities import EntityColumn, entity_columns
from labrys.ocsf.schema import ENTITY_TYPES

TOML = """
[[map]]
shapes = ["made.process"]
class_uid = 1007
activity_id = 1
[map.columns]
"device.hostname" = "_host"
"actor.user.name" = {column = "User", as = "user"}
"process.uid" = "Guid"
"process.pid" = {column = "Pid", as = "int"}
"process.file.path" = "Image"
"process.file.hashes.sha256" = {column = "Hashes", as = "sha256"}
"actor.session.uid" = "LogonId"

[[map]]
shapes = ["made.*"]
class_uid = 4001
[map.columns]
"dst_endpoint.ip" = ["To", "ToToo"]
"resources.uid" = "Things"

[[map]]
shapes = ["made.threat"]
class_uid = 2004
[map.columns]
"file.path" = {column = "Path", as = "threat_path"}
"url.url_string" = {column = "Path", as = "threat_url"}
"""


@pytest.fixture(autouse=True)
def made_maps(monkeypatch: pytest.MonkeyPatch):
    made = maps.parse(TOML, "test")
    maps.mapping_for.cache_clear()
    entity_columns.cache_clear()
    monkeypatch.setattr(maps, "maps", lambda: made)
    yield
    maps.mapping_for.cache_clear()
    entity_columns.cache_clear()


def listed(shape: str, **columns: list[str | None]) -> list[list[tuple[str, str, str]]]:
    rows = entities.entities(shape, pa.table(columns)).to_pylist()
    return [[(each["type"], each["role"], each["value"]) for each in row] for row in rows]


def test_columns_of_a_shape_without_a_map_are_its_host() -> None:
    assert entity_columns("nobody.knows") == (EntityColumn("host", "device", ("_host",)),)


def test_entities_of_a_process_are_typed_and_normalised() -> None:
    rows = listed(
        "made.process",
        _host=["PC1.Corp.", None],
        User=["CORP\\Ann", "-"],
        Guid=["{AB-1}", "{00000000-0000-0000-0000-000000000000}"],
        Pid=["0x10", "17"],
        Image=["C:\\Windows\\cmd.exe", "/bin/sh"],
        Hashes=["SHA1=00,SHA256=" + "AB" * 32, None],
        LogonId=["0x3e7", "0x77"],
    )
    assert rows == [
        [
            ("host", "device", "pc1.corp"),
            ("user", "actor", "ann"),
            ("process", "object", "pc1.corp|{ab-1}"),
            ("file", "actor", "c:\\windows\\cmd.exe"),
            ("hash", "actor", "ab" * 32),
        ],
        [("file", "actor", "/bin/sh")],
    ]


def test_a_process_without_a_guid_is_its_pid_and_image() -> None:
    rows = listed("made.process", _host=["PC"], Guid=[None], Pid=["0x10"], Image=["C:\\A.exe"])
    assert ("process", "object", "pc|16|c:\\a.exe") in rows[0]


def test_addresses_are_checked_and_several_values_are_several_entities() -> None:
    rows = listed(
        "made.flow",
        To=["::ffff:10.0.0.1", "-", "127.0.0.1", "no address"],
        ToToo=[None, "[2001:db8::1]:443", "9.9.9.9", None],
        Things=["a\x1eb\x1ea", None, "", "-"],
    )
    assert rows == [
        [
            ("ip", "destination", "10.0.0.1"),
            ("resource", "object", "a"),
            ("resource", "object", "b"),
        ],
        [("ip", "destination", "2001:db8::1")],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("said", "path", "url"),
    [
        ("C:\\A.exe", "c:\\a.exe", None),
        ("file:_C:\\x;y.exe", "c:\\x;y.exe", None),
        ("containerfile:_C:\\a.zip; file:_C:\\a.zip->b.js", "c:\\a.zip", None),
        ("file:_C:\\a.zip->b.js; containerfile:_C:\\c.zip", "c:\\a.zip", None),
        ("behavior:_pid:7:1; process:_pid:7,ProcessStart:1; file:_C:\\a.exe", "c:\\a.exe", None),
        (
            "webfile:_C:\\Users\\a\\b.zip|https://example.org/b.zip?x=1;y|pid:7,ProcessStart:1",
            "c:\\users\\a\\b.zip",
            "https://example.org/b.zip?x=1;y",
        ),
        ("CmdLine:_C:\\a.exe /c fetch https://example.org/", None, None),
        ("regkey:_HKLM\\SOFTWARE\\x", None, None),
        ("-", None, None),
    ],
)
def test_what_defender_lists_is_a_plain_path_and_address(
    said: str, path: str | None, url: str | None
) -> None:
    [row] = listed("made.threat", Path=[said])
    assert {kind: value for kind, _, value in row} == {
        kind: value for kind, value in (("file", path), ("url", url)) if value
    }


def test_dictionary_columns_and_no_rows() -> None:
    table = pa.table({"To": pa.array(["1.2.3.4", "1.2.3.4"]).dictionary_encode()})
    assert [len(row) for row in entities.entities("made.flow", table).to_pylist()] == [1, 1]
    assert entities.entities("made.flow", table.slice(0, 0)).to_pylist() == []
    assert entities.entities("made.flow", pa.table({"x": ["1"]})).to_pylist() == [[]]


cells = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.text(st.sampled_from("0123456789abcdef.:[]%{}-\\|@x\x1e "), max_size=40),
    st.sampled_from(["a" * 5000, "\x1e".join(map(str, range(500))), "9" * 400, "0x" + "f" * 90]),
)
COLUMNS = ("_host", "User", "Guid", "Pid", "Image", "Hashes", "LogonId", "To", "ToToo", "Things")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(cells, min_size=10, max_size=10), max_size=6))
def test_hostile_cells_make_few_short_entities_and_never_an_error(
    rows: list[list[str | None]],
) -> None:
    columns = {
        name: pa.array([row[number] for row in rows], pa.string())
        for number, name in enumerate(COLUMNS)
    }
    got = entities.entities("made.process", pa.table(columns)).to_pylist()
    assert len(got) == len(rows)
    for row in got:
        assert len(row) <= entities.MOST * len(COLUMNS)
        for each in row:
            assert 0 < len(each["value"]) <= entities.LONGEST
            assert each["type"] in ENTITY_TYPES
