"""Folders that are no pretrained models."""

import pytest

from avmatch.core.errors import ModelError

pytest.importorskip("transformers")
pytest.importorskip("torch")

from avmatch.systems.pretrained.families import load
from avmatch.systems.pretrained.source import find


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "holds no settings"), ("null", "holds no settings"), ("{", "isn't JSON"), ("[" * 100_000, "isn't JSON")],
)
def test_a_configuration_that_is_none_is_refused(folder, content, message):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError, match=message):
        find(f"hf:{folder}")


@pytest.mark.parametrize("named", ["hf:", "hf:  "])
def test_a_scheme_alone_names_nothing(named):
    with pytest.raises(ModelError, match="names no model"):
        find(named)


def test_weights_that_are_cut_off_are_named(folder):
    (folder / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(ModelError, match=r"transformers can't load it .*download it again"):
        load(find(f"hf:{folder}"))
