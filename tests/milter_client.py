"""A mail server's side of the milter protocol, written from libmilter's names and numbers."""

import asyncio
import struct
from dataclasses import dataclass, field

CAN = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40
TERMS = 0x1FFFFF
QUIET = {
    b"L": 0x80,
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"R": 0x8000,
    b"T": 0x10000,
    b"N": 0x40000,
}
"""Commands, and the term (SMFIP_NR_…) by which a filter says that it does not reply to them."""


@dataclass
class Answer:
    """What the filter said at the end of a message."""

    verdict: bytes = b""
    text: str = ""
    added: list[tuple[str, str]] = field(default_factory=list)
    removed: list[tuple[str, int]] = field(default_factory=list)
    quarantined: str = ""


class Client:
    """One connection to a filter."""

    def __init__(self, reader, writer, *, can=CAN, terms=TERMS):
        self.reader, self.writer, self.can, self.terms = reader, writer, can, terms

    @classmethod
    async def connect(cls, port, **given):
        made = cls(*await asyncio.open_connection("127.0.0.1", port), **given)
        made._send(b"O" + struct.pack(">III", 6, made.can, made.terms))
        command, data = await made._reply()
        assert command == b"O"
        _, made.can, made.terms = struct.unpack(">III", data)
        made._send(b"DCj\0mx.example.org\0")
        made._send(b"Cclient.example.net\0" + b"4" + struct.pack(">H", 2525) + b"192.0.2.7\0")
        await made._heard(b"C")
        await made._told(b"Hclient.example.net\0")
        return made

    async def message(self, raw, *, sender="a@example.net", to=("b@example.org",), queue="4ABC12"):
        """Send a message as a server does, and hear what is to become of it."""
        await self._told(b"M<" + sender.encode() + b">\0")
        for each in to:
            await self._told(b"R<" + each.encode() + b">\0")
        self._send(b"DTi\0" + queue.encode() + b"\0")
        await self._told(b"T")
        head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
        for name, value in fields(head):
            kept = value if self.terms & 0x100000 else value.removeprefix(b" ")
            await self._told(b"L" + name + b"\0" + kept + b"\0")
        await self._told(b"N")
        body = body.replace(b"\n", b"\r\n")
        for at in range(0, len(body), 65535):
            self._send(b"B" + body[at : at + 65535])
            if (await self._reply())[0] == b"s":
                break
        self._send(b"E")
        return await self._end()

    async def close(self):
        self._send(b"Q")
        await self.writer.drain()
        self.writer.close()

    async def _end(self):
        answer = Answer()
        while True:
            command, data = await self._reply()
            parts = data.split(b"\0")
            if command == b"i":
                name, value, _ = data[4:].split(b"\0")
                assert data[:4] == bytes(4)
                assert value.startswith(b" ") == bool(self.terms & 0x100000)
                answer.added.insert(0, (name.decode(), value.decode().removeprefix(" ")))
            elif command == b"m":
                (number,) = struct.unpack(">I", data[:4])
                answer.removed.append((data[4:].split(b"\0")[0].decode(), number))
            elif command == b"q":
                answer.quarantined = parts[0].decode()
            else:
                answer.verdict, answer.text = command, parts[0].decode()
                return answer

    async def _told(self, packet):
        self._send(packet)
        await self._heard(packet[:1])

    async def _heard(self, command):
        """The reply to a command, unless it was agreed that none comes."""
        if not self.terms & QUIET[command]:
            assert (await self._reply())[0] == b"c", command

    def _send(self, packet):
        self.writer.write(struct.pack(">I", len(packet)) + packet)

    async def _reply(self):
        (length,) = struct.unpack(">I", await self.reader.readexactly(4))
        packet = await self.reader.readexactly(length)
        return packet[:1], packet[1:]


def fields(head):
    """Names and values of a header block, values with the blank before them and their folds."""
    found = []
    for line in head.split(b"\n"):
        if line[:1] in (b" ", b"\t") and found:
            found[-1][1] += b"\n" + line
        elif b":" in line:
            name, _, value = line.partition(b":")
            found.append([name, value])
    return found
