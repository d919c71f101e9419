"""The duel's attacker at the gate's HTTP check is noticed; made-up mailboxes are not."""

from dataclasses import replace

import numpy as np
import pytest

from labrys.detect.mail.train_made import made
from labrys.detect.registry import RowFolder, detectors
from labrys.duel import targets
from labrys.duel.evasion.search import SEARCHES, Rules
from labrys.gate.judge import Judge
from labrys.gate.probing import Probing


@pytest.fixture(scope="module")
def judge():
    return Judge(
        [each for each in detectors() if isinstance(each, RowFolder) and "mail" in each.emits]
    )


@pytest.fixture(scope="module")
def attacked():
    return targets.target("mail", attacks=2, seed=4)


@pytest.mark.parametrize("search", ["chance", "steps"])
def test_an_attacker_who_tries_changes_raises_the_alarm(search, judge, attacked):
    held = Probing()

    def score(messages):
        for each in judge.judge(messages):
            held.asked("192.0.2.7", each)
        # Never let through, so that he goes on asking: what he wins early is no question of alarms.
        return np.maximum(attacked.score(messages), attacked.threshold)

    target = replace(attacked, score=score)
    SEARCHES[search](target, attacked.seeds[0], Rules(budget=60), np.random.default_rng(1))
    assert [each.what for each in held.alarms] == ["near copies"]


def test_ordinary_mailboxes_raise_none(judge):
    """Templates eight times each, many near copies among them; one in twenty messages is bad."""
    held = Probing()
    samples = list(made("test", each=8, seed=11))
    good = [each.raw for each in samples if not each.bad]
    bad = [each.raw for each in samples if each.bad][:: 8 * 4]
    mixed = [*good, *bad]
    order = np.random.default_rng(1).permutation(len(mixed))
    for each in judge.judge([mixed[at] for at in order]):
        held.asked("192.0.2.8", each)
    assert len(bad) > 5
    assert not held.alarms
