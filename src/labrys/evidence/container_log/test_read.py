import hashlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence.container_log.read import read, sniff
from labrys.evidence.records import Source

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path, name: str = "") -> list[dict[str, Any]]:
    raw = path.read_bytes()
    source = Source(path, name or path.name, hashlib.sha256(raw).hexdigest(), len(raw))
    found = [
        {"shape": shape} | {key: one for key, one in row.items() if one is not None}
        for shape, batch in read(source)
        for row in batch.to_pylist()
    ]
    return sorted(found, key=lambda row: row["_offset"])


def test_what_the_messages_become() -> None:
    request, parted, record, bad = rows(HERE / "samples" / "cri.log")
    assert (request["shape"], request["cs-uri-query"], request["c-ip"]) == (
        *("web.access", "cmd=id", "192.0.2.7"),
    )
    assert (parted["line"], parted["stream"], parted["_time"]) == (
        *("a long message", "stderr", 1_772_600_768_000),
    )
    assert (record["shape"], record["user"], record["_time"]) == (
        *("json.record", "bob", 1_772_600_768_000),
    )
    assert bad["shape"] == "unparsed"
    said = [row.get("line") for row in rows(HERE / "samples" / "docker-json.log")]
    assert said == [None, "ready", "in two parts", None]


def test_the_path_tells_which_container(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes((HERE / "samples" / "cri.log").read_bytes())
    for name in (
        f"node.tar!/var/log/containers/web-7d4_prod_nginx-{'0a' * 32}.log",
        "var/log/pods/prod_web-7d4_0f3c2c1e-aaaa-bbbb-cccc-0123456789ab/nginx/0.log.20260304",
    ):
        first = rows(path, name)[0]
        assert (first["k8s.pod"], first["k8s.namespace"], first["container"]) == (
            *("web-7d4", "prod", "nginx"),
        )
    docker = f"docker/containers/{'0a' * 32}/{'0a' * 32}-json.log"
    assert rows(path, docker)[0]["container.id"] == "0a" * 32


def test_it_leaves_others_alone() -> None:
    for head in (
        b"",
        b"{}",
        b'{"log":"x","level":"info","time":"2026-03-04T05:06:07Z","a":1,"b":2}\n',
        b"2026-03-04T05:06:07Z host sshd[1]: stdout F\n",
        b"2026-03-04T05:06:07Z stdout message\n",
    ):
        assert sniff(head, "x-json.log") == 0


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([path.read_bytes() for path in SAMPLES]),
    st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=6)), max_size=6),
)
def test_no_damage_stops_it(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    raw = bytearray(data)
    for at, new in changes:
        raw[at % len(raw) : at % len(raw)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(raw)
        sniff(bytes(raw), "x")
        assert rows(path) == rows(path)
