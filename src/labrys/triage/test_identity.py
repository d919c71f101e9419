import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.ocsf.schema import ENTITY_TYPES
from labrys.triage.identity import cut, identify, is_long_lived, is_system_file


def keys(*pairs: tuple[str, str]) -> list[str]:
    return [
        each.key for each in identify([kind for kind, _ in pairs], [value for _, value in pairs])
    ]


def test_spellings_of_a_user() -> None:
    same = keys(("user", "CORP\\Bob"), ("user", "bob@corp.example"), ("user", "bob"))
    assert same == ["bob@corp"] * 3


def test_a_bare_name_stays_itself_when_two_domains_have_it() -> None:
    made = keys(("user", "east\\bob"), ("user", "west\\bob"), ("user", "bob"))
    assert made == ["bob@east", "bob@west", "bob"]


def test_a_local_account_is_not_the_domains() -> None:
    made = keys(("host", "ws01"), ("user", "WS01\\bob"), ("user", "CORP\\bob"))
    assert made == ["ws01", "bob@host:ws01", "bob@corp"]


def test_spellings_of_a_host() -> None:
    assert (
        keys(("host", "WS01"), ("host", "ws01.corp.example."), ("host", "\\\\WS01")) == ["ws01"] * 3
    )
    assert keys(("host", "198.51.100.4"), ("ip", "::ffff:198.51.100.4")) == ["198.51.100.4"] * 2


@pytest.mark.parametrize("value", ["localhost", "-", "", "127.0.0.1"])
def test_hosts_that_are_none(value: str) -> None:
    (made,) = identify(["host"], [value])
    assert not (made.alone and made.key)


def test_a_short_logon_id_needs_its_host() -> None:
    bare, hosted, system = identify(["session"] * 3, ["0x1a2b", "ws01|0x1a2b", "ws01|0x3e7"])
    assert not bare.alone
    assert bare.part
    assert hosted.alone
    assert not system.key


def test_processes_need_a_host_and_a_name() -> None:
    made = identify(
        ["process"] * 4, ["|{aa}", "ws01|{00-00}", "ws01|4|System", "WS01.x.example|{AA}"]
    )
    assert [each.key for each in made] == ["", "", "", "ws01|{aa}"]


def test_long_values_are_cut_but_stay_apart() -> None:
    left, right = identify(
        ["url"] * 2, ["http://x.example/" + "a" * 5000, "http://x.example/" + "a" * 5001]
    )
    assert left.key != right.key
    assert len(left.key) < 200
    assert len(left.shown) <= 160


def test_system_places() -> None:
    assert is_system_file("c:\\windows\\system32\\cmd.exe")
    assert not is_system_file("c:\\windows\\temp\\cmd.exe")
    assert is_long_lived("C:\\Windows\\Explorer.EXE")
    assert not is_long_lived("evil.exe")


@given(st.text(), st.integers(8, 60))
def test_cut_is_never_longer(text: str, length: int) -> None:
    assert len(cut(text, length)) <= length


@given(st.lists(st.tuples(st.sampled_from(ENTITY_TYPES), st.text(max_size=40)), max_size=20))
def test_any_text_can_be_identified(pairs: list[tuple[str, str]]) -> None:
    kinds, values = [kind for kind, _ in pairs], [value for _, value in pairs]
    made = identify(kinds, values)
    assert len(made) == len(pairs)
    assert made == identify(kinds, values)
    assert [each.key for each in made] == [
        each.key for each in identify(kinds[::-1], values[::-1])
    ][::-1]
