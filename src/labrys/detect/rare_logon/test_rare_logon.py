from typing import Any

import pytest

from labrys.detect.rarity.testing import at, find

COLUMNS = {
    "activity_id": "int64",
    "status_id": "int64",
    "logon_type_id": "int64",
    "user_name": "string",
    "src_endpoint_ip": "string",
    "src_endpoint_hostname": "string",
    "device_hostname": "string",
    "http_request_user_agent": "string",
    "src_endpoint_location_country": "string",
}


def logon(when: int, user: str, ip: str, host: str | None = "files", **more: Any) -> dict[str, Any]:
    return {
        "_time": when,
        "device_hostname": host,
        "activity_id": 1,
        "status_id": 1,
        "logon_type_id": 3,
        "user_name": user,
        "src_endpoint_ip": ip,
        **more,
    }


def days() -> list[dict[str, Any]]:
    return [
        logon(at(day, 8 + number / 10), f"user{number % 4}", f"10.0.0.{number % 4}")
        for day in range(8)
        for number in range(80)
    ]


def cloud(when: int, country: str, agent: str = "Chrome/124.0") -> dict[str, Any]:
    more = {"http_request_user_agent": agent, "src_endpoint_location_country": country}
    return logon(when, "ann@corp.example", "203.0.113.5", None, logon_type_id=None, **more)


def signins() -> list[dict[str, Any]]:
    return [cloud(at(day, 8 + n), "CH", f"Chrome/{day}.{n}") for day in range(20) for n in range(9)]


def test_a_user_from_a_strange_source_is_told() -> None:
    [found] = find("rare_logon", [*days(), logon(at(8), "user1", "10.0.0.99")], COLUMNS)
    assert found["rule_uid"] == "rare_logon"
    assert {(e["type"], e["value"], e["role"]) for e in found["entities"]} == {
        ("user", "user1", "target"),
        ("host", "files", "destination"),
        ("ip", "10.0.0.99", "source"),
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"status_id": 2},
        {"activity_id": 2},
        {"logon_type_id": 5},
        {"user_name": "PC-7$"},
        {"user_name": "DWM-3"},
    ],
)
def test_failures_and_what_windows_does_itself_are_not(changed: dict[str, Any]) -> None:
    strange = {**logon(at(8), "user1", "10.0.0.99"), **changed}
    assert find("rare_logon", [*days(), strange], COLUMNS) == []


def test_a_strange_country_is_told_and_a_new_version_of_a_browser_is_not() -> None:
    [found] = find("rare_logon", [*signins(), cloud(at(20), "KP", "Chrome/999.1")], COLUMNS)
    assert found["reasons"][0]["value"] == "ann@corp.example from KP"


def test_a_strange_program_is_told() -> None:
    [found] = find("rare_logon", [*signins(), cloud(at(20), "CH", "python-requests/2.31")], COLUMNS)
    assert found["reasons"][0]["value"] == "ann@corp.example with python-requests/2.31"
