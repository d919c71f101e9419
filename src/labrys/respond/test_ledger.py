import pytest

from labrys.errors import LabrysError
from labrys.respond import ledger as module
from labrys.respond.ledger import FILE, Block, kept, lately, opened, span


@pytest.fixture
def clock(monkeypatch):
    at = [1_000_000]
    monkeypatch.setattr(module, "now", lambda: at[0])
    return at


def block(value="203.0.113.9", since=1_000_000, until=2_000_000, findings=("f",)):
    return Block("ip", value, since, until, "me", "because", findings)


def test_nothing_is_made_where_nobody_blocks(tmp_path):
    assert kept(tmp_path) == ()
    assert not (tmp_path / FILE).exists()


def test_blocking_twice_is_blocking_once_and_longer(tmp_path, clock):
    with opened(tmp_path) as ledger:
        assert ledger.add([block()]) == ([block()], [])
        assert ledger.add([block()]) == ([], [block()])
        _, (held,) = ledger.add([block(since=5, until=3_000_000, findings=("g",))])
        assert (held.since, held.until, held.findings) == (1_000_000, 3_000_000, ("f", "g"))
        ledger.add([block(until=1_500_000)])
    assert kept(tmp_path) == (held,)


def test_an_end_is_written_down_and_blocking_again_is_a_new_block(tmp_path, clock):
    with opened(tmp_path) as ledger:
        ledger.add([block()])
        clock[0] += 10
        (ended,) = ledger.end(ledger.all(), "you", "a mistake")
        assert (ended.ended, ended.ended_by, ended.state(clock[0])) == (1_000_010, "you", "undone")
        assert ledger.end(ledger.all(), "you", "") == []
        clock[0] += 10
        fresh, _ = ledger.add([block(since=clock[0])])
        assert len(fresh) == 1
        assert [each.state(clock[0]) for each in ledger.all()] == ["undone", "active"]


def test_time_ends_blocks_also_when_nobody_writes_it_down(tmp_path, clock):
    with opened(tmp_path) as ledger:
        ledger.add([block()])
        assert ledger.expire() == []
        clock[0] = 2_000_000
        (have,) = ledger.all()
        assert (have.active(clock[0]), have.state(clock[0])) == (False, "expired")
        (ended,) = ledger.expire()
        assert ended.state(clock[0]) == "expired"
        assert ledger.expire() == []


def test_a_renamed_case_keeps_its_blocks(tmp_path, clock):
    (tmp_path / "a").mkdir()
    with opened(tmp_path / "a") as ledger:
        ledger.add([block()])
    (tmp_path / "a").rename(tmp_path / "b")
    assert len(kept(tmp_path / "b")) == 1


def test_a_database_of_the_team_keeps_cases_apart(tmp_path, clock):
    url = f"sqlite:///{tmp_path / 'team.sqlite'}"
    for name in ("a", "b"):
        with opened(tmp_path / name, url) as ledger:
            ledger.add([block()])
    assert len(kept(tmp_path / "a", url)) == 1


def test_an_address_that_is_none_is_told(tmp_path):
    with pytest.raises(LabrysError, match="ledger of blocks"):
        kept(tmp_path, "nonsense")


def test_how_many_lately():
    assert lately([block(since=since) for since in (1, 40_001, 100_000)], 100_000) == 2


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("30s", 30_000), ("90m", 5_400_000), ("24h", 86_400_000), ("7d", 604_800_000)],
)
def test_spans(text, milliseconds):
    assert span(text) == milliseconds


@pytest.mark.parametrize("text", ["", "h", "24", "-1h", "1.5h", "0h", "24 h", "9" * 30 + "d", "²h"])
def test_what_is_no_span(text):
    with pytest.raises(LabrysError, match="time span"):
        span(text)
