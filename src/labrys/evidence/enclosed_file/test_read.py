"""What can be said of a file that no reader knows."""

import hashlib
from pathlib import Path

from labrys.evidence.enclosed_file.read import read
from labrys.evidence.records import Source

HERE = Path(__file__).parent


def row(path: Path, name: str) -> dict[str, str]:
    data = path.read_bytes()
    source = Source(path, name, hashlib.sha256(data).hexdigest(), len(data))
    ((shape, batch),) = read(source)
    return {"shape": shape} | {k: v for k, v in batch.to_pylist()[0].items() if v is not None}


def test_its_name_is_the_last_of_all_and_told_when_it_deceives():
    made = row(HERE / "samples" / "tool.exe", "a.eml!/in.zip!/dir\\invoice.pdf.exe")
    assert (made["name"], made["extension"]) == ("invoice.pdf.exe", "exe")
    assert made["sniffed_type"] == "application/vnd.microsoft.portable-executable"
    assert made["tricks"].split("\x1e") == ["runs", "double extension"]
