"""Fills the gaps in texts of the catalogues: users, paths, numbers."""

import base64
import re
from typing import Final

from bench.benign.events import Log, sid
from bench.benign.scene import DESKS, PEOPLE, WORDS

_FIELD: Final = re.compile(r"\{(\w+)\}")
_PLACES: Final = {
    "s32": r"C:\Windows\System32",
    "pf": r"C:\Program Files",
    "pf86": r"C:\Program Files (x86)",
    "office": r"C:\Program Files\Microsoft Office\root\Office16",
    "ps": r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
    "policy": "31B2F340-016D-11D2-945F-00C04FB984F9",
}
_BOOTSTRAP: Final = (
    "&chcp.com 65001 > $null\n"
    "if ($PSVersionTable.PSVersion -lt [Version]'3.0') { '{\"failed\":true}'; exit 1 }\n"
    "$exec_wrapper_str = $input | Out-String\n"
    '$split_parts = $exec_wrapper_str.Split(@("`0`0`0`0"), 2)\n'
    "&([ScriptBlock]::Create($split_parts[0]))"
)
_ENCODED: Final = base64.b64encode(_BOOTSTRAP.encode("utf-16-le")).decode()


def filled(text: str, fields: dict[str, str]) -> str:
    """A text of the catalogue with its fields; what is no field of ours stays."""
    return _FIELD.sub(lambda found: fields.get(found[1], found[0]), text)


def fields_of(log: Log, name: str) -> dict[str, str]:
    draw = log.draw
    bits = f"{draw.getrandbits(128):032x}"
    return {
        **_PLACES,
        "user": name,
        "host": log.machine.name,
        "peer": draw.choice([each.name for each in DESKS]),
        "person": draw.choice(PEOPLE),
        "sid": sid(name),
        "local": f"C:\\Users\\{name}\\AppData\\Local",
        "roam": f"C:\\Users\\{name}\\AppData\\Roaming",
        "guid": f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}",
        "hex8": f"{draw.getrandbits(32):08x}",
        "n": str(draw.randrange(10, 9999)),
        "word": draw.choice(WORDS),
        "ansible": _ENCODED,
    }
