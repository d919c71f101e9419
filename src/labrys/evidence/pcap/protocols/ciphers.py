"""Names of TLS cipher suites by their numbers (`ciphers.txt`: IANA's registry)."""

from importlib.resources import files
from typing import Final

CIPHERS: Final[dict[int, str]] = {
    int(number, 16): name
    for line in files(__package__).joinpath("ciphers.txt").read_text("ascii").splitlines()
    if not line.startswith("#")
    for number, name in [line.split()]
}
