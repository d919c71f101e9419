"""What stands where in nfcapd's files of layout 1 (nfdump 1.6: nffile.h, nfx.h)."""

from typing import Final

MAGIC: Final = 0xA50C
HEADER: Final = 140 + 136
"""The file's header, and the statistics behind it."""
BLOCK: Final = 12
DATA_BLOCK: Final = 2
LZO, BZ2, LZ4 = 1, 8, 16
COMMON_RECORD, EXTENSION_MAP = 10, 2
V6, PACKETS_64, BYTES_64 = 1, 2, 4
FIXED: Final = 32
"""Bytes of a flow's record up to its addresses."""

EXTENSIONS: Final[dict[int, tuple[tuple[str, str, int], ...]]] = {
    4: (("ingressInterface", "n", 2), ("egressInterface", "n", 2)),
    5: (("ingressInterface", "n", 4), ("egressInterface", "n", 4)),
    6: (("bgpSourceAsNumber", "n", 2), ("bgpDestinationAsNumber", "n", 2)),
    7: (("bgpSourceAsNumber", "n", 4), ("bgpDestinationAsNumber", "n", 4)),
    8: (
        ("postIpClassOfService", "n", 1), ("flowDirection", "n", 1),
        ("sourceIPv4PrefixLength", "n", 1), ("destinationIPv4PrefixLength", "n", 1),
    ),
    9: (("ipNextHopIPv4Address", "a", 4),),
    10: (("ipNextHopIPv6Address", "a", 16),),
    11: (("bgpNextHopIPv4Address", "a", 4),),
    12: (("bgpNextHopIPv6Address", "a", 16),),
    13: (("vlanId", "n", 2), ("postVlanId", "n", 2)),
    14: (("reverse.packetDeltaCount", "n", 4),),
    15: (("reverse.packetDeltaCount", "n", 8),),
    16: (("reverse.octetDeltaCount", "n", 4),),
    17: (("reverse.octetDeltaCount", "n", 8),),
    18: (("deltaFlowCount", "n", 4),),
    19: (("deltaFlowCount", "n", 8),),
    20: (("sourceMacAddress", "m", 8), ("postDestinationMacAddress", "m", 8)),
    21: (("destinationMacAddress", "m", 8), ("postSourceMacAddress", "m", 8)),
    22: (("mplsLabels", "b", 40),),
    23: (("exporterIPv4Address", "a", 4),),
    24: (("exporterIPv6Address", "a", 16),),
    25: (("exporterId", "n", 4),),
}  # fmt: skip
"""Number of an extension → its fields: column, kind (number, address, MAC, bits) and bytes."""
