"""One version everywhere; the sources hold what a release needs."""

import re
import tomllib
from pathlib import Path

import avmatch

ROOT = Path(__file__).parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_citation_and_changelog_name_the_version():
    assert f"\nversion: {avmatch.__version__}\n" in text("CITATION.cff")
    sections = re.findall(r"^## (\S+)", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert sections[0] in (avmatch.__version__, "Unreleased")
    assert avmatch.__version__ in sections


def test_weights_are_small_and_every_model_has_its_card():
    weights = ROOT / "src" / "avmatch" / "weights"
    assert sum(path.stat().st_size for path in weights.rglob("*") if path.is_file()) <= 15_000_000
    for folder in weights.iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert "Licence: " in (folder / "card.md").read_text(encoding="utf-8"), folder.name


def test_workflows_pin_actions_by_hash_and_test_every_python_that_is_promised():
    classified = re.findall(r"Python :: (3\.\d+)", text("pyproject.toml"))
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        actions = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
        assert actions
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in actions), path.name
    assert (
        re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", text(".github/workflows/test.yml"))[1]) == classified
    )


def test_pinned_versions_are_of_libraries_that_are_declared():
    project = tomllib.loads(text("pyproject.toml"))
    extras = project["project"]["optional-dependencies"].values()
    names = {re.match(r"[\w-]+", entry)[0] for extra in extras for entry in extra}
    pinned = [line.split("==")[0] for line in text("constraints.txt").splitlines() if not line.startswith("#")]
    assert set(pinned) <= names
    tables = {"narwhals", "pandas", "polars", "pyarrow"}
    assert tables <= set(pinned), "tables of other libraries are tested with these versions"


def test_issue_templates_ask_what_doctor_prints():
    templates = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert templates
    for path in templates:
        assert "avmatch doctor" in path.read_text(encoding="utf-8"), path.name
