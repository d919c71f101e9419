"""Packet captures from end to end: packed, scanned, asked as OCSF, and found in by rules of Zeek's."""

import csv
import gzip
import io
import zipfile
from pathlib import Path

from command import labrys, shapes
from labrys.evidence.pcap.protocols.test_dialogues import MAIL, Turn, dialogue
from labrys.evidence.pcap.samples import make
from labrys.evidence.records import UNPARSED

RULE = """
title: A page asked for by a tool
id: 3d1bdc2e-5a45-4d0f-8a53-59a1a0b2f001
logsource:
  {logsource}
detection:
  selection:
    {field}: {value}
  condition: selection
level: high
"""


def asked(case: Path, folder: Path, query: str) -> list[list[str]]:
    done = labrys("hunt", "--lake", case, "--format", "csv", query, cwd=folder)
    assert done.code == 0, done.err
    return list(csv.reader(io.StringIO(done.text)))[1:]


def test_a_packed_capture_is_scanned_and_asked(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    inner = gzip.compress(make.pcap(make.office()))
    with zipfile.ZipFile(evidence / "captures.zip", "w") as packed:
        packed.writestr("office.pcap.gz", inner)
    (evidence / "interfaces.pcap").write_bytes(make.interfaces())
    rules = tmp_path / "rules"
    rules.mkdir()
    for number, (logsource, field, value) in enumerate(
        (
            ("product: zeek\n  service: http", "user_agent", "test/1"),
            ("category: dns", "query", "www.example.com"),
            ("product: zeek\n  service: ssl", "server_name", "www.example.com"),
            ("product: zeek\n  service: conn", "conn_state", "SF"),
        )
    ):
        text = RULE.format(logsource=logsource, field=field, value=value)
        (rules / f"{number}.yml").write_text(text.replace("f001", f"f00{number}"))
    case = tmp_path / "case"
    done = labrys(
        *("scan", evidence, "--lake", case, "--rules", rules, "--no-own-rules", "--quiet"),
        *("--format", "ndjson"),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    found = shapes(case)
    assert found["net.flow"] == 7
    assert UNPARSED not in found
    findings = [line for line in done.lines if line["class_uid"] == 2004]
    found_by = {line["finding_info"]["analytic"]["uid"] for line in findings}
    assert len({uid for uid in found_by if uid.startswith("3d1bdc2e")}) == 4
    flow = asked(
        case,
        tmp_path,
        "SELECT src_endpoint_ip, dst_endpoint_port, dst_endpoint_svc_name, status_detail,"
        " connection_info_protocol_name, traffic_bytes_out, traffic_packets_in, duration"
        " FROM network_activity WHERE dst_endpoint_svc_name = 'http'",
    )
    assert flow == [["192.0.2.10", "80", "http", "SF", "tcp", "69", "4", "9"]]
    name = "SELECT query_hostname, rcode, answers_rdata FROM dns_activity WHERE rcode IS NOT NULL"
    assert asked(case, tmp_path, name) == [["www.example.com", "NOERROR", "198.51.100.7"]]
    tls = "SELECT tls_sni, tls_version, tls_certificate_issuer FROM network_activity WHERE tls_sni IS NOT NULL"
    assert asked(case, tmp_path, tls) == [
        ["www.example.com", "TLSv12", "CN=Example CA,O=Example\\, Inc."]
    ]
    http = "SELECT http_request_url_path, http_response_code FROM http_activity"
    assert asked(case, tmp_path, http) == [["/a?b=1", "200"]]


def test_a_broken_capture_is_read_as_far_as_it_goes_and_said(tmp_path: Path) -> None:
    (tmp_path / "broken.pcap").write_bytes(make.broken())
    done = labrys(
        "scan", tmp_path / "broken.pcap", "--lake", "case", "--no-own-rules", cwd=tmp_path
    )
    assert done.code == 1
    assert "bytes between packets that are no packet" in done.text
    assert shapes(tmp_path / "case")["net.flow"] == 4


def test_mail_and_logons_in_a_capture_are_read_as_such(tmp_path: Path) -> None:
    turns: list[Turn] = [(True, b"220 ready\r\n")]
    for number in range(40):
        turns += [(False, b"USER ann\r\n"), (True, b"331 password\r\n")]
        turns += [(False, b"PASS guess%d\r\n" % number), (True, b"530 no\r\n")]
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "mail.pcap").write_bytes(make.pcap(dialogue(MAIL, 25)))
    (evidence / "ftp.pcap").write_bytes(make.pcap(dialogue(turns, 21)))
    case = tmp_path / "case"
    done = labrys("scan", evidence, "--lake", case, "--quiet", "--format", "ndjson", cwd=tmp_path)
    assert done.code == 0, done.err
    mail = "SELECT email_subject, _source FROM email_activity WHERE _shape = 'mail.message'"
    ((subject, source),) = asked(case, tmp_path, mail)
    assert subject == "Grüße"
    assert "evidence/mail.pcap!/C" in source
    envelopes = "SELECT count(*), max(status_detail) FROM email_activity WHERE _shape = 'net.smtp'"
    assert asked(case, tmp_path, envelopes) == [["1", "550 unknown"]]  # the other is mail
    guessed = "SELECT count(*), max(status_detail) FROM authentication WHERE user_name = 'ann' AND service_name = 'ftp'"
    assert asked(case, tmp_path, guessed) == [["40", "530 no"]]
    features = {
        line["metadata"]["product"]["feature"]["name"]
        for line in done.lines
        if line["class_uid"] == 2004
    }
    assert "guessing" in features
