"""HTTP in the clear as malware speaks it, and the updates that every host fetches, as rows of views.

Malware by published descriptions of its kinds: loaders that fetch programs from bare addresses and
report their build (Amadey, SmokeLoader), scripts that fetch the next stage as text or picture
(PowerShell, certutil: ATT&CK T1105), documents whose office program fetches a stage (T1566.001). Kinds
of the test are others: stealers that send once what they found (Pony, AZORult), lockers that ask for
their own address and report a key (T1016, T1486), clickers that ask page after page (T1496).

Updates by the vendors' documentation: APT (apt-transport-http(1)), Delivery Optimization, CryptoAPI's
OCSP and CRL (RFC 6960), the tests of a network's way out (NCSI, generate_204).
"""

from random import Random
from typing import Final

from bench.traffic.bots import HOUR, Maker, Ranges, Seen, _calls, _outside, _request
from bench.traffic.flow import DAY, START, flow

OCTETS: Final = "application/octet-stream"
PROGRAM: Final = "application/x-msdownload"


def asked(
    seen: Seen, when: float, host: str, dst: str, site: str, path: str, *, post: bool = False,
    agent: str = "", code: int = 200, kind: str = "text/html", size: int = 300,
) -> None:  # fmt: skip
    """A request, and the flow that carries it."""
    seen.flows.append(
        flow(START + when, host, dst, 80, service="http", sent=400, received=size + 200)
    )
    method = "POST" if post else "GET"
    seen.requests.append(
        _request(START + when, host, dst, site, path, method, agent, code, kind, size)
    )


def _site(draw: Random, dst: str, bare: float) -> str:
    return dst if draw.random() < bare else f"s{draw.randrange(10**6)}.example"


def loader(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Programs from a bare address or an unknown site, then reports to a page of a panel."""
    dst, page = _outside(draw), draw.choice(ranges.pages)
    agent = draw.choice(("", "", "Mozilla/5.0", f"build{draw.randrange(99)}"))
    site, begun = _site(draw, dst, 0.6), draw.uniform(1, 12) * HOUR
    for number in range(draw.randint(1, 4)):
        path = f"/files/{number}" + draw.choice((".exe", ".dll", ".bin", ""))
        asked(seen, begun + 40 * number, host, dst, site, path, agent=agent,
              kind=draw.choice((PROGRAM, OCTETS)), size=draw.randint(60_000, 900_000))  # fmt: skip
    for when in _calls(draw, ranges):
        asked(seen, when, host, dst, site, f"/{page}", post=True, agent=agent, size=20)


def script(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """A script that fetches its next stages under names of texts and pictures."""
    dst, begun = _outside(draw), draw.uniform(7, 18) * HOUR
    site = _site(draw, dst, 0.5)
    agent = draw.choice(
        ("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
         "CertUtil URL Agent", "Microsoft-CryptoAPI/10.0", "", "curl/8.4.0")
    )  # fmt: skip
    for number in range(draw.randint(1, 5)):
        path = f"/{draw.randrange(999)}" + draw.choice((".txt", ".jpg", ".png", ".ps1", ""))
        asked(seen, begun + 30 * number, host, dst, site, path, agent=agent,
              kind=draw.choice((OCTETS, PROGRAM, "text/plain", "image/jpeg")),
              size=draw.randint(3_000, 700_000))  # fmt: skip


def stager(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """An office program that fetches a template and then a program."""
    dst, begun = _outside(draw), draw.uniform(7, 18) * HOUR
    site = _site(draw, dst, 0.4)
    agent = "Microsoft Office Protocol Discovery" if draw.random() < 0.5 else (
        "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"
    )  # fmt: skip
    asked(seen, begun, host, dst, site, "/t/invoice.dotm", agent=agent, kind=OCTETS, size=40_000)
    if draw.random() < 0.7:
        asked(seen, begun + 9, host, dst, site, "/t/a.exe", agent=agent, kind=PROGRAM, size=300_000)


def stealer(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Sends once or twice what it found."""
    dst, begun = _outside(draw), draw.uniform(7, 18) * HOUR
    site = _site(draw, dst, 0.3)
    agent = draw.choice(
        ("Mozilla/4.0 (compatible; MSIE 5.0; Windows 98)", "", "Mozilla/5.0 (WinXP)")
    )
    for number in range(draw.randint(1, 3)):
        asked(seen, begun + 50 * number, host, dst, site, f"/{draw.choice(('in', 'w', 'p'))}.php",
              post=True, agent=agent, kind=draw.choice(("text/html", OCTETS)),
              size=draw.choice((2, 90, 4_000_000)))  # fmt: skip


def locker(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Asks for its own address and reports a key to several servers."""
    begun = draw.uniform(7, 18) * HOUR
    if draw.random() < 0.6:
        asked(seen, begun, host, _outside(draw), "ipinfo.io", "/json", kind="application/json")
    for number in range(draw.randint(1, 6)):
        dst = _outside(draw)
        code = 200 if draw.random() < 0.5 else 404
        asked(seen, begun + 4 + 8 * number, host, dst, _site(draw, dst, 0.5), "/upload/key", post=True,
              agent=draw.choice(("", "Mozilla/4.0")), code=code, kind="text/html")  # fmt: skip


def clicker(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Asks page after page of many sites under long queries, as a browser of long ago."""
    begun, agent = draw.uniform(0, 18) * HOUR, "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"
    for number in range(draw.randint(60, 200)):
        dst = _outside(draw)
        asked(seen, begun + 20 * number, host, dst, f"ad{draw.randrange(40)}.example",
              "/?" + "".join(draw.choices("abcdef0123456789", k=draw.randint(40, 180))),
              agent=agent)  # fmt: skip


def quiet(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """TLS to one server under an ordinary name and certificate, and nothing else."""
    dst = _outside(draw)
    for when in _calls(draw, ranges):
        seen.flows.append(
            flow(START + when, host, dst, 443, service="ssl", sent=draw.randint(900, 1300),
                 received=draw.randint(3000, 4200), seconds=0.8)
        )  # fmt: skip


def updates(draw: Random, host: str, seen: Seen) -> None:
    """What any host fetches in the clear on a day."""
    linux = draw.random() < 0.2
    for number in range(draw.randint(2, 12)):
        when = draw.random() * (DAY - 60)
        if linux:
            asked(seen, when, host, "151.101.2.132", "deb.vendor.example", f"/pool/m/p{number}.deb",
                  agent="Debian APT-HTTP/1.3 (2.6.1)", kind="application/vnd.debian.binary-package",
                  size=draw.randint(5_000, 900_000))  # fmt: skip
            continue
        asked(seen, when, host, "93.184.7.20", "ocsp.vendor.example", "/MFEwTzBNMEsw",
              agent="Microsoft-CryptoAPI/10.0", kind="application/ocsp-response", size=500)  # fmt: skip
        if number == 0:
            asked(seen, when + 5, host, "23.50.8.9", "network.vendor.example", "/connecttest.txt",
                  agent="Microsoft NCSI", kind="text/plain", size=22)  # fmt: skip
        if draw.random() < 0.4:
            asked(seen, when + 9, host, "23.40.7.8", "dl.delivery.vendor.example",
                  f"/filestreamingservice/files/{number:08x}",
                  agent="Microsoft-Delivery-Optimization/10.0", kind=OCTETS, code=206,
                  size=draw.randint(100_000, 1_000_000))  # fmt: skip


FIT: Final[tuple[Maker, ...]] = (loader, script, stager)
TEST: Final[tuple[Maker, ...]] = (stealer, locker, clicker)
