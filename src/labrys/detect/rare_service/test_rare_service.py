from typing import Any

from labrys.detect.rarity.testing import at, find

COLUMNS = {
    "activity_id": "int64",
    "device_hostname": "string",
    "actor_user_name": "string",
    "win_service_name": "string",
    "win_service_cmd_line": "string",
}
CREATED, STARTED = 1, 3


def service(when: int, activity: int, name: str, line: str | None = None) -> dict[str, Any]:
    return {
        "_time": when,
        "device_hostname": "pc1",
        "activity_id": activity,
        "win_service_name": name,
        "win_service_cmd_line": line,
    }


def days() -> list[dict[str, Any]]:
    return [
        service(at(day, 1 + number), STARTED, "Print Spooler")
        for day in range(9)
        for number in range(20)
    ]


def test_a_service_on_a_host_that_installs_none_is_told() -> None:
    [found] = find("rare_service", [*days(), service(at(9), CREATED, "xyz", "C:\\x.exe")], COLUMNS)
    assert found["reasons"][0]["value"] == "xyz"
    assert ("service", "xyz", "object") in {
        (e["type"], e["value"], e["role"]) for e in found["entities"]
    }


def test_a_service_that_only_starts_for_the_first_time_is_not() -> None:
    assert find("rare_service", [*days(), service(at(9), STARTED, "xyz")], COLUMNS) == []


def test_a_driver_that_comes_again_under_a_random_name_is_not() -> None:
    path = "C:\\ProgramData\\Defender\\{{{n:08x}-0000-4000-8000-{n:012x}}}\\MpKslDrv.sys"
    drivers = [
        service(at(day), CREATED, f"MpKsl{day:08x}", path.format(n=0xABCDEF01 + day))
        for day in range(10)
    ]
    assert find("rare_service", [*days(), *drivers], COLUMNS) == []
