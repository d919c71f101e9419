from pathlib import Path

import pytest

from labrys.errors import LabrysError
from labrys.settings import Settings, load, size


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "labrys"
    folder.mkdir(parents=True)
    return folder


def test_defaults_work() -> None:
    assert load(environment={}) == Settings()
    assert load(environment={}).workers >= 1


def test_flags_win_over_the_environment_and_that_over_the_file(home: Path) -> None:
    (home / "labrys.toml").write_text('lake = "file"\njobs = 3\nengine_memory = "1GB"\n')
    environment = {"LABRYS_LAKE": "env", "LABRYS_JOBS": "5", "LABRYS_RULES": "a:b", "OTHER": "x"}
    environment["XDG_CONFIG_HOME"] = "config"
    made = load({"lake": "flag", "jobs": None}, environment=environment)
    assert made == Settings(lake="flag", jobs=5, engine_memory="1GB", rules=("a", "b"))
    assert made.workers == 5


def test_a_file_may_be_named(here: Path) -> None:
    (here / "mine.toml").write_text('engine = "sc://localhost:1"')
    assert load(environment={"LABRYS_CONFIG": "mine.toml"}).engine == "sc://localhost:1"
    assert load(environment={}, file=here / "mine.toml").engine == "sc://localhost:1"
    with pytest.raises(LabrysError, match="no such settings file"):
        load(environment={"LABRYS_CONFIG": "none.toml"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("jobs = -1", "settings from config/labrys/labrys.toml: .*jobs"),
        ('worker_memory = "much"', "worker_memory"),
        ("nothing = 1", "nothing"),
        ("jobs = [", "cannot be read as TOML"),
    ],
)
def test_a_bad_file_is_named_with_its_reason(home: Path, text: str, reason: str) -> None:
    (home / "labrys.toml").write_text(text)
    with pytest.raises(LabrysError, match=reason):
        load(environment={"XDG_CONFIG_HOME": "config"})


def test_a_file_in_the_folder_one_stands_in_is_not_trusted(here: Path) -> None:
    (here / "labrys.toml").write_text('engine = "sc://192.0.2.1:1"')
    assert load(environment={"XDG_CONFIG_HOME": "config"}).engine == "duckdb"


def test_bad_values_elsewhere_are_named_too() -> None:
    with pytest.raises(LabrysError, match="settings from the environment"):
        load(environment={"LABRYS_JOBS": "many"})
    with pytest.raises(LabrysError, match="settings from the command line"):
        load({"worker_seconds": 0}, environment={})


def test_sizes() -> None:
    assert [size(text) for text in ("7B", "1KB", "512MB", "2GB", "1TB")] == [
        7,
        1024,
        512 << 20,
        2 << 30,
        1 << 40,
    ]


def test_assets_are_a_table_of_patterns(tmp_path: Path) -> None:
    file = tmp_path / "labrys.toml"
    file.write_text('[assets]\n"dc*" = {role = "domain controller", importance = "critical"}\n')
    made = load(file=file, environment={"LABRYS_ASSETS": "nothing"})
    assert made.assets["dc*"].importance == "critical"
    file.write_text('[assets]\n"dc*" = {importance = "very"}\n')
    with pytest.raises(LabrysError, match="importance"):
        load(file=file, environment={})


def test_tables_of_places_are_found_from_the_files_own_folder(tmp_path: Path) -> None:
    file = tmp_path / "labrys.toml"
    file.write_text('[network]\nplaces = ["a.mmdb", "/there/b.mmdb"]\n')
    made = load(file=file, environment={"LABRYS_NETWORK": "nothing"})
    assert made.network.places == (str(tmp_path.resolve() / "a.mmdb"), "/there/b.mmdb")
    assert load(environment={}).network.places == ()
    for wrong in ("places = 1", "places = [1]", "place = []"):
        file.write_text(f"[network]\n{wrong}\n")
        with pytest.raises(LabrysError, match="place"):
            load(file=file, environment={})
