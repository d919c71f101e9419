"""Process-creation events in bulk, with a stated share of distinct command lines.

Everything is simulated from a fixed seed. Repetition is what drives the cost of matching, so it is
a parameter: `low` repeats little (80 % of command lines are distinct), `medium` 40 %, `high` 8 %
(on real hosts 8 to 10 % of host-log field values are distinct). One event in 250 carries fragments
of the rules' own literals, so that rules have something to find.
"""

# ruff: noqa: SIM905 words in a row read better than sixty quoted ones

import random
from typing import Final

import numpy as np
import pyarrow as pa

DISTINCT: Final = {"low": 0.8, "medium": 0.4, "high": 0.08}
SHAPE: Final = "windows.sysmon.1"
_DIRS: Final = (
    "C:\\Windows\\System32",
    "C:\\Windows\\SysWOW64",
    "C:\\Windows",
    "C:\\Program Files\\Common Files\\Services",
    "C:\\Program Files (x86)\\Vendor\\Update",
    "C:\\Program Files\\Microsoft Office\\root\\Office16",
    "C:\\Users\\{user}\\AppData\\Local\\Programs\\Tool",
    "C:\\ProgramData\\Agent",
)
_NAMES: Final = (
    "svchost cmd powershell conhost explorer rundll32 dllhost taskhostw RuntimeBroker msedge chrome "
    "winword excel outlook teams git python node java msbuild dotnet code notepad mmc reg sc net net1 "
    "whoami ipconfig schtasks wmic wscript cscript mshta regsvr32 certutil bitsadmin msiexec sihost "
    "SearchIndexer backgroundTaskHost WmiPrvSE spoolsv lsass services wininit csrss smss fontdrvhost "
    "dwm ctfmon OneDrive slack zoom acrobat 7z curl ssh ping nslookup tasklist findstr robocopy xcopy"
).split()
_ARGS: Final = (
    "-k netsvcs -p -s {word}",
    '/c "echo {word} > %TEMP%\\{word}.log"',
    "--type=renderer --lang=en-US --field-trial-handle={number} --enable-features={word}",
    "-NoProfile -ExecutionPolicy RemoteSigned -File C:\\Scripts\\{word}.ps1 -Id {number}",
    "/Processid:{{{number}-{word}}}",
    '"C:\\Users\\{user}\\Documents\\{word} {number}.docx"',
    "-Embedding",
    "build C:\\src\\{word}\\{word}.csproj -c Release /p:Version={number}",
    "--monitor --interval 300 --config C:\\ProgramData\\{word}\\agent.json --id {number}",
    "query HKLM\\SOFTWARE\\{word} /v {number}",
    "-jar C:\\apps\\{word}.jar --port {number} --profile {word}",
)
_WORDS: Final = tuple(
    f"{a}{b}"
    for a in "alpha beta gamma delta report invoice build cache sync user data plan team north south lake river stone cloud".split()
    for b in ("", "s", "2", "_old", "-main", "Svc", "Host")
)


def process_events(
    count: int, repetition: str, literals: dict[str, list[str]], seed: int = 7
) -> pa.Table:
    """`count` events of shape `windows.sysmon.1`; `literals` gives rule fragments by field."""
    draw = random.Random(seed)
    pick = np.random.default_rng(seed)
    users = [f"user{i:03d}" for i in range(200)]
    images = [
        f"{folder.format(user=draw.choice(users))}\\{name}.exe"
        for folder in _DIRS
        for name in _NAMES
    ]
    pool = max(int(count * DISTINCT[repetition]), 1)
    lines = []
    for number in range(pool):
        args = draw.choice(_ARGS).format(
            word=draw.choice(_WORDS), number=draw.randrange(10**8), user=draw.choice(users)
        )
        extra = ""
        if draw.random() < 0.004:
            extra = " " + " ".join(draw.sample(literals["CommandLine"], 3))
        lines.append(f"{draw.choice(images)} {args} #{number}{extra}")
    planted = images + ["C:\\Temp" + v if v.startswith("\\") else v for v in literals["Image"]]
    image_share = _zipf(pick, count, images)
    table = {
        "_id": [f"bench-{i}" for i in range(count)],
        "_time": 1_760_000_000_000 + np.arange(count, dtype=np.int64) * 25,
        "_source": ["bench"] * count,
        "_offset": np.arange(count, dtype=np.int64),
        "_host": _take(pick, [f"ws{i:03d}.corp.example" for i in range(150)], count),
        "EventID": pa.array(["1"]).take(pa.array(np.zeros(count, np.int64))),
        "Channel": pa.array(["Microsoft-Windows-Sysmon/Operational"]).take(
            pa.array(np.zeros(count, np.int64))
        ),
        "Image": _mixed(pick, image_share, planted, count),
        "ParentImage": _mixed(pick, _zipf(pick, count, images), planted, count),
        "CommandLine": _distinct_first(pick, lines, count),
        "ParentCommandLine": _take(pick, lines[: max(pool // 20, 1)], count),
        "User": _take(pick, [f"CORP\\{u}" for u in users] + ["NT AUTHORITY\\SYSTEM"] * 80, count),
        "IntegrityLevel": _take(pick, ["Medium", "High", "System", "Low"], count),
        "CurrentDirectory": _take(pick, [f"C:\\Users\\{u}\\" for u in users] + list(_DIRS), count),
        "OriginalFileName": _take(
            pick, [f"{n}.EXE" for n in _NAMES] + literals["OriginalFileName"], count
        ),
        "Company": _take(pick, ["Microsoft Corporation", "Vendor Ltd", "-", "Example GmbH"], count),
        "Product": _take(pick, ["Microsoft Windows Operating System", "Update", "-"], count),
        "Description": _take(pick, ["Host Process", "Console", "Updater", "-"], count),
        "Hashes": _take(
            pick,
            [
                f"MD5={draw.getrandbits(128):032X},IMPHASH={draw.getrandbits(128):032X}"
                for _ in range(3000)
            ],
            count,
        ),
    }
    return pa.table(table)


def _take(pick: np.random.Generator, values: list[str], count: int) -> pa.Array:
    return pa.array(values).take(pa.array(pick.integers(0, len(values), count)))


def _zipf(pick: np.random.Generator, count: int, values: list[str]) -> np.ndarray:
    return np.minimum(pick.zipf(1.3, count) - 1, len(values) - 1)


def _mixed(pick: np.random.Generator, share: np.ndarray, values: list[str], count: int) -> pa.Array:
    rare = pick.random(count) < 0.004
    share = np.where(rare, pick.integers(0, len(values), count), share)
    return pa.array(values).take(pa.array(share))


def _distinct_first(pick: np.random.Generator, lines: list[str], count: int) -> pa.Array:
    """Every line at least once, the rest repeated, in a shuffled order."""
    order = np.concatenate(
        [np.arange(len(lines)), pick.integers(0, len(lines), count - len(lines))]
    )
    pick.shuffle(order)
    return pa.array(lines).take(pa.array(order))
