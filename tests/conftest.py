"""What tests share: where the real data sets are, and a case of the demo."""

import shutil
from pathlib import Path

import pytest

from command import FORMATS, Ran, here, labrys

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real data sets are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """`labrys demo`, run once, and its folder."""
    folder = tmp_path_factory.mktemp("demo")
    ran = labrys("demo", cwd=folder)
    shutil.copytree(folder / "labrys-demo", folder / "untouched")
    return ran, folder / "labrys-demo"


@pytest.fixture
def own_demo(demo: tuple[Ran, Path], tmp_path: Path) -> Path:
    """The demo's folder for one test alone, which may change it."""
    return Path(shutil.copytree(demo[1].parent / "untouched", tmp_path / "demo"))


@pytest.fixture(scope="session")
def case(demo: tuple[Ran, Path]) -> Path:
    """The demo's case, as every test may find it: nothing is added to it but findings."""
    return demo[1] / "case.labrys"


@pytest.fixture(scope="session")
def reports(demo: tuple[Ran, Path]) -> dict[str, Ran]:
    """The demo's evidence scanned again, once for each format."""
    _, folder = demo
    words = ("scan", "evidence", "--lake", "case.labrys", "-q", "-f")
    return {form: here(*words, form, cwd=folder) for form in FORMATS}
