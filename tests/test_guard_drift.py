"""`labrys guard drift`, cards on a page, and duels of every kind, as a user runs them."""

import json
import mailbox

import pytest
from tests.command import labrys as command

from labrys.detect.mail.train_made import made


def labrys(*arguments, cwd):
    """As a user whose data folder is his own."""
    return command(*arguments, cwd=cwd, env={"XDG_DATA_HOME": str(cwd / "home")})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A case of two mailboxes, one of good messages and one of bad ones, of the same templates."""
    folder = tmp_path_factory.mktemp("drift")
    (folder / "evidence").mkdir()
    for name, bad in (("good", False), ("bad", True)):
        box = mailbox.mbox(folder / "evidence" / f"{name}.mbox")
        for each in made("test", 8, 3):
            if each.bad == bad:
                box.add(each.raw)
        box.close()
    done = labrys("scan", "evidence", "--quiet", cwd=folder)
    assert done.code in (0, 1), done.err
    return folder


def test_what_is_unlike_the_reference_is_an_alarm_until_it_is_what_is_usual_here(place):
    told = labrys("guard", "drift", "mail", "--json", cwd=place)
    assert told.code == 1
    held = json.loads(told.text)
    by_source = {each["source"].rpartition("/")[2]: each for each in held["sources"]}
    assert set(by_source) == {"good.mbox", "bad.mbox"}
    assert by_source["bad.mbox"]["alarm"]
    assert by_source["bad.mbox"]["numbers"][0]["name"] == "score"
    table = labrys("guard", "drift", "mail", cwd=place)
    assert "ALARM: it drifted" in table.text
    assert "█" in table.text
    kept = labrys("guard", "drift", "mail", "--keep", cwd=place)
    assert kept.code == 0, kept.err
    assert "usual here" in kept.text
    after = json.loads(labrys("guard", "drift", "mail", "--json", cwd=place).text)
    worst = {each["source"]: each["numbers"][0]["psi"] for each in after["sources"]}
    before = {each["source"]: each["numbers"][0]["psi"] for each in held["sources"]}
    assert all(worst[source] < before[source] for source in worst)


def test_nothing_to_look_at_is_no_alarm_and_no_model_is_said(place):
    done = labrys("guard", "drift", "evasion", cwd=place)
    assert done.code == 0
    assert "nothing of what it reads" in done.text
    assert labrys("guard", "drift", "beacon", cwd=place).code == 2
    assert labrys("guard", "drift", "../x", cwd=place).code == 2


def test_a_card_is_shown_as_json_and_as_a_page(place):
    assert json.loads(labrys("guard", "card", "url", cwd=place).text)["name"] == "url"
    done = labrys("guard", "card", "url", "--format", "html", "--out", "card.html", cwd=place)
    assert done.code == 0, done.err
    assert "What it was trained on" in (place / "card.html").read_text()


def test_a_duel_of_another_kind_and_what_cannot_be_played(place):
    done = labrys(
        "duel", "dga", "--attack", "extraction", "--budget", "20", "--format", "json", "--quiet",
        cwd=place,
    )  # fmt: skip
    assert done.code == 0, done.err
    (one,) = json.loads(done.text)
    assert one["attack"] == "extraction"
    assert one["meaning"]["AML.T0024.002"]
    none = labrys("duel", "mail", "-a", "inference", "--quiet", cwd=place)
    assert none.code == 2
    assert "training cannot be repeated" in none.err
    assert labrys("duel", "dga", "-a", "charm", cwd=place).code == 2
