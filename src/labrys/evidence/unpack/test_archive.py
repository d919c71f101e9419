import bz2
import errno
import gzip
import io
import lzma
import os
import random
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import lz4.frame
import py7zr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence.records import Source
from labrys.evidence.unpack import Limits, Problem, archive, discard, open_sources
from labrys.evidence.unpack.limits import Account, Chunk
from labrys.evidence.unpack.spool import keep

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOISE = random.Random(7).randbytes(300_000)
SMALL = Limits(ratio_from=1 << 20, min_free_disk_bytes=0)
Opened = tuple[dict[str, bytes], dict[str, str]]


def opened(data: bytes, limits: Limits = SMALL, name: str = "in") -> Opened:
    """What is in a file with that content; checks that nothing else is left in the spool."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path, spool = Path(folder, "given"), Path(folder, "spool")
        spool.mkdir()
        path.write_bytes(data)
        files: dict[str, bytes] = {}
        problems: dict[str, str] = {}
        for item in open_sources(path, name, spool, limits):
            if isinstance(item, Problem):
                problems[item.name] = item.reason
                continue
            content = item.path.read_bytes()
            assert (item.size, item.digest) == (len(content), sha256(content).hexdigest())
            assert item.name not in files
            files[item.name] = content
            discard(item, spool)
        assert list(spool.iterdir()) == []
        assert path.read_bytes() == data
        return files, problems


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def tarred(files: dict[str, bytes], **options: Any) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", **options) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def seven_zipped(files: dict[str, bytes], **options: Any) -> bytes:
    made = io.BytesIO()
    with py7zr.SevenZipFile(made, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return made.getvalue()


def test_a_plain_file_is_itself_and_an_empty_one_too() -> None:
    assert opened(b"hello") == ({"in": b"hello"}, {})
    assert opened(b"") == ({"in": b""}, {})


@pytest.mark.parametrize(
    ("packed", "inner"),
    [
        (gzip.compress(NOISE), "gz"),
        (bz2.compress(NOISE), "bz2"),
        (lzma.compress(NOISE), "xz"),
        (zstd.compress(NOISE), "zst"),
        (lz4.frame.compress(NOISE), "lz4"),
    ],
)
def test_compressed_files_are_known_by_content(packed: bytes, inner: str) -> None:
    assert opened(packed, name=f"x/a.log.{inner}") == ({f"x/a.log.{inner}!/a.log": NOISE}, {})
    assert opened(packed, name="b.evtx") == ({"b.evtx!/b.evtx": NOISE}, {})
    assert opened(packed + packed, name="b")[0] == {"b!/b": NOISE + NOISE}
    cut, problems = opened(packed[: len(packed) // 2], name="b")
    assert problems == {"b!/b": "ends early: the file is cut off"}
    if inner != "bz2":  # which decodes nothing of a block before it is whole
        assert NOISE.startswith(cut["b!/b"])
        assert len(cut["b!/b"]) > 100_000
    more, problems = opened(packed + b"garbage", name="b")
    assert more == {"b!/b": NOISE}
    assert problems["b!/b"].startswith("something else follows the compressed data at byte")
    assert opened(packed + bytes(1024) + b"\n", name="b") == ({"b!/b": NOISE}, {})


def test_xz_padding_and_zstd_skippable_frames_are_passed_over() -> None:
    packed = lzma.compress(b"one") + bytes(8) + lzma.compress(b"two")
    assert opened(packed) == ({"in!/in": b"onetwo"}, {})
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"abcd"
    packed = skippable + zstd.compress(b"one") + skippable + zstd.compress(b"two")
    assert opened(packed) == ({"in!/in": b"onetwo"}, {})
    packed = lz4.frame.compress(b"one") + skippable + lz4.frame.compress(b"two")
    assert opened(packed) == ({"in!/in": b"onetwo"}, {})


def test_damaged_gzip_gives_all_before_the_damage() -> None:
    text = b"".join(b"line %d of a log\n" % number for number in range(40_000))
    packed = bytearray(gzip.compress(text))
    packed[len(packed) // 2 :] = NOISE[: len(packed) - len(packed) // 2]
    files, problems = opened(bytes(packed))
    kept = files["in!/in"]
    assert len(kept) > len(text) // 3
    assert kept[: len(text) // 3] == text[: len(text) // 3]
    assert problems["in!/in"].startswith("damaged: ")
    packed = bytearray(gzip.compress(text))
    packed[-8] ^= 1
    files, problems = opened(bytes(packed))
    assert files["in!/in"] == text
    assert "incorrect data check" in problems["in!/in"]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_zip_members(method: int) -> None:
    files = {"a/b.log": NOISE, "empty": b"", "../../etc/passwd": b"1", "/abs": b"2", "ü": b"3"}
    packed = zipped({**files, "folder/": b""}, method)
    assert opened(packed, name="x.txt") == ({f"x.txt!/{k}": v for k, v in files.items()}, {})


def test_zip_with_duplicate_names_gives_both() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    assert opened(made.getvalue()) == ({"in!/a": b"1", "in!/a#2": b"2"}, {})


def test_zip64_and_open_ended_members() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    made = Unseekable()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a", "b"):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(NOISE)
    packed = made.getvalue()
    assert opened(packed) == ({"in!/a": NOISE, "in!/b": NOISE}, {})
    files, problems = opened(packed[:-90])  # the directory is lost
    assert files == {"in!/a": NOISE, "in!/b": NOISE}
    assert problems["in"].startswith("not a readable ZIP archive")


def test_encrypted_and_foreign_methods_are_problems() -> None:
    packed = bytearray(zipped({"secret": NOISE, "open": b"x"}))
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 8] |= 1
    files, problems = opened(bytes(packed))
    assert files == {"in!/open": b"x"}
    assert problems["in!/secret"].startswith("encrypted")
    packed[directory + 8] &= 0xFE
    packed[directory + 10] = 98
    assert opened(bytes(packed))[1] == {
        "in!/secret": "packed with method 98, which labrys cannot read"
    }


def test_zip_methods_that_the_standard_library_lacks() -> None:
    packed = bytearray(zipped({"a": b""}, zipfile.ZIP_STORED))
    content = zstd.compress(NOISE)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", content)
    packed = bytearray(made.getvalue())
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 10 : directory + 12] = struct.pack("<H", 93)
    packed[directory + 16 : directory + 20] = struct.pack("<I", zlib.crc32(NOISE))
    packed[directory + 24 : directory + 28] = struct.pack("<I", len(NOISE))
    assert opened(bytes(packed)) == ({"in!/a": NOISE}, {})


def test_deflate64_members() -> None:
    import inflate64

    text = b"some line of a log\n" * 5_000
    deflater = inflate64.Deflater()
    content = deflater.deflate(text) + deflater.flush()
    packed = bytearray(zipped({"a": content}, zipfile.ZIP_STORED))
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 10 : directory + 12] = struct.pack("<H", 9)
    packed[directory + 16 : directory + 20] = struct.pack("<I", zlib.crc32(text))
    assert opened(bytes(packed)) == ({"in!/a": text}, {})


def test_a_wrong_checksum_keeps_what_was_read() -> None:
    packed = bytearray(zipped({"a": b"first content", "b": b"x"}, zipfile.ZIP_STORED))
    packed[packed.index(b"first")] = ord("F")
    files, problems = opened(bytes(packed))
    assert files == {"in!/a": b"First content", "in!/b": b"x"}
    assert problems == {"in!/a": "its checksum is wrong: damaged or altered"}


def test_a_cut_off_zip_gives_what_is_there() -> None:
    packed = zipped({"a": b"x", "b": NOISE, "c": b"y"})
    files, problems = opened(packed[:200_000])
    assert files["in!/a"] == b"x"
    assert NOISE.startswith(files["in!/b"])
    assert len(files["in!/b"]) > 150_000
    assert set(problems) == {"in!/b", "in"}
    assert opened(b"PK\x03\x04 what is this?")[1]["in"].startswith("not a readable ZIP archive")


@pytest.mark.parametrize("mark", ["[Content_Types].xml", "META-INF/MANIFEST.MF"])
def test_documents_stay_whole(mark: str) -> None:
    document = zipped({mark: b"<x/>", "word/document.xml": b"<y/>"})
    assert opened(document) == ({"in": document}, {})
    assert opened(zipped({"d.docx": document})) == ({"in!/d.docx": document}, {})


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_members(form: int) -> None:
    files = {"a/b.log": NOISE, "empty": b"", "../up": b"1", "/abs": b"2", "d/" * 60 + "deep": b"3"}
    packed = tarred(files, format=form)
    expected = {f"in!/{name}": data for name, data in files.items()}
    assert opened(packed) == (expected, {})
    twice, problems = opened(packed + packed)
    assert twice == expected | {f"{name}#2": data for name, data in expected.items()}
    assert problems == {}
    packed = gzip.compress(packed)
    within = {name.replace("in!/", "in!/in!/", 1): data for name, data in expected.items()}
    assert opened(packed) == (within, {})


def test_tgz_and_stem_names() -> None:
    packed = gzip.compress(tarred({"a": b"x"}))
    assert opened(packed, name="c/logs.tgz")[0] == {"c/logs.tgz!/logs.tar!/a": b"x"}
    assert opened(packed, name=".gz")[0] == {".gz!/.gz!/a": b"x"}


def test_tar_links_are_left_out_and_sparse_files_filled() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"special{kind!r}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("sparse")
        info.size = 4
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.name": "sparse",
            "GNU.sparse.map": "10,4",
            "GNU.sparse.size": "20",
        }
        archive.addfile(info, io.BytesIO(b"data"))
    assert opened(made.getvalue()) == ({"in!/sparse": bytes(10) + b"data" + bytes(6)}, {})


def test_a_cut_off_or_damaged_tar_gives_what_is_there() -> None:
    packed = tarred({"a": b"x", "b": NOISE, "c": b"y"})
    files, problems = opened(packed[:150_000])
    assert files["in!/a"] == b"x"
    assert files["in!/b"] == NOISE[: len(files["in!/b"])]
    assert len(files["in!/b"]) > 140_000
    assert "cut off" in problems["in!/b"]
    broken = bytearray(packed)
    at = packed.index(b"c" + bytes(99))
    broken[at : at + 400] = b"\xff" * 400
    files, problems = opened(bytes(broken))
    assert files == {"in!/a": b"x", "in!/b": NOISE}
    assert problems["in"].startswith("not a readable tar archive from byte")


def test_a_tar_cannot_send_us_round_in_circles() -> None:
    packed = bytearray(tarred({"a": b"x", "b": b"y"}))
    packed[1024 + 124 : 1024 + 136] = b"\xff" * 8 + struct.pack(">i", -1536)
    packed[1024 + 148 : 1024 + 156] = b" " * 8
    packed[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(packed[1024:1536])
    files, problems = opened(bytes(packed))
    assert files["in!/a"] == b"x"
    assert problems


def test_old_tars_without_a_magic_are_known_by_their_checksum() -> None:
    packed = bytearray(tarred({"a": b"x"}, format=tarfile.USTAR_FORMAT))
    packed[257:500] = bytes(243)
    packed[148:156] = b" " * 8
    packed[148:156] = b"%06o\0 " % sum(packed[:512])
    assert opened(bytes(packed)) == ({"in!/a": b"x"}, {})
    packed[0] ^= 1
    assert opened(bytes(packed)) == ({"in": bytes(packed)}, {})


def test_seven_zip_members_even_with_names_that_point_outside() -> None:
    files = {"a/b.log": NOISE, "c": b"y", "d": b"z" * 100}
    packed = seven_zipped(files)
    assert opened(packed) == ({f"in!/{name}": data for name, data in files.items()}, {})
    assert opened(packed[: len(packed) // 2])[1]["in"].startswith("not a readable 7z archive")


def test_encrypted_seven_zip_is_a_problem() -> None:
    for header in (False, True):
        packed = seven_zipped({"a": b"x"}, password="p", header_encryption=header)
        assert opened(packed) == (
            {},
            {"in": "encrypted: unpack it with its password and scan the result"},
        )


def test_damaged_seven_zip_gives_what_precedes_the_damage() -> None:
    files = {f"{number}": NOISE[number * 1000 : (number + 50) * 1000] for number in range(9)}
    packed = bytearray(seven_zipped(files, filters=[{"id": py7zr.FILTER_COPY}]))
    packed[32 + 60_000] ^= 0xFF
    got, problems = opened(bytes(packed))
    assert got["in!/0"] == files["0"]
    assert problems == {"in!/1": "its checksum is wrong: damaged or altered"}
    assert got["in!/8"] == files["8"]


def test_nested_archives_open_to_the_limit() -> None:
    packed = b"core"
    for _ in range(5):
        packed = zipped({"x": packed})
    assert opened(packed) == ({"in" + "!/x" * 5: b"core"}, {})
    assert opened(zipped({"x": packed})) == (
        {},
        {"in" + "!/x" * 5: "packed more than 5 times over: not opened"},
    )


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress, lz4.frame.compress]
)
def test_a_compression_bomb_ends_as_a_problem(pack: Any) -> None:
    files, problems = opened(pack(bytes(64 << 20)), Limits(ratio_from=4 << 20, max_ratio=100))
    assert 0 < len(files["in!/in"]) <= 8 << 20
    assert "a bomb" in str(problems)


def test_ten_gigabytes_of_zeros_stop_at_once(tmp_path: Path) -> None:
    piece = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = piece.compress(bytes(16 << 20)) + piece.flush()
    path = tmp_path / "zeros.gz"
    with path.open("wb") as file:
        for _ in range(640):
            file.write(body)
    items = list(open_sources(path, "zeros.gz", tmp_path, Limits(min_free_disk_bytes=0)))
    assert [type(item) for item in items] == [Source, Problem]
    assert isinstance(items[0], Source)
    assert items[0].size <= 170 << 20


def test_zip_bombs_stop_as_a_whole() -> None:
    layer = zipped({f"{number}": bytes(1 << 20) for number in range(16)})
    packed = zipped({f"{number}.zip": layer for number in range(16)})
    files, problems = opened(packed, Limits(ratio_from=10 << 20, max_ratio=200))
    assert sum(map(len, files.values())) < 16 << 20
    assert "a bomb" in problems["in"]


def test_overlapping_members_are_bounded() -> None:
    packed = bytearray(zipped({"a": bytes(1 << 20)}))
    directory = packed.index(b"PK\x01\x02")
    end = packed.index(b"PK\x05\x06")
    entry, count = bytes(packed[directory:end]), 1_000
    tail = bytearray(packed[end:])
    tail[8:12] = struct.pack("<HH", count, count)
    tail[12:16] = struct.pack("<I", len(entry) * count)
    bomb = bytes(packed[:directory]) + entry * count + bytes(tail)
    files, problems = opened(bomb, Limits(ratio_from=10 << 20, max_ratio=100))
    assert len(files) < 20
    assert problems


def test_counts_sizes_and_directories_are_bounded() -> None:
    many = {f"{number}": b"x" for number in range(20)}
    files, problems = opened(tarred(many), Limits(max_members=5))
    assert (len(files), list(problems)) == (5, ["in"])
    files, problems = opened(zipped(many), Limits(max_members=5))
    assert (files, list(problems)) == ({}, ["in"])
    assert opened(seven_zipped(many), Limits(max_members=5))[0] == {}
    files, problems = opened(gzip.compress(NOISE), Limits(max_member_bytes=1000))
    assert files == {}  # it came in larger pieces
    assert "unpacks to more than 1000 bytes" in problems["in!/in"]
    files, problems = opened(zipped({"a": NOISE, "b": NOISE}), Limits(max_total_bytes=400_000))
    assert files["in!/a"] == NOISE
    assert 0 < len(files["in!/b"]) <= 100_000
    assert "in all" in problems["in"]
    packed = lzma.compress(b"x", preset=9)
    assert "emory" in opened(packed, Limits(max_dictionary_bytes=1 << 20))[1]["in!/in"]
    packed = zipped({"a": b"x"}, zipfile.ZIP_LZMA)
    assert "memory" in opened(packed, Limits(max_dictionary_bytes=1 << 10))[1]["in!/a"]
    packed = seven_zipped({"a": b"x"})
    assert "memory" in opened(packed, Limits(max_dictionary_bytes=1 << 10))[1]["in"]


def test_foreign_archives_are_said_to_be_unread() -> None:
    assert opened(b"Rar!\x1a\x07\x00 and so on") == (
        {},
        {"in": "is a RAR archive: unpack it and scan what was in it"},
    )


def test_an_outlook_mailbox_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = b"!BDN" + bytes(600)
    monkeypatch.setattr(archive, "find_spec", lambda _: None)
    assert opened(mailbox)[1]["in"].startswith("is an Outlook mailbox (.pst, .ost): install")
    monkeypatch.setattr(archive, "find_spec", lambda _: object())
    assert opened(mailbox) == ({"in": mailbox}, {})


def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, spool = tmp_path / "in.gz", tmp_path / "spool"
    spool.mkdir()
    path.write_bytes(gzip.compress(NOISE))

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert list(open_sources(path, "in.gz", spool, SMALL)) == [
        Problem("in.gz", 0, f"the disk of {spool} is full")
    ]
    assert list(spool.iterdir()) == []
    monkeypatch.undo()
    huge = Limits(min_free_disk_bytes=1 << 62)
    (problem,) = open_sources(path, "in.gz", spool, huge)
    assert isinstance(problem, Problem)
    assert "nearly full" in problem.reason
    assert list(spool.iterdir()) == []


def test_unreadable_files_and_spools_are_problems(tmp_path: Path) -> None:
    (problem,) = open_sources(tmp_path / "absent", "absent", tmp_path)
    assert problem == Problem("absent", 0, "cannot be read: No such file or directory")
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"x"))
    (problem,) = open_sources(path, "a.gz", tmp_path / "nowhere", SMALL)
    assert isinstance(problem, Problem)
    assert problem.reason.startswith("cannot write to")


def test_stopping_halfway_leaves_only_what_was_handed_over(tmp_path: Path) -> None:
    path, spool = tmp_path / "in", tmp_path / "spool"
    spool.mkdir()
    path.write_bytes(gzip.compress(zipped({"a": b"1", "b": b"2"})))
    sources = open_sources(path, "in", spool, SMALL)
    first = next(sources)
    sources.close()  # type: ignore[attr-defined]
    assert isinstance(first, Source)
    discard(first, spool)
    assert list(spool.iterdir()) == []


def test_an_interrupted_copy_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Chunk]:
        yield Chunk(b"x", 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(interrupted(), tmp_path, Account(SMALL, 10))
    assert list(tmp_path.iterdir()) == []


SEEDS = [
    gzip.compress(b"hello hello hello" * 50),
    bz2.compress(b"hello hello hello" * 50),
    lzma.compress(b"hello hello hello" * 50),
    zstd.compress(b"hello hello hello" * 50),
    lz4.frame.compress(b"hello hello hello" * 50),
    zipped({"a": b"hello" * 50, "b/c": b"x"}),
    zipped({"a": b"hello" * 50}, zipfile.ZIP_LZMA),
    tarred({"a": b"hello" * 50, "b" * 200: b"x"}),
    tarred({"a": b"hello" * 50, "b" * 200: b"x"}, format=tarfile.GNU_FORMAT),
    seven_zipped({"a": b"hello" * 50, "b": b"x"}),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_mutated_archives_never_raise(
    seed: bytes, changes: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(seed)
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    if cut < 0.5:
        data = data[: int(len(data) * cut * 2)]
    tight = Limits(max_total_bytes=1 << 20, max_members=100, min_free_disk_bytes=0)
    files, problems = opened(bytes(data), tight)
    if not files and not problems:  # only an archive of nothing may say nothing
        assert seed in SEEDS[4:]
    assert opened(bytes(data), tight) == (files, problems)
