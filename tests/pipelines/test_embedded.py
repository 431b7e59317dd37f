"""`match` from vectors alone."""

import json

import numpy as np
import pytest

from avmatch.core.embedded import Embedded, EmbedResult
from avmatch.core.errors import UsageError
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines import embedded
from avmatch.pipelines.answers import match
from avmatch.pipelines.embed import embed, write_embeddings
from avmatch.reports.output import write_match
from avmatch.synth import SynthConfig, synthesise


def written(folder, side, pooled, model="semantic", scale=40.0):
    """A folder as `embed` writes it; None = a file without a vector."""
    items = [
        Embedded(f"{side}/{number}", side, "", np.zeros(1), np.zeros((1, 2), np.float32), 1.0, vector)
        for number, vector in enumerate(pooled)
    ]
    write_embeddings(EmbedResult(model, "none", tuple(items), (), scale, 0.2), folder)
    return folder


@pytest.fixture
def sides(tmp_path):
    random = np.random.default_rng(1)
    videos = random.normal(size=(40, 16)).astype(np.float32)
    videos /= np.linalg.norm(videos, axis=1, keepdims=True)
    order = random.permutation(40)
    audios = [*videos[order][:36], None]
    return written(tmp_path / "v", "video", videos), written(tmp_path / "a", "audio", audios), order


@pytest.mark.parametrize("kept", [embedded.MOST_KEPT, 10])
def test_each_video_gets_the_sound_whose_vector_is_its_own(sides, tmp_path, monkeypatch, kept):
    monkeypatch.setattr(embedded, "MOST_KEPT", kept)
    videos, audios, order = sides
    result = match(videos, audios, cache_dir=tmp_path / "cache")
    wanted = {f"video/{row}": f"audio/{place}" for place, row in enumerate(order.tolist()) if place < 36}
    assert {item.video: item.audio for item in result} == {f"video/{row}": None for row in range(40)} | wanted
    assert all(item.offset_seconds is None for item in result)
    assert [failure.path for failure in result.failures] == ["audio/36"]
    assert not list((tmp_path / "cache" / "scores").iterdir())
    assert result.similarity.shape == ((40, 36) if kept > 10 else (0, 0))
    assert "the scores of 40 × 36 pairs are not kept" in result.notes or kept > 10
    assert "vectors alone" in result.notes[0]
    page = write_match(result, tmp_path / "out").read_text(encoding="utf-8")
    assert "one side has no usable file" not in page
    assert result.candidates[0].rank == 1


def test_one_sound_for_several_videos(sides, tmp_path):
    vectors = np.load(sides[0] / "pooled.npy")
    videos = written(tmp_path / "twice", "video", [vectors[0], vectors[0], *vectors[1:]])
    audios = written(tmp_path / "once", "audio", vectors)
    result = match(videos, audios, MatchSettings(many=True))
    assert [item.audio for item in result][:3] == ["audio/0", "audio/0", "audio/1"]


def test_what_cannot_be_compared_is_refused(sides, tmp_path):
    videos, audios, _ = sides
    with pytest.raises(UsageError, match="has no vectors of the side audio"):
        match(videos, videos)
    with pytest.raises(UsageError, match=r"vectors of semantic, .* those of other"):
        match(videos, written(tmp_path / "o", "audio", np.eye(3, 16, dtype=np.float32), model="other"))
    with pytest.raises(UsageError, match="only one of"):
        match(videos, tmp_path)
    with pytest.raises(UsageError, match="--complete needs all scores"):
        match(videos, audios, MatchSettings(complete=True))
    with pytest.raises(UsageError, match="can't be compared as a whole"):
        match(written(tmp_path / "l", "video", np.eye(3, 16, dtype=np.float32), scale=None), audios)
    with pytest.raises(UsageError, match="leave out --model"):
        match(videos, audios, model="lips")
    with pytest.raises(UsageError, match="leave out --model, --decisions and --face-detector"):
        match(videos, audios, face_detector=tmp_path)
    with pytest.raises(UsageError, match="without --max-offset, --no-clock: leave out"):
        match(videos, audios, MatchSettings(max_offset_seconds=5.0, use_clock=False))
    with pytest.raises(UsageError, match=r"vectors of 16 numbers, .* of 3"):
        match(videos, written(tmp_path / "n", "audio", np.eye(3, dtype=np.float32)))
    with pytest.raises(UsageError, match="--on ray matches folders of vectors"):
        match(tmp_path, tmp_path, on="ray")


@pytest.mark.slow
def test_what_embed_writes_is_taken(tmp_path):
    clips = synthesise(tmp_path, SynthConfig(2, seed=4, duration_seconds=3.0, sizes=((96, 72),), kinds=("drums",)))
    write_embeddings(embed([str(tmp_path / clip.video) for clip in clips], side="video"), tmp_path / "v")
    write_embeddings(embed([str(tmp_path / clip.audio) for clip in clips], side="audio"), tmp_path / "a")
    line = json.loads((tmp_path / "v" / "embeddings.jsonl").read_text().splitlines()[0])
    assert line["scale"] > 0
    result = match(tmp_path / "v", tmp_path / "a")
    products = np.load(tmp_path / "v" / "pooled.npy") @ np.load(tmp_path / "a" / "pooled.npy").T
    np.testing.assert_allclose(result.similarity, line["scale"] * (products - line["baseline"]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("pooled", "message"),
    [
        (np.eye(40, 16)[:2], "names 40 items, pooled.npy holds 2 vectors"),
        (np.zeros(40), "must be a table of real numbers"),
        (np.zeros((40, 16), complex), "must be a table of real numbers"),
        (np.full((40, 16), 1e30), "numbers beyond 1000000"),
        (b"", "can't be read"),
        (b"PK\3\4 cut off", "can't be read"),
    ],
)
def test_vectors_that_embed_did_not_write_are_refused(sides, pooled, message):
    videos, audios, _ = sides
    (videos / "pooled.npy").write_bytes(pooled if isinstance(pooled, bytes) else b"")
    if not isinstance(pooled, bytes):
        np.save(videos / "pooled.npy", pooled)
    with pytest.raises(UsageError, match=message):
        match(videos, audios)


@pytest.mark.parametrize("change", [{"path": None}, {"path": ""}, {"scale": "2"}, {"scale": 1e300}, {"model": [1]}])
def test_lines_that_embed_did_not_write_are_refused(sides, change):
    videos, audios, _ = sides
    lines = [json.loads(line) | change for line in (videos / "embeddings.jsonl").read_text().splitlines()]
    (videos / "embeddings.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(UsageError, match=r"can't be read .*embed again"):
        match(videos, audios)


def test_names_may_hold_what_unicode_takes_for_the_end_of_a_line(tmp_path):
    names = ["a\u2028b", "c\u0085d", "e\nf", "g\udcffh"]
    vectors = np.eye(4, 16, dtype=np.float32)
    items = [Embedded(name, "video", "", np.zeros(1), np.zeros((1, 2), np.float32), 1.0, vectors[0]) for name in names]
    write_embeddings(EmbedResult("semantic", "none", tuple(items), (), 40.0, 0.2), tmp_path / "v")
    result = match(tmp_path / "v", written(tmp_path / "a", "audio", vectors))
    assert [item.video for item in result] == names


def test_a_folder_that_was_written_half_is_no_folder_of_vectors(sides, tmp_path, monkeypatch):
    videos, audios, _ = sides

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("avmatch.pipelines.embed.write_array_atomically", full)
    with pytest.raises(OSError, match="no space"):
        written(videos, "video", np.eye(40, 16, dtype=np.float32))
    with pytest.raises(UsageError, match="only one of"):
        match(videos, audios)


def test_vectors_as_parquet_are_named(sides, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "pooled.parquet").touch()
    with pytest.raises(UsageError, match=r"p: holds vectors as Parquet, .*--format npy"):
        match(tmp_path / "p", sides[1])
