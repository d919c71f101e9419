import re
from fnmatch import fnmatchcase

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.sigma import logsource as table
from labrys.detect.sigma.fields import Derived, derive
from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, LogSource, Not
from labrys.detect.sigma.logsource import bind, negated, overlap, shapes

WINDOWS = LogSource("", "windows", "")


def category(name: str, product: str = "windows", service: str = "") -> LogSource:
    return LogSource(name, product, service)


@pytest.mark.parametrize(
    ("logsource", "expected"),
    [
        (category("process_creation"), ("windows.sysmon.1", "windows.security.4688")),
        (category("process_creation", service="sysmon"), ("windows.sysmon.1",)),
        (category("ps_script", service="powershell"), ("windows.powershell.4104",)),
        (LogSource("", "windows", "security"), ("windows.security.*",)),
        (LogSource("", "windows", "windefend"), ("windows.windows_defender.*",)),
        (LogSource("", "windows", "some-new.channel"), ("windows.some_new_channel.*",)),
        (WINDOWS, ("windows.*",)),
        (LogSource("", "zeek", "smb_files"), ("zeek.smb_files", "net.smb_files")),
        (LogSource("", "zeek", "ssl"), ("zeek.ssl", "net.tls")),
        (LogSource("", "zeek", "x509"), ("zeek.x509",)),
        (LogSource("", "linux", "sshd"), ("linux.sshd",)),
        (LogSource("application", "kubernetes", "audit"), ("kubernetes.audit",)),
        (LogSource("", "nosuch", ""), ()),
        (LogSource("", "nosuch", "audit"), ()),
        (LogSource("nosuch", "windows", ""), ()),
        (LogSource("process_creation", "nosuch", ""), ()),
        (LogSource("nosuch", "windows", "security"), ()),
    ],
)
def test_log_sources_mean_shapes(logsource: LogSource, expected: tuple[str, ...]) -> None:
    assert shapes(logsource)[: len(expected)] == expected
    assert bool(shapes(logsource)) is bool(expected)


def test_a_rule_applies_where_all_it_says_does() -> None:
    assert bind(category("process_creation"), "windows.sysmon.1") is not None
    assert bind(category("process_creation"), "windows.sysmon.3") is None
    assert bind(category("process_creation"), "linux.sysmon.1") is None
    assert bind(category("process_creation", service="sysmon"), "windows.security.4688") is None
    assert bind(LogSource("process_creation", "", ""), "linux.sysmon.1") is not None
    assert bind(WINDOWS, "windows.anything.7") is not None
    assert bind(WINDOWS, "linux.syslog") is None
    assert bind(LogSource("", "linux", "syslog"), "linux.auditd") is None
    assert bind(LogSource("webserver", "apache", ""), "zeek.http") is not None
    assert bind(LogSource("webserver", "windows", ""), "zeek.http") is None


def test_no_windows_rule_can_lose_its_channel() -> None:
    """An event id of one channel never lets a rule run on the same number of another."""
    assert bind(category("wmi_event"), "windows.system.19") is None
    assert bind(LogSource("", "windows", "security"), "windows.system.4625") is None


def test_windows_auditing_speaks_as_sysmon_does() -> None:
    fields = bind(category("process_creation"), "windows.security.4688")
    assert fields is not None
    row = pa.table(
        {
            "NewProcessName": [r"C:\x.exe"],
            "ParentProcessName": [r"C:\p.exe"],
            "NewProcessId": ["0x10"],
            "ProcessId": ["0xff"],
            "SubjectDomainName": ["WORKGROUP"],
            "SubjectUserName": ["PC$"],
            "SubjectUserSid": ["S-1-5-18"],
            "MandatoryLabel": ["S-1-16-12288"],
            "CommandLine": ["x -y"],
        }
    )
    expected = {
        "Image": r"C:\x.exe",
        "ParentImage": r"C:\p.exe",
        "ProcessId": "16",
        "ParentProcessId": "255",
        "User": "WORKGROUP\\PC$\x1eNT AUTHORITY\\SYSTEM",
        "IntegrityLevel": "S-1-16-12288\x1eHigh",
        "CommandLine": "x -y",
        "OriginalFileName": None,
    }
    for name, value in expected.items():
        made = derive(fields.column(name), row)
        assert (None if made is None else made.to_pylist()[0]) == value, name


def test_registry_keys_read_as_sysmon_writes_them() -> None:
    fields = bind(category("registry_set"), "windows.security.4657")
    assert fields is not None
    row = pa.table(
        {
            "ObjectName": [r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\x"],
            "ObjectValueName": ["Start"],
        }
    )
    made = derive(fields.column("TargetObject"), row)
    assert made is not None
    assert made.to_pylist()[0].split("\x1e")[0] == r"HKLM\SYSTEM\CurrentControlSet\Services\x\Start"
    assert fields.where == (
        (Atom("OperationType", "eq", "%%1904"), Atom("OperationType", "eq", "%%1905")),
    )


def test_a_rule_does_not_run_where_what_it_excludes_by_is_not_recorded() -> None:
    logsource = category("dns_query")
    assert bind(logsource, "windows.dns_client.3008") is not None
    assert bind(logsource, "windows.dns_client.3008", frozenset(["Image"])) is None
    assert bind(logsource, "windows.sysmon.22", frozenset(["Image"])) is not None


def test_negated_fields() -> None:
    atoms = [Atom(name, "eq", "x") for name in "ABCD"] + [Atom(None, "eq", "x")]
    a, b, c, d, keyword = map(Leaf, range(5))
    when = All((a, Not(Any_((b, Not(c), keyword))), Not(Not(d))))
    assert negated(when, atoms) == {"B"}


def test_generic_shapes_are_bound_behind_a_guard_only() -> None:
    """A rule for a product without a shape of its own must not alarm on other products."""
    for entry in table._table():
        generic = {"json.record", "csv.record", "text.line"} & set(entry.shapes)
        assert not generic or entry.map.where, entry.logsource


def test_the_name_of_the_file_or_its_folder_tells_the_product() -> None:
    fields = bind(LogSource("", "cisco", "aaa"), "text.line")
    assert fields is not None
    ((atom,),) = fields.where
    assert (atom.field, atom.op, atom.flags) == ("_source", "re", "i")
    fits = re.compile(atom.value, re.IGNORECASE)
    for name in ("cisco.log", "case/Cisco/syslog.1", "logs/old-cisco-asa.txt", "a.zip!/cisco/x"):
        assert fits.search(name), name
    for name in ("app.log", "cisco/deep/er/app.log"):
        assert not fits.search(name), name


def test_proxy_rules_read_only_what_a_proxy_writes() -> None:
    fields = bind(LogSource("proxy", "", ""), "web.access")
    assert fields is not None
    (group,) = fields.where
    assert Atom("cs-method", "eq", "CONNECT") in group
    assert Atom("cs-uri", "starts", "http://") in group
    assert Atom("r-dns", "contains", "") in group


def test_on_the_wire_web_rules_are_about_our_own() -> None:
    server, proxy = (bind(LogSource(name, "", ""), "zeek.http") for name in ("webserver", "proxy"))
    assert server is not None
    assert proxy is not None
    assert Atom("id.resp_h", "cidr", "10.0.0.0/8") in server.where[0]
    assert Atom("local_resp", "eq", "true") in server.where[0]
    assert Atom("id.orig_h", "cidr", "fc00::/7") in proxy.where[0]


def test_request_targets_count_decoded_too() -> None:
    fields = bind(LogSource("webserver", "", ""), "web.access")
    assert fields is not None
    row = pa.table({"cs-uri": ["/a%2e%2e?q=%2Fb+c", "/plain"], "cs-uri-query": ["q=%2Fb+c", None]})
    made = derive(fields.column("cs-uri-query"), row)
    assert made is not None
    assert made.to_pylist() == [
        "/a%2e%2e?q=%2Fb+c\x1eq=%2Fb+c\x1e/a..?q=/b c\x1eq=/b+c",
        "/plain",
    ]


def test_processes_of_falcon_are_called_as_in_other_logs() -> None:
    fields = bind(category("process_creation"), "falcon.processrollup2")
    assert fields is not None
    row = pa.table(
        {
            "ImageFileName": ["\\Device\\HarddiskVolume3\\Windows\\a.exe"],
            "ParentBaseFileName": ["cmd.exe"],
        }
    )
    made = [derive(fields.column(name), row) for name in ("Image", "ParentImage")]
    assert [each.to_pylist() for each in made if each is not None] == [
        ["C:\\Windows\\a.exe"],
        ["\\cmd.exe"],
    ]


def test_flows_of_every_cloud_have_the_same_names() -> None:
    for shape, column, word, wanted in (
        ("aws.vpc_flow", "action", "REJECT", "denied"),
        ("gcp.firewall", "jsonPayload.disposition", "DENIED", "denied"),
        ("gcp.vpc_flow", "conn_state", "REJ", "denied"),
        ("azure.flow", "decision", "denied", "denied"),
    ):
        fields = bind(LogSource("", "cloud", "flow"), shape)
        assert fields is not None
        row = pa.table({column: [word]})
        field = fields.column("decision")
        made = row[field] if isinstance(field, str) else derive(field, row)
        assert made is not None
        assert made.to_pylist() == [wanted], shape


def test_hashes_are_read_by_their_parts() -> None:
    fields = bind(category("process_creation"), "windows.sysmon.1")
    assert fields is not None
    assert fields.column("Imphash") == Derived(("Hashes",), part="IMPHASH")
    assert fields.column("Image") == "Image"


def test_names_with_spaces_are_found_without_them() -> None:
    fields = bind(LogSource("", "windows", "windefend"), "windows.windows_defender.1116")
    assert fields is not None
    assert fields.column("ThreatName") == fields.column("Threat_Name") == "Threat Name"


def test_entra_activities_in_the_microsoft_365_log_have_the_same_names() -> None:
    audit, signin = (
        bind(LogSource("", "entra", name), "m365.audit") for name in ("audit", "signin")
    )
    assert audit is not None
    assert signin is not None
    row = pa.table(
        {
            "Operation": ["Add member to role.", "UserLoginFailed", "Update application \u2013 x "],
            "LogonError": [None, "InvalidUserNameOrPassword", None],
        }
    )
    activity, error = derive(audit.column("activity"), row), derive(signin.column("errorCode"), row)
    assert activity is not None
    assert error is not None
    assert activity.to_pylist()[0] == "Add member to role"
    assert error.to_pylist() == [None, "50126", None]
    outcome = derive(signin.column("outcome"), row)
    assert outcome is not None
    assert outcome.to_pylist()[1] == "failure"


def test_every_guard_and_field_of_the_table_is_understood() -> None:
    for entry in table._table():
        for shape in entry.shapes:
            fields = bind(entry.logsource, shape.replace("*", "1"))
            assert fields is not None, (entry.logsource, shape)
            for name in fields.aliases:
                derive(fields.column(name), pa.table({"x": ["y"]}))


PIECES = st.sampled_from(["a", "b", "*", "ab", ".", "**"])
PATTERNS = st.lists(PIECES, max_size=4).map("".join)


@given(PATTERNS, PATTERNS, st.lists(st.sampled_from("ab."), max_size=5).map("".join))
def test_patterns_overlap_where_some_shape_fits_both(one: str, other: str, shape: str) -> None:
    if fnmatchcase(shape, one) and fnmatchcase(shape, other):
        assert overlap(one, other)
    assert overlap(one, other) == overlap(other, one)
    if "*" not in one:
        assert overlap(one, other) == fnmatchcase(one, other)
