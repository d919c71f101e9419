from typing import Any

from labrys.detect.rarity.testing import at, find

COLUMNS = {
    "actor_user_name": "string",
    "actor_user_uid": "string",
    "cloud_account_uid": "string",
    "api_service_name": "string",
    "api_operation": "string",
    "src_endpoint_ip": "string",
    "src_endpoint_location_country": "string",
    "http_request_user_agent": "string",
    "device_hostname": "string",
}


def call(when: int, who: str, operation: str, agent: str = "terraform/1.8") -> dict[str, Any]:
    return {
        "_time": when,
        "actor_user_name": who,
        "cloud_account_uid": "111122223333",
        "api_service_name": "iam.example",
        "api_operation": operation,
        "src_endpoint_ip": "203.0.113.9",
        "http_request_user_agent": agent,
    }


def days() -> list[dict[str, Any]]:
    return [
        call(at(day, 7 + number / 20), f"robot{number % 3}", f"Describe{number % 9}")
        for day in range(6)
        for number in range(300)
    ]


def test_a_call_that_a_principal_never_made_is_told() -> None:
    [found] = find("rare_api", [*days(), call(at(6), "robot1", "CreateAccessKey")], COLUMNS)
    assert found["reasons"][0]["value"] == "robot1: iam.example:CreateAccessKey"
    assert ("user", "robot1", "actor") in {
        (e["type"], e["value"], e["role"]) for e in found["entities"]
    }


def test_a_call_that_others_make_every_day_is_not() -> None:
    others = [call(at(day), f"robot{n}", "CreateTags") for day in range(5) for n in (0, 2)]
    assert find("rare_api", [*days(), *others, call(at(6), "robot1", "CreateTags")], COLUMNS) == []


def test_a_strange_program_is_told_once() -> None:
    key = [call(at(6, 12 + n / 10), "robot1", "Describe1", "curl/8") for n in range(20)]
    [found] = find("rare_api", [*days(), *key], COLUMNS)
    assert found["reasons"][0]["value"] == "robot1 with curl/8"


def test_a_new_principal_is_not_judged_at_all() -> None:
    new = [call(at(6, 12 + n / 10), "mallory", f"Get{n}") for n in range(20)]
    assert find("rare_api", [*days(), *new], COLUMNS) == []
