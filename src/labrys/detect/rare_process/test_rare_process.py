from typing import Any

from labrys.detect.rarity.testing import at, find

COLUMNS = {
    "activity_id": "int64",
    "process_file_path": "string",
    "process_parent_process_file_path": "string",
    "process_uid": "string",
}


def start(when: int, child: str | None, parent: str | None, **more: Any) -> dict[str, Any]:
    return {
        "_time": when,
        "_host": "WEB1",
        "activity_id": 1,
        "process_file_path": child,
        "process_parent_process_file_path": parent,
        **more,
    }


def days() -> list[dict[str, Any]]:
    return [
        start(at(day, 6 + number / 40), "/usr/bin/run-parts", "/usr/sbin/cron")
        for day in range(6)
        for number in range(300)
    ]


def test_a_shell_below_a_web_server_is_told_with_its_process() -> None:
    shell = start(at(6), "/usr/bin/sh", "/usr/sbin/nginx", process_uid="{AB-1}")
    [found] = find("rare_process", [*days(), shell], COLUMNS)
    assert {(e["type"], e["value"], e["role"]) for e in found["entities"]} == {
        ("host", "web1", "device"),
        ("process", "web1|{ab-1}", "object"),
        ("file", "/usr/bin/sh", "actor"),
        ("file", "/usr/sbin/nginx", "parent"),
    }
    assert found["reasons"][0]["value"] == "sh, started by nginx"


def test_the_same_program_below_its_usual_parent_is_not() -> None:
    again = start(at(6), "/usr/bin/run-parts", "/usr/sbin/cron")
    assert find("rare_process", [*days(), again], COLUMNS) == []


def test_ends_of_processes_and_nameless_ones_are_not_starts() -> None:
    ended = start(at(6), "/usr/bin/sh", "/usr/sbin/nginx", activity_id=2)
    nameless = start(at(6), None, "/usr/sbin/nginx")
    assert find("rare_process", [*days(), ended, nameless], COLUMNS) == []


def test_a_host_without_known_parents_is_judged_by_programs() -> None:
    plain = [start(row["_time"], row["process_file_path"], None) for row in days()]
    [found] = find("rare_process", [*plain, start(at(6), "/tmp/x", None)], COLUMNS)
    assert found["reasons"][0]["value"] == "x"
