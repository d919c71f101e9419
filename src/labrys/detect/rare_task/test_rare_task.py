from typing import Any

from labrys.detect.rarity.testing import at, find

COLUMNS = {
    "activity_id": "int64",
    "device_hostname": "string",
    "actor_user_name": "string",
    "job_name": "string",
    "job_cmd_line": "string",
}
CREATED, DELETED, STARTED = 1, 3, 6


def task(when: int, activity: int, name: str | None, line: str | None = None) -> dict[str, Any]:
    return {
        "_time": when,
        "device_hostname": "pc1",
        "activity_id": activity,
        "job_name": name,
        "job_cmd_line": line,
    }


def days() -> list[dict[str, Any]]:
    return [
        task(at(day, 1 + number), STARTED, f"\\Updater{number % 3}")
        for day in range(9)
        for number in range(20)
    ]


def test_a_task_that_a_host_never_had_is_told() -> None:
    [found] = find("rare_task", [*days(), task(at(9), CREATED, "\\xyz")], COLUMNS)
    assert found["reasons"][0]["value"] == "\\xyz"


def test_a_job_without_a_name_goes_by_its_command() -> None:
    [found] = find("rare_task", [*days(), task(at(9), STARTED, None, "/tmp/.x/run")], COLUMNS)
    assert found["reasons"][0]["value"] == "/tmp/.x/run"


def test_a_task_that_is_deleted_is_not() -> None:
    assert find("rare_task", [*days(), task(at(9), DELETED, "\\xyz")], COLUMNS) == []
