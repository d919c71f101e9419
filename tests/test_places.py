"""Countries and networks from the user's own tables: in reports, in hunts, in detectors."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from command import Ran, here, labrys
from labrys.lake.test_places import GERMAN, NETWORK, mmdb

HOME, AWAY = "198.51.100.7", "203.0.113.66"
KOREAN = {"country": {"iso_code": "KP"}}
START = datetime(2026, 3, 2, tzinfo=UTC)


def call(when: datetime, who: str, name: str, ip: str, service: str = "ec2") -> dict[str, Any]:
    """A call of CloudTrail, which says no country."""
    return {
        "eventVersion": "1.10",
        "userIdentity": {"type": "IAMUser", "accountId": "111122223333", "userName": who},
        "eventTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": ip,
        "userAgent": "terraform/1.8",
        "requestParameters": None,
        "responseElements": None,
        "eventID": f"{who}-{when:%d%H%M%S}",
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
    }


def trail() -> Iterator[dict[str, Any]]:
    for number in range(1800):
        when = START + timedelta(days=number // 300, hours=7, minutes=number % 300)
        yield call(when, f"robot{number % 3}", f"Describe{number % 9}", HOME)
    last = START + timedelta(days=6, hours=9)
    yield call(last, "robot1", "Describe1", AWAY)
    yield call(last + timedelta(minutes=1), "robot1", "StopLogging", AWAY, "cloudtrail")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence, tables and settings: `labrys.toml` names the tables beside it."""
    made = tmp_path_factory.mktemp("places")
    (made / "trail.json").write_text(json.dumps({"Records": list(trail())}))
    nets = {"198.51.100.0/24": GERMAN, "203.0.113.0/24": KOREAN}
    (made / "country.mmdb").write_bytes(mmdb(nets))
    (made / "network.mmdb").write_bytes(mmdb({"203.0.113.0/24": NETWORK}))
    (made / "labrys.toml").write_text('[network]\nplaces = ["country.mmdb", "network.mmdb"]\n')
    (made / "broken.toml").write_text('[network]\nplaces = ["trail.json"]\n')
    return made


@pytest.fixture(scope="module")
def told(folder: Path) -> list[dict[str, Any]]:
    """What a scan with the tables writes."""
    env = {"LABRYS_CONFIG": str(folder / "labrys.toml")}
    asked = (
        "scan",
        "trail.json",
        "--lake",
        "placed.labrys",
        "--only",
        "rare_api",
        "--only",
        "sigma",
    )
    done = labrys(*asked, "--quiet", "-f", "ndjson", cwd=folder, env=env)
    assert done.code == 0, done.err
    return done.lines


def again(folder: Path, *arguments: str) -> Ran:
    env = {"LABRYS_CONFIG": str(folder / "labrys.toml")}
    return here(*arguments, "--lake", "placed.labrys", cwd=folder, env=env)


def reasons(lines: list[dict[str, Any]]) -> set[str]:
    """The first reason of each finding of rarity."""
    rare = [line for line in lines if line["metadata"]["product"]["feature"]["name"] == "rare_api"]
    return {line["unmapped"]["reasons"][0]["value"] for line in rare}


def test_a_country_new_for_a_principal_is_found_where_the_log_says_none(
    told: list[dict[str, Any]],
) -> None:
    assert "robot1 from KP" in reasons(told)


def test_without_tables_it_is_not(folder: Path) -> None:
    asked = ("scan", "trail.json", "--lake", "bare.labrys", "--only", "rare_api", "-f", "ndjson")
    done = labrys(*asked, "--quiet", cwd=folder)
    assert reasons(done.lines) == {"robot1: cloudtrail.amazonaws.com:StopLogging"}


def test_ocsf_has_country_and_network_in_their_places(told: list[dict[str, Any]]) -> None:
    incident = told[-1]
    assert incident["class_uid"] == 2005
    said = {
        "location": {"country": "KP"},
        "autonomous_system": {"number": 64500, "name": "Example Net"},
    }
    for line in told[:-1]:
        assert line["evidences"][0]["src_endpoint"] == {"ip": AWAY, **said}
    for line in told:
        [added] = line["enrichments"]
        assert added == {"name": "src_endpoint.ip", "value": AWAY, "type": "location", "data": said}


def test_a_reader_sees_them(folder: Path, told: list[dict[str, Any]]) -> None:
    line = "Addresses: 203.0.113.66 (KP, AS64500 Example Net)"
    assert line in again(folder, "incidents").text


def test_the_page_has_them(folder: Path, told: list[dict[str, Any]]) -> None:
    env = {"LABRYS_CONFIG": str(folder / "labrys.toml")}
    asked = ("scan", "trail.json", "--lake", "placed.labrys", "-f", "html", "--out", "page.html")
    assert labrys(*asked, "--quiet", cwd=folder, env=env).code == 0
    assert f"{AWAY} (KP, AS64500 Example Net)" in (folder / "page.html").read_text()


def test_hunts_have_a_table_of_them(folder: Path, told: list[dict[str, Any]]) -> None:
    sql = "SELECT ip, country, asn, as_name FROM places ORDER BY ip"
    assert again(folder, "hunt", sql, "-f", "ndjson").lines == [
        {"ip": HOME, "country": "DE", "asn": None, "as_name": None},
        {"ip": AWAY, "country": "KP", "asn": 64500, "as_name": "Example Net"},
    ]
    joined = (
        "SELECT p.country, count(*) AS n FROM api_activity a JOIN places p ON a.src_endpoint_ip = p.ip "
        "GROUP BY 1 ORDER BY 1"
    )
    made = again(folder, "hunt", joined, "-f", "ndjson").lines
    assert [row["n"] for row in made] == [1800, 2]


def test_a_hunt_without_tables_says_there_is_no_such_view(folder: Path, told: Any) -> None:
    done = here("hunt", "SELECT * FROM places", "--lake", "placed.labrys", cwd=folder)
    assert done.code == 2
    assert "no view 'places'" in done.err


@pytest.mark.parametrize(
    "arguments", [("scan", "trail.json"), ("incidents",), ("hunt", "SELECT 1"), ("watch", ".")]
)
def test_a_bad_table_is_bad_usage_before_anything_is_done(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    env = {"LABRYS_CONFIG": str(folder / "broken.toml")}
    done = here(*arguments, "--lake", "bad.labrys", cwd=folder, env=env)
    assert done.code == 2
    assert "trail.json is no MaxMind DB file" in done.err
    assert not (folder / "bad.labrys").exists()
