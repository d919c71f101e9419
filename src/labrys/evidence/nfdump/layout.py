"""What stands where in nfcapd's files: layout 1 (nfdump 1.6: nffile.h, nfx.h) and layout 2
(nfdump 1.7: nffileV2.h, nfxV3.h)."""

from typing import Final

from labrys.evidence.nfdump import packing

MAGIC: Final = 0xA50C
HEADERS: Final = {1: 140 + 136, 2: 40}
"""Layout → bytes of the file's header, in layout 1 with the statistics behind it."""
BLOCK: Final = 12
DATA_BLOCKS: Final = {1: 2, 2: 3}
PACKED: Final = {
    1: {1: packing.LZO, 8: packing.BZ2, 16: packing.LZ4},
    2: {1: packing.LZO, 2: packing.BZ2, 3: packing.LZ4, 4: packing.ZSTD},
}
"""Layout → how blocks are packed: bits of the flags in layout 1, a number in layout 2."""
NOT_PACKED, NOT_SEALED = 1, 2
"""Flags of a block of layout 2 that differs from its file."""
COMMON_RECORD, EXTENSION_MAP, ELEMENT_RECORD = 10, 2, 11
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

LATEST: Final = 1 << 43
"""Milliseconds since 1970 that nanoseconds in 64 bits can say."""
ELEMENTS: Final[dict[int, tuple[tuple[str, str, int], ...]]] = {
    1: (("", "b", 48),),
    2: (("sourceIPv4Address", "a", 4), ("destinationIPv4Address", "a", 4)),
    3: (("sourceIPv6Address", "a", 16), ("destinationIPv6Address", "a", 16)),
    4: (
        ("ingressInterface", "n", 4), ("egressInterface", "n", 4),
        ("sourceIPv4PrefixLength", "n", 1), ("destinationIPv4PrefixLength", "n", 1),
        ("flowDirection", "n", 1), ("postIpClassOfService", "n", 1), ("biflowDirection", "n", 1),
        ("flowEndReason", "n", 1),
    ),
    5: (
        ("deltaFlowCount", "n", 8), ("reverse.packetDeltaCount", "n", 8),
        ("reverse.octetDeltaCount", "n", 8),
    ),
    6: (("vlanId", "n", 4), ("postVlanId", "n", 4)),
    7: (("bgpSourceAsNumber", "n", 4), ("bgpDestinationAsNumber", "n", 4)),
    8: (("bgpNextHopIPv4Address", "a", 4),),
    9: (("bgpNextHopIPv6Address", "a", 16),),
    10: (("ipNextHopIPv4Address", "a", 4),),
    11: (("ipNextHopIPv6Address", "a", 16),),
    12: (("exporterIPv4Address", "a", 4),),
    13: (("exporterIPv6Address", "a", 16),),
    14: (("mplsLabels", "b", 40),),
    15: (
        ("sourceMacAddress", "m", 8), ("postDestinationMacAddress", "m", 8),
        ("destinationMacAddress", "m", 8), ("postSourceMacAddress", "m", 8),
    ),
    16: (("bgpNextAdjacentAsNumber", "n", 4), ("bgpPrevAdjacentAsNumber", "n", 4)),
    19: (
        ("observationTimeMilliseconds", "n", 8), ("connectionId", "n", 4),
        ("firewallExtendedEvent", "n", 2), ("firewallEvent", "n", 1),
    ),
    20: (("postNATSourceIPv4Address", "a", 4), ("postNATDestinationIPv4Address", "a", 4)),
    21: (("postNATSourceIPv6Address", "a", 16), ("postNATDestinationIPv6Address", "a", 16)),
    22: (("postNAPTSourceTransportPort", "n", 2), ("postNAPTDestinationTransportPort", "n", 2)),
    23: (("ingressAcl", "b", 12), ("egressAcl", "b", 12)),
    24: (("userName", "t", 66),),
    25: (("observationTimeMilliseconds", "n", 8), ("natPoolId", "n", 4), ("natEvent", "n", 1)),
    26: (
        ("portRangeStart", "n", 2), ("portRangeEnd", "n", 2), ("portRangeStepSize", "n", 2),
        ("portRangeNumPorts", "n", 2),
    ),
    27: (("applicationId", "b", 4),),
    31: (("tunnel.source", "a", 4), ("tunnel.destination", "a", 4), ("tunnel.protocol", "n", 4)),
    32: (("tunnel.source6", "a", 16), ("tunnel.destination6", "a", 16), ("tunnel.protocol", "n", 4)),
    33: (("observationPointId", "n", 8), ("observationDomainId", "n", 4)),
    36: (("egressVRFID", "n", 4), ("ingressVRFID", "n", 4)),
    39: (("flowId", "n", 8),),
    42: (("", "b", 1), ("fragmentFlags", "n", 1), ("minimumTTL", "n", 1), ("maximumTTL", "n", 1)),
}  # fmt: skip
"""Number of an element → its fields, as above; `t` is text, a field without a name is skipped."""
SIZES: Final = {kind: sum(field[2] for field in fields) for kind, fields in ELEMENTS.items()}
"""Number of an element → bytes that it has at least."""
