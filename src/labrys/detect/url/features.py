"""A URL as numbers: how its host is called and where it lies, what its path and query ask for.

Nothing is looked up and no reputation is used. Whether a URL says `https`, and whether it has a path,
are no features: they tell lists of URLs apart, not links. What an attacker can do is said with each:
most of a URL is his to choose, so what is hard is hard only as long as the link is to convince its reader
(a brand's name beside a domain that is not the brand's), costs him nothing (free hosting) and works.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.dga.names import cut, letters, surprises
from labrys.detect.url.brands import as_read, known, words
from labrys.detect.url.parts import Hosts, Marks, Urls
from labrys.model.feature import Feature, Reach, used
from labrys.model.grams import Grams, grams
from labrys.model.regex import counted, matched, replaced

Floats = npt.NDArray[np.float64]
Tables = Mapping[str, npt.NDArray[Any]]

HOST_SIZES: Final = (2, 3, 4, 5)
PATH_SIZES: Final = (3, 4, 5)
BITS: Final = 17
_MOST_HOST: Final = 100
_MOST_PATH: Final = 300

_OLD: Final = r"^(com|net|org|edu|gov|mil|int|info|biz)$"
_PRIVATE: Final = r"^(?:10|127|192[.]168|172[.](?:1[6-9]|2[0-9]|3[01])|169[.]254)[.][0-9.]+$|[.](?:local|lan|internal)$"
_INNER_END: Final = r"(?:^|[.])(?:com|net|org|gov|edu|co|ne|or|go)(?:[.][a-z]{2})?(?:$|[.])|(?:-|[.])(?:com|co-jp|cojp)(?:-|$)"
_MAIL: Final = r"[A-Za-z0-9._+-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}[.][A-Za-z]{2}"
_PARTS_OF_SITE: Final = (
    r"/(?:wp-(?:content|includes|admin)|\.well-known|cgi-bin|uploads?|themes?|plugins?|modules|vendor|"
    r"components|templates?|css|js|images?|img|assets|tmp|cache|backup|old|xmlrpc)/.*[.](?:php|html?)"
    r"|/wp-(?:includes|admin|content/(?:plugins|themes))/"
)
_COUNTRY: Final = r"^[a-z]{2}$|\.[a-z]{2}$"

_Row = tuple[str, str, Reach, Literal[-1, 0, 1]]

_HOST: Final[tuple[_Row, ...]] = (
    ("host_odds", "weights of the letter runs of the registered domain", "hard", 1),
    ("before_odds", "weights above zero of the letter runs before it", "add_only", 1),
    ("host_length", "letters of the host", "free", 0),
    ("before", "letters before the registered domain", "add_only", 1),
    ("depth", "labels before the registered domain, without www", "add_only", 1),
    ("label", "letters of the registered label", "hard", 0),
    ("surprise", "mean surprise of the registered label's letters", "hard", 0),
    ("surprise_before", "mean surprise of the letters before it", "free", 0),
    ("hyphens", "hyphens in the host", "add_only", 1),
    ("digits", "digits in the host", "add_only", 1),
    ("vowels", "share of vowels in the registered label", "hard", 0),
    ("old", "under com, net, org, edu, gov and the like", "hard", 0),
    ("country", "under a country's code", "hard", 0),
    ("suffix", "labels of the public suffix", "hard", 0),
    ("hosting", "a free page of a hosting service", "hard", 1),
    ("dynamic", "a free dynamic name", "hard", 1),
    ("shortener", "a shortener of links", "hard", 1),
    ("tunnel", "a tunnel to somebody's machine", "hard", 1),
    ("form", "a form or file that anybody can make", "hard", 1),
    ("address", "an IP address for a host", "hard", 1),
    ("private", "an address of a local network", "hard", -1),
    ("foreign", "international letters in the host", "add_only", 1),
    ("brand", "a brand's name in a host that is not the brand's", "hard", 1),
    ("brand_word", "a brand's short name as a word in such a host", "hard", 1),
    ("brand_near", "a brand's name, perhaps with a letter wrong, in such a host", "hard", 1),
    ("inner_end", "an end like com or co.jp before the registered domain", "add_only", 1),
    ("host_lures", "words like login or verify in the host", "add_only", 1),
    ("owned", "the registered domain is a brand's own", "hard", -1),
)
_PATH: Final[tuple[_Row, ...]] = (
    ("path_odds", "mean weight of the letter runs of the path", "hard", 0),
    ("path_top", "weight of the most suspicious stretch of path and query", "add_only", 1),
    ("path_lures", "words like login or verify in path or query", "add_only", 1),
    ("path_brand", "a brand's name in the path on a host that is not the brand's", "add_only", 1),
    ("mail", "a mail address in query or fragment", "add_only", 1),
    ("inner_url", "a web address in path or query", "add_only", 1),
    ("twice", "signs encoded twice", "add_only", 1),
    ("encoded", "encoded signs", "add_only", 1),
    ("php", "a PHP page", "hard", 1),
    ("parts_of_site", "folders of content systems in which strangers hide pages", "hard", 1),
    ("path_length", "letters of path and query", "free", 0),
    ("port", "an unusual port", "hard", 1),
    ("user", "a user before the host", "add_only", 1),
    ("slashes", "two slashes in the path", "add_only", 1),
)
FEATURES: Final = tuple(Feature(*each) for each in (*_HOST, *_PATH))
NAMES: Final = tuple(each.name for each in FEATURES)
USED: Final = np.array([each in used(FEATURES) for each in FEATURES])
"""Which of them the model sees."""


def numbers(urls: Urls, tables: Tables) -> Floats:
    """The features (URLs × `FEATURES`) of URLs in parts."""
    host = _of_hosts(urls.hosts, tables)
    columns = {name: host[name][urls.host] for name, *_ in _HOST} | _of_paths(urls, tables, host)
    return np.column_stack([columns[name] for name in NAMES])


def judged(urls: Urls) -> Marks:
    """Which URLs say something: not what browsers do not open, nor what lies in a local network, nor
    what a brand publishes itself, nor what a mail guard has wrapped so that its target is hidden."""
    hosts = urls.hosts
    open_to_all = np.logical_or.reduce(list(hosts.zones.values()))
    brands = hosts.owned & ~hosts.tenant & ~open_to_all
    hidden = hosts.zones["guard"]
    nothing = (_has(hosts.name, _PRIVATE) > 0) | (_has(hosts.domain, "_") > 0)
    named = hosts.address | (_length(hosts.domain) > 0)
    made: Marks = urls.web & (named & ~brands & ~hidden & ~nothing)[urls.host]
    return made


def host_runs(hosts: Hosts) -> Grams:
    """The letter runs of registered domains (of addresses as a whole) that are weighed."""
    name = pc.if_else(pc.equal(hosts.domain, ""), hosts.name, hosts.domain)
    cut_ = pc.utf8_slice_codeunits(name, 0, _MOST_HOST)
    return grams(pc.binary_join_element_wise("^", cut_, "$", ""), HOST_SIZES, BITS)


def before_runs(hosts: Hosts) -> Grams:
    """The letter runs before registered domains; what is put in front of them takes none away."""
    before = pc.utf8_slice_codeunits(_before(hosts), -_MOST_HOST, None)
    marked = pc.binary_join_element_wise(".", before, ".", "")
    return grams(pc.if_else(pc.equal(before, ""), "", marked), HOST_SIZES, BITS)


def path_runs(urls: Urls) -> Grams:
    """The letter runs of paths and queries that are weighed; digits are all alike."""
    return grams(_folded(pc.binary_join_element_wise(urls.path, urls.query, "")), PATH_SIZES, BITS)


def _folded(text: pa.Array) -> pa.Array:
    # No mark for the end: what is put behind it would take that away.
    text = pc.utf8_lower(pc.utf8_slice_codeunits(text, 0, _MOST_PATH))
    return replaced(text, "[0-9]", "0")


def _before(hosts: Hosts) -> pa.Array:
    return replaced(hosts.before, "^www(?:[.]|$)", "")


def _of_hosts(hosts: Hosts, tables: Tables) -> dict[str, Floats]:
    held = known()
    own, zones = hosts.owned, hosts.zones
    stranger = ~own
    name = replaced(hosts.name, "^www[.]", "")
    before = _before(hosts)
    # What somebody chose: not the end, which is the registry's or the hosting service's.
    chosen = pc.binary_join_element_wise(before, hosts.label, ".")
    read, apart = as_read(chosen), words(chosen)
    spelt = letters(cut(hosts.label))
    vowels = spelt.count(np.isin(spelt.code, list(b"aeiou"))) / np.maximum(spelt.length, 1)
    exact = held.anywhere.count(read) * stranger
    return {
        "host_odds": host_runs(hosts).total(tables["host"]),
        "before_odds": before_runs(hosts).total(np.maximum(tables["host"], 0)),
        "host_length": _length(name),
        "before": _length(before),
        "depth": _count(before, ".") + (_length(before) > 0),
        "label": _length(hosts.label),
        "surprise": surprises(cut(hosts.label), tables)[0],
        "surprise_before": surprises(cut(before), tables)[0],
        "hyphens": _count(chosen, "-"),
        "digits": _count(chosen, "[0-9]"),
        "vowels": vowels,
        "old": _has(hosts.suffix, _OLD),
        "country": _has(hosts.suffix, _COUNTRY) * ~hosts.tenant,
        "suffix": _count(hosts.suffix, "[.]"),
        "hosting": (zones["hosting"] | hosts.tenant).astype(float),
        **{kind: zones[kind].astype(float) for kind in ("dynamic", "shortener", "tunnel", "form")},
        "address": hosts.address.astype(float),
        "private": _has(hosts.name, _PRIVATE),
        "foreign": _has(hosts.name, r"(^|[.])xn--"),
        "brand": exact,
        "brand_word": held.whole.count(apart) * stranger,
        # With the exact ones: else a brand's name in front would hide a misspelling.
        "brand_near": held.misspelt.count(read) * stranger + exact,
        "inner_end": _has(before, _INNER_END),
        "host_lures": held.lures.count(chosen) * stranger,
        "owned": own.astype(float),
    }


def _of_paths(urls: Urls, tables: Tables, host: Mapping[str, Floats]) -> dict[str, Floats]:
    held = known()
    text = pc.binary_join_element_wise(urls.path, urls.query, "")
    lower = pc.utf8_lower(text)
    short = pc.utf8_slice_codeunits(lower, 0, _MOST_PATH)
    runs = path_runs(urls)
    weight = tables["path"][runs.bucket]
    return {
        "path_odds": grams(_folded(urls.path), PATH_SIZES, BITS).mean(tables["path"]),
        "path_top": np.bincount(runs.text, np.maximum(weight, 0), runs.texts),
        "path_lures": held.lures.count(short),
        "path_brand": held.anywhere.count(short) * (host["owned"][urls.host] == 0),
        "mail": _has(pc.binary_join_element_wise(urls.query, urls.fragment, ""), _MAIL),
        "inner_url": _has(lower, r"(?:https?|hxxps?)(?::|%3a)"),
        "twice": _count(lower, "%25[0-9a-f]{2}"),
        "encoded": _count(lower, "%[0-9a-f]{2}"),
        "php": _has(lower, r"[.]php(?:[?/&]|\z)"),
        "parts_of_site": _has(lower, _PARTS_OF_SITE),
        "path_length": _length(text),
        "port": urls.port.astype(float),
        "user": urls.user.astype(float),
        "slashes": _has(urls.path, "/.*//"),
    }


def _length(texts: pa.Array) -> Floats:
    return _floats(pc.utf8_length(texts))


def _count(texts: pa.Array, expression: str) -> Floats:
    return _floats(counted(texts, expression if len(expression) > 1 else f"[{expression}]"))


def _has(texts: pa.Array, expression: str) -> Floats:
    return _floats(matched(texts, expression))


def _floats(values: pa.Array) -> Floats:
    made: Floats = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return made
