from typing import Any

from labrys.detect.network.testing import DAY, HOUR, ME, MINUTE, THERE, Event, find, flow, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM = int(Severity.LOW), int(Severity.MEDIUM)
MB = 1_000_000


def upload(when: float, size: float, dst: str = THERE, src: str = ME, **more: Any) -> Event:
    sizes = {
        "traffic_bytes_out": int(size),
        "traffic_bytes_in": int(size / 50),
        "duration": 300_000,
    }
    return flow(when, dst, 443, src, **{**sizes, "app_name": "ssl", **more})


def past(days: int, src: str = ME, size: float = 8 * MB) -> list[Event]:
    """Every day ten servers outside and one upload."""
    return [
        upload(day * DAY + n * HOUR, size if n == 0 else 20_000, f"198.51.{n}.7", src)
        for day in range(days)
        for n in range(10)
    ]


def test_more_than_ever_to_where_nobody_was() -> None:
    [found] = find("exfil", [*past(6), upload(6 * DAY, 900 * MB)])
    assert (found["rule_uid"], found["severity_id"]) == ("exfil.upload", MEDIUM)
    assert [e["value"] for e in found["entities"]] == [ME, THERE]
    said = {one["feature"]: one["value"] for one in found["reasons"]}
    assert said["sent"] == "900.0 MB in 1 flows"
    assert said["own past"].startswith("112.5 times the most of 6 earlier days")


def test_more_than_all_peers_on_the_first_day() -> None:
    peers = [e for n in range(8) for e in past(1, f"10.0.0.{n + 20}")]
    ordinary = [*peers, *past(1)]
    # By the carrier of every backup to a cloud it is no alert: who does so nightly does so today.
    assert told("exfil", [*ordinary, upload(9000, 900 * MB)]) == [("exfil.upload", LOW)]
    by_ssh = upload(9000, 900 * MB, dst_endpoint_port=22, app_name="ssh")
    assert told("exfil", [*ordinary, by_ssh]) == [("exfil.upload", MEDIUM)]


def test_a_nightly_backup_is_usual_from_its_second_night_on() -> None:
    peers = [e for n in range(8) for e in past(3, f"10.0.0.{n + 20}")]
    nightly = [upload(day * DAY, 900 * MB * (1 + 0.2 * day)) for day in range(3)]
    assert {level for _, level in told("exfil", [*peers, *nightly])} <= {LOW}


def office() -> list[Event]:
    """Six days of a host and ten others, one of which sends a backup every night."""
    others = [e for n in range(10) for e in past(7, f"10.0.0.{n + 20}")]
    nightly = [upload(day * DAY, 900 * MB, "192.0.2.200", "10.0.0.20") for day in range(7)]
    return [*past(7), *others, *nightly]


def test_the_backup_of_another_host_hides_nothing() -> None:
    rows = find("exfil", [*office(), upload(6 * DAY, 300 * MB)])
    [mine] = [row for row in rows if row["entities"][0]["value"] == ME]
    assert mine["severity_id"] == MEDIUM
    said = {one["feature"]: one["value"] for one in mine["reasons"]}
    assert said["peers"].endswith("of 10 others, 1 sent more")


def test_what_many_send_is_usual() -> None:
    today = [upload(6 * DAY, (301 + n) * MB, f"192.0.2.{n}", f"10.0.0.{n + 21}") for n in range(5)]
    rows = find("exfil", [*office(), *today, upload(6 * DAY, 300 * MB)])
    assert {row["severity_id"] for row in rows if row["entities"][0]["value"] == ME} == {LOW}


def test_a_server_of_names_that_only_one_host_asks() -> None:
    names = {"connection_info_protocol_name": "udp", "traffic_bytes_out": 8 * MB}
    asked = flow(6 * DAY, "203.0.113.53", 53, **names)
    shared = [flow(n, "203.0.113.53", 53, "10.0.0.22", **names) for n in range(3)]
    levels = {
        r["entities"][0]["value"]: r["severity_id"] for r in find("exfil", [*office(), asked])
    }
    assert levels[ME] == MEDIUM
    assert told("exfil", [*office(), asked, *shared])[0] == ("exfil.carrier", LOW)


def test_without_past_and_peers_it_is_no_alert() -> None:
    assert {level for _, level in told("exfil", [*past(1), upload(HOUR, 2000 * MB)])} <= {LOW}


def test_a_backup_every_day_is_usual() -> None:
    daily = [upload(day * DAY, 700 * MB) for day in range(8)]
    rows = find("exfil", [*past(8), *daily])
    assert [r["severity_id"] for r in rows if r["time_start"] >= 1_700_006_400_000 + 4 * DAY] == []


def test_calls_and_speed_tests_are_no_alert() -> None:
    call = {"connection_info_protocol_name": "udp", "traffic_bytes_in": 80 * MB, "duration": HOUR}
    assert told("exfil", [*past(6), upload(6 * DAY, 100 * MB, **call, app_name="")]) == []
    tests = [
        upload(6 * DAY + n * MINUTE, 30 * MB, f"192.0.2.{n}", duration=9_000) for n in range(5)
    ]
    assert {level for _, level in told("exfil", [*past(6), *tests])} <= {LOW}


def test_pings_and_names_that_carry_data() -> None:
    ping = {"connection_info_protocol_name": "icmp", "traffic_bytes_out": 5 * MB}
    ping |= {"traffic_packets_out": 4000, "dst_endpoint_port": 0}
    assert told("exfil", [*past(1), flow(0, **ping)]) == [("exfil.carrier", MEDIUM)]
    names = {"connection_info_protocol_name": "udp", "traffic_bytes_out": 40 * MB}
    assert told("exfil", [*past(1), flow(0, port=53, **names)]) == [("exfil.carrier", MEDIUM)]
    small = {"connection_info_protocol_name": "icmp", "traffic_bytes_out": 60_000}
    assert told("exfil", [*past(1), flow(0, **small)]) == []


def test_uploads_inside_are_no_matter() -> None:
    assert told("exfil", [*past(6), upload(6 * DAY, 900 * MB, "10.0.0.9")]) == []
