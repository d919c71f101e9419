"""Who asks as an attacker would is told of, once; ordinary mail is not; memory stays bounded."""

import numpy as np
import pytest

from labrys.gate import probing
from labrys.gate.judge import Judgement
from labrys.gate.probing import Probing, client_of
from labrys.gate.sketch import sketch

TEXT = "please pay the invoice that we sent you last week to the new account of our bank today"


def judged(text, severity=0, confidence=0):
    return Judgement(
        text[:64] + str(len(text)) + str(hash(text)), severity, confidence, runs=sketch(text)
    )


def variants(count):
    draw = np.random.default_rng(1)
    words = TEXT.split()
    for number in range(count):
        made = list(words)
        made[int(draw.integers(len(made)))] = f"w{number}"
        yield " ".join(made)


def test_near_copies_that_walk_towards_the_threshold_are_told_once():
    told = []
    held = Probing(told=told.append)
    for number, text in enumerate(variants(40)):
        held.asked("10.0.0.1", judged(text, 3 if number < 30 else 0, 90 - number))
    assert [each.what for each in told] == ["near copies"]
    assert told[0].client == "10.0.0.1"
    assert "AML.T0043.001" in told[0].plain()["techniques"]
    assert list(held.alarms) == told


@pytest.mark.parametrize("grade", [(0, 0), (3, 80)])
def test_many_copies_that_are_all_judged_alike_are_a_mailing(grade):
    held = Probing()
    for text in variants(200):
        held.asked("a", judged(text, *grade))
    assert not held.alarms


def test_the_same_message_again_and_again_is_one():
    held = Probing()
    for number in range(100):
        held.asked("a", Judgement("d", 3, number % 9, runs=sketch(TEXT)))
    assert not held.alarms


def test_a_budget_is_for_each_client_and_for_an_hour():
    now = [0.0]
    held = Probing(budget=3, clock=lambda: now[0])
    assert [held.may_ask("a") for _ in range(5)] == [True, True, True, False, False]
    assert held.may_ask("b")
    now[0] += probing.HOUR + 1
    assert held.may_ask("a")
    assert all(Probing().may_ask("a") for _ in range(10_000))


def test_far_more_questions_than_mail_are_told_but_not_where_there_is_no_mail():
    for messages, alarms in ((60, 1), (0, 0), (400, 0)):
        held = Probing()
        for _ in range(messages):
            held.mail()
        for _ in range(700):
            held.may_ask("a")
            held.asked("a", None)
        assert len(held.alarms) == alarms


def test_memory_is_bounded_whatever_comes():
    held = Probing()
    draw = np.random.default_rng(1)
    for number in range(600):
        text = " ".join("".join(draw.choice(list("abcdefghij"), 6)) for _ in range(20))
        held.may_ask(f"client {number}")
        held.asked(f"client {number}", judged(text))
        held.asked("one", judged(text, 3, number % 100))
    assert len(held._clients) <= probing._CLIENTS
    assert len(held._clients["one"].families) <= probing._FAMILIES


def test_clients_are_addresses_networks_or_what_a_proxy_says():
    assert client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("2001:db8:0:1::5") == client_of("2001:db8:0:1::6") == "2001:db8:0:1::/64"
    assert client_of("127.0.0.1", "203.0.113.9, 198.51.100.7") == "198.51.100.7"
    assert client_of("") == "here"
    assert len(client_of("x" * 1000)) <= 64


def test_a_sketch_is_the_same_for_the_same_text_and_small():
    assert sketch(TEXT) == sketch(TEXT.upper())
    assert len(sketch(TEXT * 1000)) <= 256
    assert sketch("hi") == ()
