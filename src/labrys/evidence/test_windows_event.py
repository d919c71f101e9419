import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import windows_document, windows_event
from labrys.evidence.records import Source
from labrys.evidence.registry import choose, formats

HERE = Path(__file__).parent
XMLNS = {"#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"}}
SAMPLES = [
    *sorted((HERE / "windows_json" / "samples").iterdir()),
    *sorted((HERE / "windows_xml" / "samples").iterdir()),
]
SAMPLES = [path for path in SAMPLES if path.stem != "odd"]
GUID = "{54849625-5478-4994-A5BA-3E3B0328C30D}"
CORE = ("_time", "_host", "Computer", "Channel", "EventID", "Provider_Name", "EventRecordID")


def tree(system: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {"Event": {**XMLNS, "System": system, **sections}}


def made(system: dict[str, Any], **sections: Any) -> windows_event.Event:
    """The event by the quick way, after making sure that the general way gives the same."""
    text = orjson.dumps(tree(system, **sections))
    general = windows_event.from_tree(orjson.loads(text)["Event"])
    quick = windows_document.named(windows_document.from_json(text))
    assert quick[0] == general[0]
    assert quick[2:] == general[2:]
    assert given_values(quick[1]) == given_values(general[1])
    return quick


def given_values(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def rows(path: Path) -> dict[str, dict[str, Any]]:
    raw = path.read_bytes()
    chosen = choose(raw[: 64 << 10], path.name)
    assert chosen is not None
    assert chosen.id == path.parents[1].name
    source = Source(path, path.name, hashlib.sha256(raw).hexdigest(), len(raw))
    return {shape: row for shape, batch in chosen.read(source) for row in batch.to_pylist()}


@pytest.mark.parametrize(
    ("channel", "provider", "number", "shape"),
    [
        ("Microsoft-Windows-Sysmon/Operational", "x", "1", "windows.sysmon.1"),
        ("Security", None, "4688", "windows.security.4688"),
        ("Windows PowerShell", None, "400", "windows.windows_powershell.400"),
        ("Microsoft-Windows-PowerShell/Operational", None, " 4104 ", "windows.powershell.4104"),
        (None, "Microsoft-Windows-Eventlog", "0104", "windows.eventlog.104"),
        ("", "Old Source", "300", "windows.old_source.300"),
        (None, None, "", "windows.unknown.unknown"),
        ("///", None, "-1", "windows.unknown.unknown"),
        ("Ключ", None, "²", "windows.unknown.unknown"),
        ("A" * 500, None, "1", f"windows.{'a' * 80}.1"),
    ],
)
def test_shapes(channel: str | None, provider: str | None, number: str, shape: str) -> None:
    assert windows_event.shape(channel, provider, number) == shape


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-05-06T07:08:09.1234567Z", 1_714_979_289_123),
        ("2024-05-06T07:08:09.1239999Z", 1_714_979_289_123),
        ("2024-05-06T07:08:09Z", 1_714_979_289_000),
        ("2024-05-06T09:08:09.5+02:00", 1_714_979_289_500),
        ("2024-05-06 07:08:09.5", 1_714_979_289_500),
        ("1601-01-01T00:00:00.0000000Z", -11_644_473_600_000),
        ("2100-12-31T23:59:59.9999999Z", 4_133_980_799_999),
        (133_594_528_891_234_567, 1_714_979_289_123),
        ("/Date(1714979289123)/", 1_714_979_289_123),
        ("9999-12-31T23:59:59.9999999Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        (None, None),
        ({}, None),
    ],
)
def test_times(text: Any, time: int | None) -> None:
    assert windows_event.moment(text) == time


def test_system_columns() -> None:
    shape, fields, time, host = made(
        {
            "Provider": {
                "#attributes": {
                    "Name": "Microsoft-Windows-X",
                    "Guid": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                    "EventSourceName": "X",
                }
            },
            "EventID": {"#attributes": {"Qualifiers": 16384}, "#text": 7},
            "Version": 1,
            "Level": "4",
            "Task": 2,
            "Opcode": 0,
            "Keywords": "0x80",
            "TimeCreated": {"#attributes": {"SystemTime": "2024-05-06T07:08:09.123456Z"}},
            "EventRecordID": 18_446_744_073_709_551_615,
            "Correlation": {"#attributes": {"ActivityID": "A" * 8 + "-0000" * 3 + "-" + "1" * 12}},
            "Execution": {"#attributes": {"ProcessID": 4, "ThreadID": 8}},
            "Channel": "X/Operational",
            "Computer": "pc",
            "Security": {"#attributes": {"UserID": "S-1-5-18"}},
        },
        EventData=None,
    )
    assert (shape, time, host) == ("windows.x.7", 1_714_979_289_123, "pc")
    assert given_values(fields) == {
        "Provider_Name": "Microsoft-Windows-X",
        "Provider_Guid": "{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}",
        "Provider_EventSourceName": "X",
        "EventID": 7,
        "Qualifiers": 16384,
        "Version": 1,
        "Level": "4",
        "Task": 2,
        "Opcode": 0,
        "Keywords": "0x80",
        "TimeCreated": "2024-05-06T07:08:09.123456Z",
        "EventRecordID": 18_446_744_073_709_551_615,
        "ActivityID": "{AAAAAAAA-0000-0000-0000-111111111111}",
        "ExecutionProcessID": 4,
        "ExecutionThreadID": 8,
        "Channel": "X/Operational",
        "Computer": "pc",
        "UserID": "S-1-5-18",
    }


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (None, {}),
        ({"A": "1", "B": 2, "C": None}, {"A": "1", "B": 2}),
        ({"Data": "one"}, {"Data": "one"}),
        ({"Data": ["one", "two"]}, {"Data": ["one", "two"]}),
        ({"Data": {"#text": ["one", ""]}, "Binary": "00"}, {"Data": ["one", ""], "Binary": "00"}),
        ({"Data": [{"@Name": "A", "#text": "1"}, {"#text": "2"}]}, {"A": "1", "Data": "2"}),
        ({"Data": [{"#attributes": {"Name": "A"}, "#text": "1"}]}, {"A": "1"}),
        ({"Data": [{"Name": "A", "Value": 1}, {"Name": "A", "Value": 2}]}, {"A": [1, 2]}),
        ({"#attributes": {"Name": "N"}, "A": "1"}, {"EventData_Name": "N", "A": "1"}),
        ({"XGuid": "a" * 8 + "-bbbb" * 3 + "-" + "c" * 12}, {"XGuid": "{aaaaaaaa-bbbb-bbbb-bbbb-cccccccccccc}"}),
        ({"Guide": "a" * 8 + "-bbbb" * 3 + "-" + "c" * 12}, {"Guide": "aaaaaaaa-bbbb-bbbb-bbbb-cccccccccccc"}),
        ({"A": {"B": {"C": 1}, "#text": "x"}}, {"A.B.C": 1, "A": "x"}),
        ({"A": [{"B": 1}, {"B": 2}]}, {"A.B": [1, 2]}),
    ],
)  # fmt: skip
def test_event_data_in_its_forms(data: Any, fields: dict[str, Any]) -> None:
    system = {"EventID": 1, "Computer": "pc"}
    found = windows_event.from_tree(
        orjson.loads(orjson.dumps(tree(system, EventData=data)))["Event"]
    )
    assert {k: v for k, v in given_values(found[1]).items() if k not in system} == fields


def test_user_data_loses_its_wrapper_and_keeps_everything_else() -> None:
    _, fields, _, _ = made(
        {"Provider": {"#attributes": {"Name": "P"}}, "EventID": 1, "Computer": "pc"}
        | {"TimeCreated": {"#attributes": {"SystemTime": "2024-05-06T07:08:09Z"}}},
        UserData={
            "Wrapper": {
                "#attributes": {"xmlns": "urn:x", "xmlns:a": "urn:y"},
                "A": "1",
                "B": {"#attributes": {"id": "7"}, "C": {"D": "2"}, "#text": "3"},
            }
        },
    )
    assert given_values(fields).items() >= {"A": "1", "B.id": "7", "B.C.D": "2", "B": "3"}.items()
    assert not any("xmlns" in name for name in fields)


def test_what_data_and_system_call_alike_is_kept_twice() -> None:
    system = {"EventID": 104, "Channel": "System", "Level": 4, "Version": 1, "Computer": "pc"}
    data = {"Channel": "Security", "Level": "high", "Version": "9", "Computer": "other"}
    _, fields, _, host = windows_event.from_tree({"System": dict(system), "EventData": dict(data)})
    assert host == "pc"
    assert fields == {
        "EventID": 104,
        "Channel": "Security",
        "System_Channel": "System",
        "Level": 4,
        "EventData_Level": "high",
        "Version": "9",
        "System_Version": 1,
        "Computer": "pc",
        "EventData_Computer": "other",
    }


def test_a_field_repeated_without_end_takes_linear_time() -> None:
    items = [{"Name": "A", "#text": str(number)} for number in range(200_000)]
    event = {"System": {"EventID": 1}, "EventData": {"Data": items}}
    assert len(windows_event.from_tree(event)[1]["A"]) == 200_000


@pytest.mark.parametrize("event", [{}, {"System": None}, {"System": []}, {"System": "x"}])
def test_without_a_system_it_is_no_event(event: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="System"):
        windows_event.from_tree(event)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_same_event_in_every_dialect_is_the_same_row(path: Path) -> None:
    found = rows(path)
    assert set(found) == {"windows.security.4625", "windows.sysmon.1"}
    logon, process = found["windows.security.4625"], found["windows.sysmon.1"]
    assert [logon[name] for name in CORE] == [
        1_714_979_289_123,
        "ws7.corp.example",
        "ws7.corp.example",
        "Security",
        "4625",
        "Microsoft-Windows-Security-Auditing",
        "101",
    ]
    assert [process[name] for name in CORE[1:]] == [
        "ws7.corp.example",
        "ws7.corp.example",
        "Microsoft-Windows-Sysmon/Operational",
        "1",
        "Microsoft-Windows-Sysmon",
        "102",
    ]
    assert logon["Keywords"] == "0x8010000000000000"
    assert logon.get("Provider_Guid", GUID) == GUID
    for name, value in {
        "TargetUserName": "svc_backup",
        "SubjectUserName": "-",
        "IpAddress": "203.0.113.9",
        "LogonProcessName": "NtLmSsp ",
        "SubStatus": "0xc000006a",
    }.items():
        assert logon[name] == value
    for name, value in {
        "Image": "C:\\Windows\\System32\\whoami.exe",
        "CommandLine": "whoami /all",
        "ParentCommandLine": 'cmd.exe /c "whoami /all"',
        "ProcessGuid": "{a1b2c3d4-0001-0002-0300-000000000400}",
        "Description": "whoami – displays logged on user",
        "User": "CORP\\ann",
    }.items():
        assert process[name] == value


def test_every_format_here_names_its_shapes() -> None:
    for made_format in formats():
        if made_format.id in ("evtx", "windows_json", "windows_xml"):
            assert "windows.*" in made_format.shapes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["#text", "#attributes", "@Name", "Name", "Data", "Value", "EventID", "Provider", "xmlns", "Channel", "Level", "AGuid", "x_attributes", "Execution", "TimeCreated"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON, JSON, JSON)
def test_any_tree_is_an_event_or_refused(system: Any, event_data: Any, user_data: Any) -> None:
    event = {"System": system, "EventData": event_data, "UserData": user_data}
    if not isinstance(system, dict):
        with pytest.raises(ValueError, match="System"):
            windows_event.from_tree(event)
        return
    shape, fields, time, host = windows_event.from_tree(event)
    assert shape.startswith("windows.")
    assert all(isinstance(name, str) for name in fields)
    assert time is None or isinstance(time, int)
    assert host is None or isinstance(host, str)
