import re
from importlib.resources import files
from pathlib import Path

import pytest

from labrys.errors import LabrysError
from labrys.ocsf import attack, maps, sql
from labrys.ocsf.entities import entity_columns
from labrys.ocsf.schema import ENTITY_TYPES
from labrys.ocsf.vocabulary import BIGINT, attribute_type, class_named, classes, data

ROLES = {"actor", "target", "source", "destination", "device", "parent", "object"}
PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
TABLES = sorted(Path(str(files("labrys"))).glob("evidence/*/ocsf.toml"))


def test_there_are_maps_and_all_are_loaded() -> None:
    origins = {made.origin for made in maps.maps()}
    assert TABLES
    for path in TABLES:
        if "[[map]]" in path.read_text("utf-8"):
            assert f"labrys.evidence.{path.parent.name}/ocsf.toml" in origins


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_a_map_is_well_formed(path: Path) -> None:
    made = maps.parse(path.read_text("utf-8"), str(path))
    for each in made:
        assert each.shapes
        assert each.attributes
        names = [attribute.path for attribute in each.attributes]
        assert len(names) == len(set(names))
        for attribute in each.attributes:
            assert PATH.fullmatch(attribute.path), attribute.path
            assert all(attribute.columns) or not attribute.columns
            # A number read from text must have a number's type, or the view would show text.
            if attribute.how in maps.NUMBERS or attribute.codes:
                assert attribute_type(attribute.path) == BIGINT, attribute.path
        columns = sql.class_columns(each.class_uid)
        assert len({name.lower() for name in columns}) == len(columns)


def test_the_first_map_that_fits_wins_for_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        [[map]]
        shapes = ["a.b"]
        class_uid = 1007
        [map.columns]
        "process.name" = "First"
        [[map]]
        shapes = ["a.*"]
        class_uid = 1007
        [map.columns]
        "process.name" = "Second"
        [[map]]
        shapes = ["a.?"]
        class_uid = 3002
        [map.columns]
        "user.name" = "Third"
    """
    monkeypatch.setattr(maps, "maps", lambda: maps.parse(text, "test"))
    try:
        maps.mapping_for.cache_clear()
        got = [(made.class_uid, made.attributes[0].columns) for made in maps.mapping_for("a.b")]
        assert got == [(1007, ("First",)), (3002, ("Third",))]
        assert [made.class_uid for made in maps.mapping_for("a.other")] == [1007]
        assert maps.mapping_for("b.b") == ()
    finally:
        maps.mapping_for.cache_clear()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[map]]\nshapes = ['a']\nclass_uid = 12", "unknown class_uid 12"),
        ("[[map]]\nclass_uid = 1007", "shapes"),
        (
            "[[map]]\nshapes = ['a']\nclass_uid = 1007\n[map.columns]\n'x' = {column = 'X', as = 'y'}",
            "as",
        ),
        (
            "[[map]]\nshapes = ['a']\nclass_uid = 1007\n[map.columns]\n'x' = {value = 1, column = 'X'}",
            "either",
        ),
        ("[[map]]\nshapes = ['a']\nclass_uid = 1007\n[map.columns]\n'x' = {}", "either"),
        ("[[map]]\nshapes = ['a']\nclass_uid = 1007\n[map.columns]\n'x' = {colum = 'X'}", "colum"),
        ("[[map", "TOML"),
    ],
)
def test_a_bad_map_is_named_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(LabrysError, match=f"made/ocsf.toml: .*{reason}"):
        maps.parse(text, "made/ocsf.toml")


def test_the_vocabulary_is_consistent() -> None:
    names = [made.name for made in classes().values()]
    assert len(names) == len(set(names))
    assert class_named("process_activity") == classes()[1007]
    assert class_named("nothing") is None
    for made in classes().values():
        assert PATH.fullmatch(made.name)
    for entry in data("entities.toml")["entity"]:
        assert entry["type"] in ENTITY_TYPES
        assert entry["role"] in ROLES
        assert all(PATH.fullmatch(path) for path in entry["from"])


def test_every_mapped_shape_names_its_entities() -> None:
    for made in maps.maps():
        for shape in made.shapes:
            assert {column.type for column in entity_columns(shape)} <= set(ENTITY_TYPES)


def test_attack_techniques_and_tactics() -> None:
    assert attack.technique("t1003.001") == attack.Technique(
        "T1003.001", "LSASS Memory", ("credential-access",)
    )
    unknown_part = attack.technique("T1003.999")
    assert unknown_part is not None
    assert unknown_part.uid == "T1003"
    assert attack.technique("T9999") is None
    assert attack.tactics_of(["T1486", "T1566.001", "T0"]) == ("initial-access", "impact")
    assert [made.order for made in attack.tactics().values()] == list(range(14))
    for made in attack.techniques().values():
        assert made.tactics
        assert set(made.tactics) <= set(attack.tactics())
    assert "MITRE" in attack.notice()
