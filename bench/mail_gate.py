"""Mail at the gate under load: messages a second, how long each waits, and that none is lost."""

import asyncio
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.milter_client import Client

from bench.data import workspace
from bench.measure import Failed
from bench.scanning import environment, program
from bench.table import LABRYS, Row

RATE: Final = 200
"""Messages a second that must be judged..."""
SLOWEST: Final = 0.25
"""...99 of 100 of them in so many seconds."""
_CONNECTIONS: Final = 48
_WORDS: Final = [
    "invoice",
    "meeting",
    "order",
    "delivery",
    "account",
    "garden",
    "report",
    "office",
    "number",
    "project",
    "train",
    "summer",
    "coffee",
    "window",
    "letter",
    "paper",
    "market",
    "school",
    "river",
    "season",
    "ticket",
    "price",
    "answer",
    "please",
    "thank",
    "regards",
    "team",
]


def run(*, quick: bool) -> list[Row]:
    """A row for the steady rate that is asked for, and one for as fast as it goes."""
    messages = [message(number) for number in range(200)]
    seconds = 5 if quick else 30
    with workspace() as folder, _serving(folder) as (process, port):
        asyncio.run(_load(port, messages, 100, RATE / 2))  # the first ones load things
        before = _cpu(process)
        steady = asyncio.run(_load(port, messages, RATE * seconds, RATE))
        between = _cpu(process)
        fast = asyncio.run(_load(port, messages, RATE * seconds, 1e9))
        after = _cpu(process)
        return [
            _row(f"{RATE} messages a second", steady, between - before, "met"),
            _row("as fast as it goes", fast, after - between, ""),
        ]


def message(number: int) -> bytes:
    """A made-up message of 2 to 60 kB, with HTML, links, and sometimes an attachment."""
    chance = random.Random(number)

    def text(words: int) -> str:
        return " ".join(chance.choices(_WORDS, k=words)).capitalize() + "."

    made = EmailMessage()
    made["From"] = f"Person {chance.randrange(90)} <p{chance.randrange(90)}@example.net>"
    made["To"] = "someone@example.org"
    made["Subject"] = text(6)
    made["Message-ID"] = f"<{number}.{chance.random()}@example.net>"
    made["Date"] = "Mon, 30 Nov 2026 10:00:00 +0000"
    paragraphs = [text(40) for _ in range(chance.randrange(2, 60))]
    made.set_content("\n\n".join(paragraphs))
    rows = "".join(
        f'<tr><td style="color:#333"><a href="https://news.example.net/{n}">{each}</a></td></tr>'
        for n, each in enumerate(paragraphs)
    )
    made.add_alternative(f"<html><body><table>{rows}</table></body></html>", subtype="html")
    if number % 5 == 0:
        content = chance.randbytes(chance.randrange(1_000, 40_000))
        made.add_attachment(content, maintype="application", subtype="pdf", filename="order.pdf")
    return made.as_bytes()


async def _load(port: int, messages: list[bytes], count: int, rate: float) -> dict[str, Any]:
    """Send `count` messages over many connections; each starts at its time, or as soon as it can."""
    waits: list[float] = []
    answered = 0
    begun = time.monotonic()
    numbers = iter(range(count))

    async def sender() -> None:
        nonlocal answered
        client = await Client.connect(port)
        for number in numbers:
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            start = time.monotonic()
            answer = await client.message(messages[number % len(messages)], queue=f"4{number:06d}")
            waits.append(time.monotonic() - start)
            answered += answer.verdict == b"c" and "inconclusive" not in str(answer.added[:1])
        await client.close()

    await asyncio.gather(*(sender() for _ in range(_CONNECTIONS)))
    spent = time.monotonic() - begun
    return {
        "count": count,
        "answered": answered,
        "rate": count / spent,
        "middle": float(np.quantile(waits, 0.5)),
        "slow": float(np.quantile(waits, 0.99)),
    }


def _row(work: str, found: dict[str, Any], cpu: float, target: str) -> Row:
    met = found["rate"] >= 0.98 * RATE and found["slow"] <= SLOWEST
    said = f"target p99 {SLOWEST * 1000:.0f} ms: {'met' if met else 'missed'}; " if target else ""
    return Row(
        work,
        LABRYS,
        cpu=cpu,
        events=found["count"],
        equal="yes" if found["answered"] == found["count"] else "no",
        note=(
            f"{said}{found['rate']:.0f} a second, median {found['middle'] * 1000:.0f} ms, "
            f"p99 {found['slow'] * 1000:.0f} ms; equal: every message was judged; the sender's side "
            "runs on the same cores"
        ),
    )


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [
        program(), "mail", "serve", "--milter", f"127.0.0.1:{port}", "--http", "",
        "--folder", str(folder / "gate"), "--host", "mx.example.org",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=environment(folder), stderr=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stderr is not None
    try:
        if "milter on" not in (said := process.stderr.readline()):
            raise Failed(f"the gate does not start: {said}")
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stderr.close()


def _cpu(process: subprocess.Popen[str]) -> float:
    """CPU seconds of the gate and its processes so far."""
    import psutil

    mine = psutil.Process(process.pid)
    spent = 0.0
    for each in (mine, *mine.children(recursive=True)):
        times = each.cpu_times()
        spent += times.user + times.system
    return spent
