"""What `embed` writes is what `match` compares."""

import json

import numpy as np
import pytest

from avmatch.analysis.features import Analyser
from avmatch.core.errors import UsageError
from avmatch.pipelines.embed import embed, write_embeddings
from avmatch.pipelines.models import models_with
from avmatch.synth import SynthConfig, synthesise
from avmatch.systems.semantic.runtime import SemanticCue, load_semantic_model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embed")
    clips = synthesise(folder, SynthConfig(2, seed=4, duration_seconds=4.0, sizes=((160, 120),), kinds=("drums",)))
    return [str(folder / clip.video) for clip in clips], [str(folder / clip.audio) for clip in clips]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def by_side(result):
    return {side: [item for item in result if item.side == side] for side in ("video", "audio")}


@pytest.mark.slow
def test_semantic_vectors_are_those_of_match(files, cache):
    videos, audios = files
    found = by_side(embed([*videos, *audios], cache_dir=cache))
    assert [item.path for item in found["video"]] == videos
    assert [item.path for item in found["audio"]] == audios
    models = models_with("semantic")
    analyser = Analyser(cache, models.towers, encoders=models.encoders)
    seen, heard = [analyser.video(path) for path in videos], [analyser.audio(path) for path in audios]
    for item, features in zip([*found["video"], *found["audio"]], [*seen, *heard], strict=True):
        vectors = features.embeddings["semantic"]
        np.testing.assert_array_equal(item.vectors, vectors.data.astype(np.float32))
        assert item.times_seconds[0] == vectors.start_seconds
        assert len(item.times_seconds) == len(item.vectors) >= 3
    model = load_semantic_model("semantic")
    kinds = model.kinds.video.description
    cosines = np.array([[one.pooled @ other.pooled for other in found["audio"]] for one in found["video"]])
    nats = SemanticCue(model).curves(seen, heard, np.zeros(1)).nats[..., 0]
    of_classes = [
        np.stack([getattr(model.classes, side).encode([one.vectors])[0] for one in found[side]])
        for side in ("video", "audio")
    ]
    named = model.description.class_share * np.log(of_classes[0] @ of_classes[1].T)
    np.testing.assert_allclose(kinds.scale * (cosines - kinds.baseline) + named, nats, atol=1e-3)


@pytest.mark.slow
def test_accents_of_events_are_those_of_match(files, cache):
    result = by_side(embed(files[1], model="events", cache_dir=cache))["audio"]
    models = models_with(None)
    features = Analyser(cache, models.towers).audio(files[1][0])
    np.testing.assert_array_equal(result[0].vectors, models.events.sound_accents(features).T)
    assert result[0].rate_hz == 100
    assert result[0].pooled.shape == (32,)


@pytest.mark.slow
def test_what_is_written_can_be_read_by_anything(files, cache, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    result = embed([*files[0], str(broken)], side="video", cache_dir=cache)
    assert [failure.path for failure in result.failures] == [str(broken)]
    write_embeddings(result, tmp_path / "npy")
    lines = [json.loads(line) for line in (tmp_path / "npy" / "embeddings.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == files[0]
    assert "MIT" in lines[0]["licence"]
    assert lines[0]["model"] == "semantic"
    pooled = np.load(tmp_path / "npy" / "pooled.npy")
    for row, (line, item) in enumerate(zip(lines, result, strict=True)):
        np.testing.assert_array_equal(np.load(tmp_path / "npy" / line["vectors"]), item.vectors)
        np.testing.assert_array_equal(np.load(tmp_path / "npy" / line["times"]), item.times_seconds)
        np.testing.assert_array_equal(pooled[row], item.pooled)
    write_embeddings(result, tmp_path / "parquet", "parquet")
    table = pyarrow.read_table(tmp_path / "parquet" / "embeddings.parquet").to_pylist()
    assert len(table) == sum(len(item.vectors) for item in result)
    np.testing.assert_allclose(table[0]["vector"], result[0].vectors[0])


def test_an_unknown_format_is_refused(files, tmp_path):
    with pytest.raises(UsageError, match="there are npy, parquet"):
        write_embeddings(embed(files[1][:1], side="audio"), tmp_path, "mat")
