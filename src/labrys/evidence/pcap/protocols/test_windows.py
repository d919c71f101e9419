"""SSH, DHCP, Kerberos, RDP, SMB, NTLM and DCE/RPC, from messages made here."""

import hashlib
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.pcap.protocols import dhcp, kerberos, ntlm, rpc, smb
from labrys.evidence.pcap.samples import make
from labrys.evidence.pcap.samples.make import der
from labrys.evidence.pcap.talk import Piece, Talk
from labrys.evidence.pcap.test_read import read_rows
from labrys.evidence.records import Records, Source
from labrys.evidence.values import MULTI


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def kexinit(*lists: str) -> bytes:
    body = (
        bytes([20]) + bytes(16) + b"".join(make.vector(one.encode(), 4) for one in lists) + bytes(5)
    )
    return struct.pack(">IB", len(body) + 5, 4) + body + bytes(4)


def test_ssh(tmp_path: Path) -> None:
    mine = ("curve25519-sha256,ecdh", "ssh-ed25519", "aes128-ctr", "aes256-ctr", "hmac-sha2-256",
            "hmac-sha1", "none", "zlib", "", "")  # fmt: skip
    theirs = ("ecdh", "ssh-rsa,ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256",
              "hmac-sha2-256", "none", "none", "", "")  # fmt: skip
    asked = b"SSH-2.0-Client_1\r\n" + kexinit(*mine)
    said = b"Welcome\r\nSSH-2.0-Server_2 x\r\n" + kexinit(*theirs)
    (row,) = read_rows(tmp_path, make.connection(asked, said, 2_222, mss=150), "net.ssh")
    assert (row["client"], row["server"]) == ("SSH-2.0-Client_1", "SSH-2.0-Server_2 x")
    assert (row["kex_alg"], row["host_key_alg"]) == ("ecdh", "ssh-ed25519")
    texts = (
        b"curve25519-sha256,ecdh;aes128-ctr;hmac-sha2-256;none",
        b"ecdh;aes128-ctr;hmac-sha2-256;none",
    )
    wanted = [hashlib.md5(text, usedforsecurity=False).hexdigest() for text in texts]
    assert [row["hassh"], row["hasshServer"]] == wanted


def test_dhcp() -> None:
    options = (
        b"\x35\1\3" + b"\x0c\4host" + b"\x32\4" + bytes([192, 0, 2, 9]) + b"\x33\4\0\0\x0e\x10"
    )
    options += b"\x51\x0a\0\0\0h.example"[:2] + b"\0\0\0h.exampl" + b"\xff"
    message = struct.pack(">BBBBI", 1, 1, 6, 0, 7) + bytes(20) + bytes(range(6)) + bytes(202)
    found = dhcp.parse(message + b"\x63\x82\x53\x63" + options)
    assert found is not None
    assert found["msg_types"] == "REQUEST"
    assert (found["host_name"], found["requested_addr"]) == ("host", ["192.0.2.9"])
    assert (found["mac"], found["lease_time"]) == ("00:01:02:03:04:05", "3600.000000")
    assert dhcp.parse(message[:200]) is None


def field(number: int, *content: bytes) -> bytes:
    return der(0xA0 | number, *content)


def whole_number(value: int) -> bytes:
    return der(2, value.to_bytes(2, "big", signed=True).lstrip(b"\0") or b"\0")


def principal(*names: str) -> bytes:
    words = der(0x30, *(der(0x1B, name.encode()) for name in names))
    return der(0x30, field(0, whole_number(1)), field(1, words))


def request(user: str) -> bytes:
    body = der(
        0x30, field(0, der(3, b"\0\x40\x81\0\x10")), field(1, principal(user)),
        field(2, der(0x1B, b"EXAMPLE.COM")), field(3, principal("krbtgt", "EXAMPLE.COM")),
        field(8, der(0x30, whole_number(18), whole_number(23))),
    )  # fmt: skip
    padata = der(0x30, der(0x30, field(1, whole_number(2)), field(2, der(4, b"x"))))
    return der(
        0x6A,
        der(
            0x30,
            field(1, whole_number(5)),
            field(2, whole_number(10)),
            field(3, padata),
            field(4, body),
        ),
    )


def refusal(code: int) -> bytes:
    return der(
        0x7E, der(0x30, field(6, whole_number(code)), field(10, principal("krbtgt", "EXAMPLE.COM")))
    )


def ticket() -> bytes:
    sealed = der(0x30, field(0, whole_number(23)), field(2, der(4, b"x")))
    inside = der(0x30, field(0, whole_number(5)), field(1, der(0x1B, b"EXAMPLE.COM")),
                 field(2, principal("cifs", "fs")), field(3, sealed))  # fmt: skip
    return der(
        0x6D,
        der(0x30, field(3, der(0x1B, b"EXAMPLE.COM")), field(4, principal("alice")),
            field(5, der(0x61, inside)), field(6, sealed)),
    )  # fmt: skip


def test_kerberos_over_tcp(tmp_path: Path) -> None:
    asked = make.vector(request("alice"), 4) + make.vector(request("bob"), 4)
    said = make.vector(refusal(25), 4) + make.vector(refusal(24), 4)
    first, second = read_rows(tmp_path, make.connection(asked, said, 88, mss=60), "net.kerberos")
    assert (first["client"], first["error_msg"]) == (
        "alice/EXAMPLE.COM",
        "KDC_ERR_PREAUTH_REQUIRED",
    )
    assert "success" not in first
    assert (second["client"], second["error_msg"]) == ("bob/EXAMPLE.COM", "KDC_ERR_PREAUTH_FAILED")
    assert second["success"] == "F"
    assert first["request_ciphers"] == f"aes256-cts-hmac-sha1-96{MULTI}rc4-hmac"
    assert (first["service"], first["preauthentication"]) == ("krbtgt/EXAMPLE.COM", "timestamp")


def test_kerberos_tickets() -> None:
    found = kerberos.parse(ticket())
    assert found == {
        "request_type": "TGS", "success": "T", "client": "alice/EXAMPLE.COM", "service": "cifs/fs",
        "cipher": "rc4-hmac", "reply_cipher": "rc4-hmac",
    }  # fmt: skip


def test_rdp(tmp_path: Path) -> None:
    cookie = b"Cookie: mstshash=alice\r\n" + struct.pack("<BBHI", 1, 0, 8, 3)
    asked = (
        struct.pack(">BBHBBHHB", 3, 0, 11 + len(cookie), 6 + len(cookie), 0xE0, 0, 0, 0) + cookie
    )
    said = struct.pack(">BBHBBHHB", 3, 0, 19, 14, 0xD0, 0, 0, 0) + struct.pack("<BBHI", 2, 0, 8, 2)
    asked = asked.ljust(200, b"\0")  # the next packet begins with the handshake
    said = said.ljust(200, b"\0")
    asked += make.record(22, make.client_hello("pc1.example")) + make.record(20, b"\1")
    own = make.certificate("pc1.example", "pc1.example")
    said += make.record(22, make.server_hello() + make.certificates(own)) + make.record(20, b"\1")
    rows = read_rows(tmp_path, make.connection(asked, said, 3_389, mss=200))
    (row,) = (row for row in rows if row["shape"] == "net.rdp")
    assert (row["cookie"], row["security_protocol"]) == ("alice", "HYBRID")
    (row,) = (row for row in rows if row["shape"] == "net.tls")
    assert row["subject"] == "CN=pc1.example,O=Example\\, Inc."


def test_starttls(tmp_path: Path) -> None:
    asked = b"EHLO a\r\nSTARTTLS\r\n".ljust(60, b" ") + make.record(
        22, make.client_hello("mx.example")
    )
    said = b"220 mx\r\n250 STARTTLS\r\n220 go\r\n".ljust(60, b" ") + make.record(
        22, make.server_hello()
    )
    packets = make.connection(asked, said, 25, mss=60)
    (row,) = read_rows(tmp_path, packets, "net.tls")
    assert (row["server_name"], row["version"]) == ("mx.example", "TLSv12")


def challenge() -> bytes:
    info = b"".join(
        struct.pack("<HH", kind, len(text)) + text
        for kind, text in ((1, wide("FS1")), (3, wide("fs1.example")), (0, b""))
    )
    return b"NTLMSSP\0" + struct.pack("<I8xI16xHHI", 2, 1, len(info), len(info), 48) + info


def authenticate(domain: str, user: str, host: str) -> bytes:
    parts, at, data = b"", 64, b""
    for text in (b"", b"", wide(domain), wide(user), wide(host), b""):
        parts += struct.pack("<HHI", len(text), len(text), at + len(data))
        data += text
    return b"NTLMSSP\0" + struct.pack("<I", 3) + parts + struct.pack("<I", 1) + data


def smb2(
    command: int,
    body: bytes,
    *,
    reply: bool = False,
    number: int = 1,
    tree: int = 0,
    status: int = 0,
) -> bytes:
    head = b"\xfeSMB" + struct.pack(
        "<HHIHHIIQIIQ16x", 64, 0, status, command, 0, int(reply), 0, number, 0, tree, 1
    )
    return make.vector(head + body, 4)


def named(body: str, text: str) -> bytes:
    """A body whose text stands behind it: `body` is a format with its place and its length."""
    size = struct.calcsize(body)
    return struct.pack(body, 64 + size, 2 * len(text)) + wide(text)


DRSUAPI = UUID("e3514235-4b06-11d1-ab04-00c04fc2dcd2")


def bind(uuid: UUID) -> bytes:
    item = struct.pack("<HBB", 1, 1, 0) + uuid.bytes_le + bytes(4) + bytes(20)
    return struct.pack("<BBBBIHHIHHIB3x", 5, 0, 11, 3, 16, 28 + len(item), 0, 1, 0, 0, 0, 1) + item


def call(number: int) -> bytes:
    return struct.pack("<BBBBIHHIIHH", 5, 0, 0, 3, 16, 24, 0, 2, 0, 1, number)


def conversation() -> list[tuple[bytes, bool]]:
    """A logon by NTLM, a share, a file written and renamed, a pipe and a call through it."""
    handle, pipe = bytes(range(16)), bytes(range(16, 32))
    setup = struct.pack("<HBBIIHHQ", 25, 0, 0, 0, 0, 88, 0, 0)
    made = struct.pack("<HBBI32xQQI4x", 89, 0, 0, 1, 0, 77, 0)
    write = struct.pack("<HHIQ", 49, 112, 4, 0) + handle + bytes(16) + b"data"
    rename = bytes(16) + struct.pack("<I", 12) + wide("b.exe\0")[:10]
    info = struct.pack("<HBBIHHI", 33, 1, 10, len(rename), 96, 0, 0) + handle + rename
    through = (
        struct.pack("<HHI", 57, 0, 0x0011C017)
        + pipe
        + struct.pack("<IIIIIII4x", 120, 24, 0, 0, 0, 0, 1)
    )
    bound = struct.pack("<HHIQ", 49, 112, 72, 0) + pipe + bytes(16) + bind(DRSUAPI)
    return [
        (smb2(1, setup + b"NTLMSSP\0\1\0\0\0"), False),
        (smb2(1, bytes(8) + challenge(), reply=True, status=0xC0000016), True),
        (smb2(1, setup + authenticate("DOM", "alice", "PC1"), number=2), False),
        (smb2(1, bytes(8), reply=True, number=2, status=0xC000006D), True),
        (smb2(3, named("<HH".replace("HH", "4xHH"), r"\\fs1\ADMIN$"), number=3), False),
        (smb2(3, struct.pack("<HBB", 16, 1, 0), reply=True, number=3, tree=5), True),
        (
            smb2(
                5,
                struct.pack("<44x") + struct.pack("<HH8x", 120, 10) + wide("a.exe"),
                number=4,
                tree=5,
            ),
            False,
        ),
        (smb2(5, made + handle, reply=True, number=4), True),
        (smb2(9, write, number=5, tree=5), False),
        (smb2(9, write, number=6, tree=5), False),
        (smb2(17, info, number=7, tree=5), False),
        (smb2(3, named("<4xHH", r"\\fs1\IPC$"), number=8), False),
        (smb2(3, struct.pack("<HBB", 16, 2, 0), reply=True, number=8, tree=6), True),
        (
            smb2(
                5,
                struct.pack("<44x") + struct.pack("<HH8x", 120, 10) + wide("lsass"),
                number=9,
                tree=6,
            ),
            False,
        ),
        (smb2(5, made + pipe, reply=True, number=9), True),
        (smb2(9, bound, number=10, tree=6), False),
        (smb2(11, through + call(3), number=11, tree=6), False),
    ]


def test_smb(tmp_path: Path) -> None:
    packets = make.connection(b"", b"", 445)[:3]
    sequence = {False: 1_001, True: 9_001}
    for number, (data, reply) in enumerate(conversation()):
        ports = (445, 50_000) if reply else (50_000, 445)
        ends = (make.SERVER, make.CLIENT) if reply else (make.CLIENT, make.SERVER)
        segment = make.tcp(*ports, sequence[reply], make.ACK, data)
        sequence[reply] += len(data)
        packets.append(
            (make.BEGIN + (number + 5) * 10**6, make.ethernet(make.ip(*ends, 6, segment)))
        )
    rows = read_rows(tmp_path, packets)
    by_shape: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_shape.setdefault(row["shape"], []).append(row)
    (logon,) = by_shape["net.ntlm"]
    assert (logon["domainname"], logon["username"], logon["hostname"]) == ("DOM", "alice", "PC1")
    assert (logon["success"], logon["status"]) == ("F", "LOGON_FAILURE")
    assert logon["server_dns_computer_name"] == "fs1.example"
    assert [(row["path"], row["share_type"]) for row in by_shape["net.smb_mapping"]] == [
        (r"\\fs1\ADMIN$", "DISK"),
        (r"\\fs1\IPC$", "PIPE"),
    ]
    assert [(row["action"], row["name"]) for row in by_shape["net.smb_files"]] == [
        ("SMB::FILE_OPEN", "a.exe"),
        ("SMB::FILE_WRITE", "a.exe"),
        ("SMB::FILE_RENAME", "b.exe"),
        ("SMB::PIPE_OPEN", "lsass"),
    ]
    (made,) = by_shape["net.dce_rpc"]
    assert (made["endpoint"], made["operation"]) == ("drsuapi", "DRSGetNCChanges")
    assert made["named_pipe"] == "lsass"
    assert by_shape["net.flow"][0]["service"] == "smb"


def test_dce_rpc_over_tcp(tmp_path: Path) -> None:
    asked = bind(DRSUAPI) + call(12) + call(999)
    rows = read_rows(tmp_path, make.connection(asked, b"", 49_700), "net.dce_rpc")
    assert [(row["operation"], row["named_pipe"]) for row in rows] == [
        ("DRSCrackNames", "49700"),
        ("unknown-999", "49700"),
    ]


@given(
    st.integers(0, 16), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=12)
)
def test_any_bytes_are_survived(which: int, changes: list[tuple[int, int]]) -> None:
    records = Records(Source(Path("x"), "x", "0" * 64, 0), fixed=("ts",) * 7)
    talk = Talk(0, ("u", "a", "1", "b", "2", "tcp"))
    for number, (data, reply) in enumerate(conversation()):
        if number == which:
            changed = bytearray(data)
            for at, value in changes:
                changed[at % len(changed)] = value
            data = bytes(changed)
        smb.datagram(talk, records, Piece(0, data, 0, 0, number), reply)
    for data in (request("a"), refusal(6), ticket(), challenge(), authenticate("a", "b", "c")):
        changed = bytearray(data)
        for at, value in changes:
            changed[at % len(changed)] = value
        kerberos.parse(bytes(changed))
        ntlm.parse(bytes(changed))
        dhcp.parse(bytes(240) + bytes(changed))
        list(rpc.calls(bytes(changed), {}, b""))
