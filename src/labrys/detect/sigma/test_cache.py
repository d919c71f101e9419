import os
import stat
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from labrys.detect.sigma import cache
from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.parse import parse

RULE = """\
title: {title}
id: {title}
logsource: {{product: windows}}
detection: {{s: {{A|expand: '{value}'}}, condition: s}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABRYS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_UNSETTLED_NS", 0)
    return tmp_path / "cache"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for title in ("a", "b"):
        write(folder / f"{title}.yml", title, "x")
    return folder


def write(path: Path, title: str, value: str) -> None:
    path.write_text(RULE.format(title=title, value=value))


def count_compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    done: list[int] = []
    module = sys.modules["labrys.detect.sigma.parse"]
    real = module.compile_texts

    def counted(*arguments: Any) -> RuleSet:
        done.append(1)
        return real(*arguments)

    monkeypatch.setattr(module, "compile_texts", counted)
    return done


def test_what_is_loaded_is_what_would_be_compiled(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = count_compilations(monkeypatch)
    first = cache.load([rules])
    again = cache.load([rules])
    assert first == again == parse([rules])
    assert len(done) == 1


def test_names_that_are_no_text_are_escaped(rules: Path) -> None:
    odd = os.fsencode(rules) + b"/\xff.yml"
    try:
        os.rename(rules / "a.yml", odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    assert cache.load([rules]) == cache.load([rules])
    assert cache.load([rules]).rules[1].path == f"{rules}/\\xff.yml"


def test_any_change_is_seen(rules: Path) -> None:
    assert len(cache.load([rules]).rules) == 2
    write(rules / "c.yml", "c", "x")
    assert len(cache.load([rules]).rules) == 3
    (rules / "a.yml").unlink()
    assert [rule.title for rule in cache.load([rules]).rules] == ["b", "c"]
    before = (rules / "b.yml").stat()
    write(rules / "b.yml", "z", "x")
    os.utime(rules / "b.yml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [rule.title for rule in cache.load([rules]).rules] == ["z", "c"]


def test_touched_files_are_read_but_not_compiled(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = count_compilations(monkeypatch)
    first = cache.load([rules])
    os.utime(rules / "a.yml")
    assert cache.load([rules]) == first
    assert len(done) == 1


def test_lists_make_another_rule_set(rules: Path) -> None:
    write(rules / "c.yml", "c", "%name%")
    assert cache.load([rules]).rejected[0].waiting
    assert len(cache.load([rules], {"name": ["x"]}).rules) == 3
    assert cache.load([rules]).rejected[0].waiting


def test_a_damaged_or_foreign_cache_is_rebuilt(rules: Path, place: Path) -> None:
    good = cache.load([rules])
    for path in list(place.iterdir()):
        for content in (b"", b"x", path.read_bytes()[:-1], path.read_bytes() + b"x"):
            path.write_bytes(content)
            assert cache.load([rules]) == good
    for path in place.iterdir():
        cache.put_blob(path.name, msgspec.msgpack.encode(["not", "a", "rule", "set"]))
    assert cache.load([rules]) == good
    other = msgspec.structs.replace(good, digest="other")
    (name,) = [path.name for path in place.iterdir() if path.name.endswith(".rules")]
    cache.put_blob(name, msgspec.msgpack.encode(other))
    assert cache.load([rules]) == good


def test_the_cache_is_private(rules: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.load([rules])
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in place.iterdir())
    done = count_compilations(monkeypatch)
    for path in place.iterdir():
        path.chmod(0o666)  # others could have written these
    cache.load([rules])
    place.chmod(0o777)
    cache.load([rules])
    assert len(done) == 2


def test_without_a_place_to_write_rules_load_all_the_same(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABRYS_CACHE", str(tmp_path / "file" / "cache"))
    assert len(cache.load([rules]).rules) == 2
    assert cache.blob("x") is None
    assert not cache.put_blob("x", b"y")


def test_files_changed_just_now_are_not_trusted(
    rules: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_UNSETTLED_NS", 1 << 62)
    cache.load([rules])
    assert not [path for path in place.iterdir() if path.name.endswith(".listing")]


def test_blobs_lie_beside(place: Path) -> None:
    assert cache.blob("some-name.bin") is None
    assert cache.put_blob("some-name.bin", b"content")
    assert cache.blob("some-name.bin") == b"content"
    assert cache.put_blob("some-name.bin", b"new")
    assert cache.blob("some-name.bin") == b"new"
    for name in ("", "../x", "a/b", ".hidden", "x" * 200):
        with pytest.raises(ValueError, match="not a name"):
            cache.blob(name)


def test_the_least_recently_used_make_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 2)
    for number, name in enumerate(["a", "b"]):
        cache.put_blob(name, b"x")
        os.utime(place / name, (1000 + number, 1000 + number))
    (place / ".left").write_bytes(b"x")
    os.utime(place / ".left", (1000, 1000))
    cache.put_blob("c", b"x")
    assert sorted(os.listdir(place)) == ["b", "c"]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LABRYS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "labrys"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "labrys"
