from pathlib import Path

from labrys.respond.here import needed

FIB = """Main:
  +-- 0.0.0.0/0 3 0 5
           |-- 198.51.100.0
              /24 link UNICAST
           |-- 198.51.100.7
              /32 host LOCAL
           |-- 198.51.100.255
              /32 link BROADCAST
"""
INET6 = "20010db8000000000000000000000007 04 40 00 82     eth0\n"
ROUTE = (
    "Iface\tDestination\tGateway\nwan\t00000000\t016433C6\t0003\nwan\t006433C6\t00000000\t0001\n"
)
ROUTE6 = f"{'0' * 32} 00 {'0' * 32} 00 20010db8000000000000000000000001 00000400 1 0 3 wan\n"


def test_addresses_gateways_and_resolvers(tmp_path: Path) -> None:
    for name, text in (
        ("fib_trie", FIB),
        ("if_inet6", INET6),
        ("route", ROUTE),
        ("ipv6_route", ROUTE6),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "resolv.conf").write_text("# mine\nnameserver 203.0.113.53\nsearch example\n")
    found = needed(tmp_path, tmp_path / "resolv.conf")
    assert {value: reason.split()[1] for value, reason in found.items()} == {
        "198.51.100.7": "address",
        "2001:db8::7": "address",
        "198.51.100.1": "gateway",
        "2001:db8::1": "gateway",
        "203.0.113.53": "resolver",
    }


def test_where_nothing_is_told_nothing_is_known(tmp_path: Path) -> None:
    assert needed(tmp_path, tmp_path / "none") == {}
    (tmp_path / "route").write_text("x\nnonsense\n\0\n")
    (tmp_path / "if_inet6").write_text("zz\n")
    assert needed(tmp_path, tmp_path / "none") == {}
