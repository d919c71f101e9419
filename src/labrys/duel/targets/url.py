"""Links as a target: phishing links, changed as `detect/url/threat.py` says.

A link goes through the detector's own reader of URLs and its scores. It holds as an attack while a
browser that opens it ends on the attacker's site: the registered domain as before, what a redirector
carries as before, or another domain that no brand owns. Where the path says whose page it is (a form,
a shortened link, a free page), the path has to stay.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.url.brands import known, owned
from labrys.detect.url.parts import Urls, parts
from labrys.detect.url.score import model, scores
from labrys.detect.url.threat import ADD_ONLY, COST, MUTATIONS
from labrys.detect.url.train_made import made_up
from labrys.detect.url.unwrap import unwrapped
from labrys.duel.target import Change, Target

_APART: Final = 1_000
"""Training draws with a seed below this."""
_LEVEL: Final = "slight"
_SHARED: Final = ("form", "shortener")
_SITES: Final = ("tea-garden.example", "choir.example.org", "bike-repair.example.net")


def target(attacks: int, seed: int) -> Target:
    """Made-up phishing links (brands on free hosting, in others' sites, on drawn names) that the
    detector tells: above its limit `slight`."""
    held = model()
    made = made_up(_APART + seed, known().brands, _SITES, 10 * attacks)
    told = scores(pa.array(made, pa.string())) > held.limits[_LEVEL]
    seeds = [link for link, found in zip(made, told.tolist(), strict=True) if found]
    return Target(
        name="url",
        version=held.version,
        seeds=seeds[:attacks],
        changes=[
            *(Change(name, one, COST[name], "free") for name, one in MUTATIONS.items()),
            *(Change(name, one, 0, "add_only") for name, one in ADD_ONLY.items()),
        ],
        score=lambda links: scores(pa.array(links, pa.string())),
        threshold=float(np.nextafter(held.limits[_LEVEL], np.inf)),
        show=str,
        holds=holds,
        guarantee=(
            "parameters, fragments, labels in front of the domain and a user in front of the host never "
            "lower a score: what they are measured by only raises it (the trees are checked leaf by leaf)"
        ),
        notes=[
            f"{int(told.sum())} of {len(made)} links of our own generator, of a seed not trained on, "
            "are told as they are"
        ],
    )


def holds(before: str, after: str) -> bool:
    """Whether a changed link still leads to its attacker."""
    both = pa.array([before, after], pa.string())
    seen, led = parts(both), parts(unwrapped(both))
    home = _domain(seen, 0)
    if _domain(seen, 1) == home:
        return not _shared(seen) or _path(seen, 1).startswith(_path(seen, 0))
    if _domain(led, 1) == _domain(led, 0):
        return _path(led, 1).startswith(_path(led, 0))
    hosts = seen.hosts
    strange = ~owned(hosts.domain, hosts.label, hosts.suffix)[int(seen.host[1])]
    return bool(strange and _domain(seen, 1) and _path(seen, 1) and _own(seen, 1))


def _domain(urls: Urls, at: int) -> str:
    hosts, place = urls.hosts, int(urls.host[at])
    return str(hosts.domain[place].as_py() or hosts.name[place].as_py())


def _path(urls: Urls, at: int) -> str:
    return str(urls.path[at].as_py())


def _shared(urls: Urls) -> bool:
    """Whether the link before lies where the path says whose page it is."""
    return any(bool(urls.hosts.zones[kind][urls.host[0]]) for kind in _SHARED)


def _own(urls: Urls, at: int) -> bool:
    """Whether a host is one that an attacker can register: in no zone of a company's, no address."""
    place = int(urls.host[at])
    return not urls.hosts.address[place] and not any(
        zone[place] for zone in urls.hosts.zones.values()
    )
