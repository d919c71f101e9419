"""URLs taken apart and judged: what convinces a reader counts, how a list writes its links does not."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.contract import RowDetector
from labrys.detect.registry import detectors
from labrys.detect.url.brands import as_read, imitated, known, misspellings, misspells, owned, words
from labrys.detect.url.detect import detect
from labrys.detect.url.features import FEATURES, NAMES, USED, judged, numbers
from labrys.detect.url.parts import parts
from labrys.detect.url.score import NOTHING, model, scores
from labrys.detect.url.threat import COST, MUTATIONS
from labrys.detect.url.train_made import in_mail, made_up, ordinary
from labrys.detect.url.unwrap import unwrapped
from labrys.model.card import packed
from labrys.model.feature import used
from labrys.ocsf.schema import FINDING, Severity

PHISHING = [
    "https://paypal.com.account-verify.qzkwx.top/login",
    "https://rnetamask-wallet-login-x7f.webflow.io/",
    "http://secure-amazon-billing.duckdns.org/signin.php?id=8f7a6b5c4d3e2f1a",
    "https://www.smbc-card.com.xqzpw.cn/mem/index",
]
ORDINARY = [
    "https://docs.python.org/3/library/re.html",
    "https://github.com/example/project/commit/0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
    "https://www.example.org/about/people.html",
    "https://lists.debian.org/debian-user/2021/05/msg00123.html",
    "http://192.168.0.1/setup",
    "https://www.paypal.com/signin",
]


def frame(*urls: str | None, column: str = "href", **more: Any) -> pa.Table:
    count = len(urls)
    made = {
        "_id": [f"r{n}" for n in range(count)],
        "_time": pa.array([1000 * n for n in range(count)], pa.int64()),
        "_source": ["mail.eml"] * count,
        "_offset": pa.array(range(count), pa.int64()),
        "_host": pa.array([None] * count, pa.string()),
        column: pa.array(urls, pa.string()),
        **{name: pa.array(values, pa.string()) for name, values in more.items()},
    }
    return pa.table(made)


def test_parts_are_those_of_a_browser() -> None:
    read = parts(
        pa.array(
            [
                "HTTPS://User:x@WWW.Example.CO.UK:8443/A/b?c=D#e",
                "//cdn.example.com",
                "http:\\\\a.example.net\\x",
            ]
        )
    )
    assert [read.hosts.name[at].as_py() for at in read.host] == [
        "www.example.co.uk",
        "cdn.example.com",
        "a.example.net",
    ]
    assert [read.hosts.domain[at].as_py() for at in read.host] == [
        "example.co.uk",
        "example.com",
        "example.net",
    ]
    assert read.path.to_pylist() == ["/A/b", "", "/x"]
    assert (read.query[0].as_py(), read.fragment[0].as_py()) == ("?c=D", "#e")
    assert (read.port.tolist(), read.user.tolist()) == ([True, False, False], [True, False, False])


@pytest.mark.parametrize(
    "nothing",
    [
        *("", "#top", "/path", "mailto:a@example.org", "javascript:alert(1)", "tel:+4989", "cid:x", "foo"),
        *("http://localhost/x", "http://10.1.2.3/x", "http://printer.local", "http://a_b.sv/", "data:text/html,x"),
        *("https://www.microsoft.com.", "https://eur01.safelinks.protection.outlook.com/?x=1", "http:///", None),
    ],
)  # fmt: skip
def test_what_says_nothing_gets_nothing(nothing: str | None) -> None:
    assert scores(pa.array([nothing], pa.string())).tolist() == [NOTHING]


def test_phishing_is_above_ordinary_links() -> None:
    held = model()
    bad, good = scores(pa.array(PHISHING)), scores(pa.array(ORDINARY))
    assert (bad > held.limits["unsure"]).all()
    assert (good < held.limits["unsure"]).all()
    limits = [held.limits[name] for name in ("unsure", "slight", "low", "sure")]
    assert limits == sorted(limits)


def test_how_a_list_writes_its_links_does_not_count() -> None:
    for url in (*PHISHING, *ORDINARY):
        plain = scores(
            pa.array(
                [
                    url,
                    url.replace("https://", "http://"),
                    url.rstrip("/") + "/",
                    url.upper()[:8] + url[8:],
                ]
            )
        )
        assert np.allclose(plain, plain[0], atol=1e-9) or url.startswith("http://192")


def test_a_redirector_is_judged_by_where_it_leads() -> None:
    for url in PHISHING:
        wrapped = f"https://click.example.com/go?url={url.replace(':', '%3A').replace('/', '%2F').replace('?', '%3F').replace('=', '%3D').replace('&', '%26')}"
        assert unwrapped(pa.array([wrapped]))[0].as_py() == url
        assert scores(pa.array([wrapped]))[0] == pytest.approx(scores(pa.array([url]))[0])
    assert unwrapped(pa.array([None, "x"], pa.string())).to_pylist() == [None, "x"]


@pytest.mark.parametrize(
    "hung_on",
    [
        "#https://www.garden.org/",
        "?u=https%3A%2F%2Fwww.garden.org%2F",
        "?url=https://www.garden.org/&garden=tea",
        "?garden=tea&coffee=house#music",
    ],
)
def test_what_is_hung_on_a_link_hides_it_from_nobody(hung_on: str) -> None:
    for url in (PHISHING[0], PHISHING[1], PHISHING[3]):
        before, after = scores(pa.array([url, url + hung_on]))
        assert after >= before
        (worst,) = model().worst([url + hung_on])
        assert worst.startswith(url.rstrip("/"))


def test_a_users_name_however_long_does_not_hide_the_host() -> None:
    bare = PHISHING[0].removeprefix("https://")
    made = [f"https://{user}@{bare}" for user in ("www.garden.org", "a@b", "x" * 9000)]
    read = parts(pa.array(made))
    assert set(read.hosts.domain.to_pylist()) == {"qzkwx.top"}
    assert read.user.all()
    assert (scores(pa.array(made)) >= scores(pa.array([PHISHING[0]]))).all()


def test_letters_are_read_as_they_are_however_they_are_encoded() -> None:
    read = parts(pa.array(["https://a.org/%69ndex.%68tml?%74o=%2f%41", "https://a.org/index.html"]))
    assert read.path.to_pylist() == ["/index.html", "/index.html"]
    assert read.query.to_pylist() == ["?to=%2fA", ""]


def test_brands_and_their_misspellings() -> None:
    held = known()
    read = as_read(pa.array(["secure-rnicrosoft", "paypa1", "garden", "facebok-help", "faceboook"]))
    assert held.anywhere.count(read).tolist() == [1, 1, 0, 0, 0]
    assert (held.misspelt.count(read)[2:] > 0).tolist() == [False, True, True]
    assert held.whole.count(words(pa.array(["my-dhl.parcel", "dhlx", "adhl", "ups"]))).tolist() == [
        1,
        0,
        0,
        1,
    ]
    mine = owned(
        pa.array(["paypal.com", "paypal.co.uk", "paypal.top", "paypal.github.io", "smbc-card.com"]),
        pa.array(["paypal", "paypal", "paypal", "paypal", "smbc-card"]),
        pa.array(["com", "co.uk", "top", "github.io", "com"]),
    )
    assert mine.tolist() == [True, True, False, False, True]
    assert imitated("login-paypal.example.top") == ["paypal"]
    assert imitated("garden.example.org") == []
    assert "paypal" not in misspellings("paypal")


@given(st.text("abz9-", min_size=5, max_size=9), st.text("abz9-", min_size=4, max_size=10))
def test_a_misspelling_is_known_without_making_all(name: str, part: str) -> None:
    near = misspellings(name)
    assert misspells(part, name) == (part in near)
    assert all(misspells(each, name) for each in near)


def test_links_say_alone_what_they_say_among_others() -> None:
    held = model()
    links = [*PHISHING, "https://www.example.org/?u=https%3A%2F%2Fqzkwx.top%2F"]
    together = held.worst(links)
    assert together == [one for link in links for one in held.worst([link])]
    assert held.reasons(together) == [one for link in together for one in held.reasons([link])]


def test_what_is_free_is_not_used_and_what_is_added_only_raises() -> None:
    chosen = tuple(each for each, use in zip(FEATURES, USED, strict=True) if use)
    assert chosen == used(FEATURES)
    assert "path_length" not in {each.name for each in chosen}
    draw = np.random.default_rng(1)
    for url in PHISHING:
        before = scores(pa.array([url]))[0]
        front = MUTATIONS["words in front"](url, draw)
        assert (
            scores(pa.array([front]))[0] > model().limits["unsure"]
            or before < model().limits["low"]
        )


def test_changes_have_a_cost_and_are_still_links() -> None:
    draw = np.random.default_rng(3)
    assert set(MUTATIONS) == set(COST)
    for name, change in MUTATIONS.items():
        for url in PHISHING:
            made = change(url, draw)
            assert judged(parts(pa.array([made]))).tolist() == [True], (name, made)


def test_what_is_made_up_is_links_and_the_same_again() -> None:
    sites = ["garden-tools.example", "river.example.org", "stone.example.net"]
    for made in (
        made_up(7, known().brands, sites, 300),
        ordinary(7, ["garden", "river"], 100),
        in_mail(7, sites, 100),
    ):
        assert made
        assert len(set(made)) == len(made)
        assert parts(pa.array(made)).web.all()
    assert made_up(7, known().brands, sites, 50) == made_up(7, known().brands, sites, 50)
    assert not set(made_up(7, known().brands, sites, 200)) & set(
        made_up(8, known().brands, sites, 200)
    )


def test_the_same_links_train_the_same_model() -> None:
    train = pytest.importorskip("labrys.detect.url.train", reason="needs lightgbm")
    sites = [f"{one}{two}.org" for one in ("river", "stone", "cloud") for two in range(40)]
    bad, good = made_up(7, known().brands, sites, 400), in_mail(7, sites, 400)
    links = train.Links(
        np.array([*bad, *good], object),
        np.arange(len(bad) + len(good)) < len(bad),
        np.array(["made"] * (len(bad) + len(good)), object),
        np.ones(len(bad) + len(good)),
    )
    first, again = (train.fit(links) for _ in range(2))
    assert first.trees.model_to_string() == again.trees.model_to_string()
    assert packed(first.tables) == packed(again.tables)
    assert (first.told == again.told).all()


def test_findings_say_which_link_and_why() -> None:
    table = frame(PHISHING[0], ORDINARY[0], PHISHING[0], None)
    found = detect("mail.link", table)
    assert found.schema == FINDING
    rows = found.to_pylist()
    assert [row["uid"] for row in rows] == ["url:r0", "url:r2"]
    assert all(row["severity_id"] <= Severity.MEDIUM for row in rows)
    assert "paypal" in rows[0]["title"]
    assert rows[0]["reasons"][0]["value"] == PHISHING[0]
    assert len(rows[0]["reasons"]) > 2


def test_where_a_link_leads_counts_more_than_how_it_stands() -> None:
    table = frame(
        "https://click.example.com/abc", "https://click.example.com/abd", target=[PHISHING[0], None]
    )
    assert [row["uid"] for row in detect("mail.link", table).to_pylist()] == ["url:r0"]


def test_a_link_is_judged_although_its_reader_says_that_it_leads_elsewhere() -> None:
    decoy = PHISHING[1] + "#https://www.garden.org/"
    rows = detect("mail.link", frame(decoy, target=["https://www.garden.org/"])).to_pylist()
    assert [row["reasons"][0]["value"] for row in rows] == [decoy]


def test_other_shapes_and_tables_without_links_give_nothing() -> None:
    assert detect("mail.message", frame(PHISHING[0])).num_rows == 0
    assert detect("mail.link", frame(PHISHING[0], column="text")).num_rows == 0
    assert detect("mail.link", frame()).num_rows == 0


HOSTILE = st.one_of(
    st.none(),
    st.text(max_size=120),
    st.builds(
        lambda host, path: f"http://{host}/{path}", st.text(max_size=40), st.text(max_size=60)
    ),
    st.sampled_from(
        [
            *(
                "http://" + "a." * 2000 + "com",
                "https://[::1]/",
                "http://%00/",
                "http://xn--/",
                "hxxp://a.b/" * 300,
            ),
            *(
                "http://a/?u=http://b/?u=http://c.com/?u=" * 50,
                "http://1.2.3.4.5/",
                "https://münchen。de/\ud7ff",
            ),
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(HOSTILE, max_size=8))
def test_any_text_gets_a_number_and_the_same_alone(urls: list[str | None]) -> None:
    together = scores(pa.array(urls, pa.string()))
    assert together.shape == (len(urls),)
    assert np.isfinite(together).all()
    for at, url in enumerate(urls):
        assert scores(pa.array([url], pa.string()))[0] == pytest.approx(together[at])
    assert np.isfinite(numbers(parts(pa.array(urls, pa.string())), model().tables)).all()
    detect("mail.link", frame(*urls))


def test_a_batch_of_long_links_takes_bounded_time() -> None:
    long = pa.array(
        [f"http://{'a-' * 900}{n}.example.com/{'%25' * 500}?{'x=1&' * 900}" for n in range(300)]
    )
    begun = time.process_time()
    scores(long)
    assert time.process_time() - begun < 10


def test_what_the_card_says_is_what_the_model_is() -> None:
    card = json.loads((Path(__file__).parent / "model" / "card.json").read_text("utf-8"))
    assert list(card["features"]) == sorted(NAMES)
    assert sum(file["bytes"] for file in card["files"].values()) < 2 << 20
    assert all(one["licence"] for file in card["data"]["files"] for one in file["source"])
    assert not any(name.startswith("openphish") for name in card["data"]["urls"])


def test_the_registry_knows_it_and_it_keeps_the_contract() -> None:
    [detector] = [one for one in detectors() if one.id == "url"]
    assert detector.kind == "row"
    kept: RowDetector = detector
    assert kept.detect("mail.link", frame(PHISHING[0])).num_rows == 1
