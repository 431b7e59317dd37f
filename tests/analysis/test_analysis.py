"""Each stream is decoded once, what the cache has not at all, and a file that fails takes no other with it."""

import errno
import logging
import re
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from avmatch import __version__
from avmatch.analysis import features as analysis
from avmatch.analysis import vectors
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.analysis.vectors import ahead
from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.core.results import SYNC_COLUMNS, Failure
from avmatch.matching.decision import MatchSettings
from avmatch.media.encode import write_audio, write_clip
from avmatch.pipelines.match import match
from avmatch.pipelines.sync import sync_all
from avmatch.synth import SynthConfig, synthesise
from tiny_yunet import write_yunet

RATE_HZ = 16_000


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, (1, int(seconds * RATE_HZ)))
    return AudioSamples(samples.astype(np.float32), RATE_HZ)


def pictures(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(int(seconds * 25))]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Silent videos and recordings of two scenes, and a clip with its own sound."""
    folder = tmp_path_factory.mktemp("clips")
    synthesise(folder, SynthConfig(2, seed=3, duration_seconds=2.0, kinds=("drums", "balls")))
    write_clip(folder / "own" / "clip.mp4", pictures(2), fps=25, audio=noise(2))
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """How often each stream has been asked for."""
    counts = Counter()
    decode = vectors.decode

    def counting(path, *, video, audio, **options):
        counts.update([(path, "video")] * video + [(path, "audio")] * audio)
        return decode(path, video=video, audio=audio, **options)

    monkeypatch.setattr(vectors, "decode", counting)
    return counts


@pytest.fixture
def no_decoder(monkeypatch):
    """Returns a function that takes the decoder away."""

    def refuse(path, **_):
        raise AssertionError(f"{path} is decoded again")

    return lambda: monkeypatch.setattr(vectors, "decode", refuse)


def assert_same(first, second):
    np.testing.assert_array_equal(first.similarity, second.similarity)
    assert (first.matches, first.candidates, first.failures) == (second.matches, second.candidates, second.failures)


@pytest.mark.parametrize("use_scratch", [False, True])
@pytest.mark.parametrize("many", [False, True])
def test_a_match_decodes_each_stream_once(clips, decoded, use_scratch, many):
    settings = MatchSettings(use_scratch=use_scratch, many=many)
    result = match([*(clips / "videos").iterdir(), clips / "own" / "clip.mp4"], clips / "audio", settings)
    assert (len(result.videos), len(result.audio)) == (3, 2)
    wanted = {(path, "video"): 1 for path in result.videos} | {(path, "audio"): 1 for path in result.audio}
    assert decoded == wanted | ({(path, "audio"): 1 for path in result.videos} if use_scratch else {})


def test_a_sync_decodes_each_stream_once_and_the_other_sound_once_for_all(clips, decoded):
    clip, (audio, *_) = str(clips / "own" / "clip.mp4"), sorted((clips / "audio").iterdir())
    sync_all([clip])
    assert decoded == {(clip, "video"): 1, (clip, "audio"): 1}
    decoded.clear()
    videos = sorted(map(str, (clips / "videos").iterdir()))
    sync_all(videos, audio=audio)
    assert decoded == {(path, "video"): 1 for path in videos} | {(str(audio), "audio"): 1}


@pytest.mark.parametrize("use_scratch", [False, True])
def test_a_second_match_decodes_nothing_and_says_the_same(clips, tmp_path, no_decoder, use_scratch):
    settings = MatchSettings(use_scratch=use_scratch)
    videos = [clips / "own" / "clip.mp4"] if use_scratch else clips / "videos"
    first = match(videos, clips / "audio", settings, cache_dir=tmp_path)
    no_decoder()
    assert_same(match(videos, clips / "audio", settings, cache_dir=tmp_path), first)


def test_a_silent_video_matches_again_from_the_cache_when_scratch_sound_is_wanted(clips, tmp_path):
    settings = MatchSettings(use_scratch=True)
    first = match(clips / "videos", clips / "audio", settings, cache_dir=tmp_path)
    assert first.failures == ()
    assert_same(match(clips / "videos", clips / "audio", settings, cache_dir=tmp_path), first)


def test_what_sync_has_decoded_match_need_not(clips, tmp_path, no_decoder):
    clip = str(clips / "own" / "clip.mp4")
    (first,) = sync_all([clip], cache_dir=tmp_path)
    no_decoder()
    (second,) = sync_all([clip], cache_dir=tmp_path)
    assert first.row() == second.row()
    assert match([clip], [clip], cache_dir=tmp_path).failures == ()


def test_renamed_files_are_recognised_and_changed_ones_are_not(clips, tmp_path, decoded):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((clips / "own" / "clip.mp4").read_bytes())
    analyser = Analyser(tmp_path / "cache")
    analyser.video(str(clip))
    moved = clip.rename(tmp_path / "moved.mp4")
    analyser.video(str(moved))
    assert decoded == {(str(clip), "video"): 1}
    write_clip(moved, pictures(1, seed=5), fps=25)
    assert analyser.video(str(moved)).duration_seconds == pytest.approx(1.0)


def test_a_damaged_cache_entry_is_made_again(clips, tmp_path, decoded):
    clip = str(clips / "own" / "clip.mp4")
    first = Analyser(tmp_path).audio(clip)
    (entry,) = tmp_path.rglob("*.npz")
    entry.write_bytes(b"damaged")
    np.testing.assert_array_equal(Analyser(tmp_path).audio(clip).flux, first.flux)
    assert decoded[clip, "audio"] == 2


def test_no_cache_keeps_nothing(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Analyser().both(str(clips / "own" / "clip.mp4"))
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_can_t_be_written_is_said_before_any_work(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"file/deep: features can't be kept there \(Not a directory\); .*--no-cache"):
        Analyser(tmp_path / "file" / "deep")


def test_a_cache_that_is_full_costs_no_answer(clips, tmp_path, monkeypatch):
    def full(path, features):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(analysis.store, "save", full)
    with pytest.warns(UserWarning, match=r"features can't be kept there \(No space left on device\)"):
        picture, sound = Analyser(tmp_path).both(str(clips / "own" / "clip.mp4"))
    assert len(picture.motion)
    assert sound.duration_seconds > 1


def test_features_say_how_long_and_how_fast(clips):
    video, audio = Analyser().both(str(clips / "own" / "clip.mp4"))
    assert video.fps == pytest.approx(25.0)
    assert video.duration_seconds == pytest.approx(2.0)
    assert audio.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert video.thumbnail_jpeg.startswith(b"\xff\xd8")
    assert video.scratch is None


def test_the_own_sound_is_kept_as_scratch_only_when_asked_for(clips):
    scratch = Analyser().video_with_scratch(str(clips / "own" / "clip.mp4")).scratch
    assert scratch is not None
    np.testing.assert_array_equal(scratch.flux, Analyser().audio(str(clips / "own" / "clip.mp4")).flux)


@pytest.mark.parametrize(("wanted", "reason"), [("video", "no_video"), ("both", "no_video"), ("audio", None)])
def test_a_sound_file_has_no_picture(tmp_path, wanted, reason):
    write_audio(tmp_path / "a.wav", noise(1))
    if reason is None:
        assert Analyser().audio(str(tmp_path / "a.wav")).duration_seconds == pytest.approx(1.0)
        return
    with pytest.raises(MediaError, match="there is no picture in it") as caught:
        getattr(Analyser(), wanted)(str(tmp_path / "a.wav"))
    assert caught.value.reason == reason


@pytest.mark.parametrize("cached", [False, True])
def test_a_silent_video_has_no_sound_cached_or_not(clips, tmp_path, cached):
    analyser = Analyser(tmp_path)
    video = str(next((clips / "videos").iterdir()))
    if cached:
        analyser.video(video)
    with pytest.raises(MediaError, match=r"there is no sound in it .* name the sound's file") as caught:
        analyser.both(video)
    assert caught.value.reason == "no_audio"


def test_a_file_that_fails_becomes_a_row_and_the_rest_goes_on(clips, tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    (tmp_path / "good.mp4").write_bytes((clips / "own" / "clip.mp4").read_bytes())
    paths = [str(tmp_path / f"{name}.mp4") for name in ("text", "empty", "good", "gone")]
    answers = analyse_all(Analyser(tmp_path / "cache").video, paths, "videos")
    assert [isinstance(answer, Failure) for answer in answers] == [True, True, False, True]
    assert [answer.path for answer in answers if isinstance(answer, Failure)] == [paths[0], paths[1], paths[3]]


@pytest.mark.parametrize("fault", [OSError("disk"), MemoryError(), cv2.error("odd size")])
def test_whatever_goes_wrong_with_one_file_is_said_in_its_row(fault):
    def analyse(path):
        if path == "bad":
            raise fault
        return path

    first, bad, last = analyse_all(analyse, ["a", "bad", "c"], "videos")
    assert (first, last) == ("a", "c")
    assert (bad.path, bad.stage) == ("bad", "features")
    assert bad.message == f"could not be analysed ({type(fault).__name__}: {fault}); copy or convert it again"


@pytest.mark.parametrize("bug", [ValueError("odd\nshape"), ZeroDivisionError("zero"), KeyError("name")])
def test_a_bug_is_called_one_and_the_rest_goes_on(bug, caplog):
    def analyse(path):
        if path == "bad":
            raise bug
        return path

    with caplog.at_level(logging.DEBUG, "avmatch"):
        first, bad, last = analyse_all(analyse, ["a", "bad", "c"], "videos")
    assert (first, last) == ("a", "c")
    what = " ".join(f"{type(bug).__name__}: {bug}".split())
    assert bad.message.startswith(f"a bug in avmatch, please report it: {what} (avmatch {__version__}, Python 3.")
    assert "again" not in bad.message
    assert "in analyse\n    raise bug" in caplog.text


def test_what_is_no_fault_of_one_file_ends_the_run():
    def analyse(path):
        raise ModelError("lips: export it again")

    with pytest.raises(ModelError, match="lips: export it again"):
        analyse_all(analyse, ["clip"], "videos")


def test_opencv_gets_its_threads_back_when_the_last_of_overlapping_runs_ends():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with ThreadPoolExecutor() as pool:
            both_run, one_has_ended = threading.Barrier(2, timeout=60), threading.Event()
            first = pool.submit(analyse_all, lambda _: both_run.wait(), ["a"], "videos")

            def outlast(path):
                both_run.wait()
                assert one_has_ended.wait(60)
                return cv2.getNumThreads()

            second = pool.submit(analyse_all, outlast, ["b"], "videos")
            first.result()
            one_has_ended.set()
            assert second.result() == [1]
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_progress_counts_files_and_the_order_is_kept():
    calls = []
    answers = analyse_all(str.upper, list("abcd"), "videos", lambda *call: calls.append(call), num_workers=3)
    assert answers == list("ABCD")
    assert calls == [("videos", number, 4) for number in (1, 2, 3, 4)]


def test_a_match_names_its_failures_and_keeps_a_row_for_each_video(clips, tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "text.wav").write_text("not a sound")
    videos = [*sorted((clips / "videos").iterdir()), tmp_path / "text.mp4"]
    result = match(videos, [*(clips / "audio").iterdir(), tmp_path / "text.wav"])
    assert [item.video for item in result.matches] == [str(path) for path in videos]
    assert {failure.path for failure in result.failures} == {str(tmp_path / "text.mp4"), str(tmp_path / "text.wav")}
    assert result.similarity.shape == (2, 2)
    failed = result.matches[-1]
    assert (failed.audio, failed.confidence, failed.score, failed.runner_up) == (None, 0.0, None, None)


@pytest.fixture(scope="module")
def cut_off(clips, tmp_path_factory):
    """The clip with its own sound, of which half is missing."""
    path = tmp_path_factory.mktemp("cut") / "half.mkv"
    write_clip(path, pictures(4), fps=25, audio=noise(4))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return str(path)


@pytest.mark.parametrize("again", [False, True], ids=["decoded", "kept"])
def test_a_match_says_how_much_of_a_file_could_not_be_read(clips, cut_off, tmp_path_factory, again):
    cache_dir = tmp_path_factory.getbasetemp() / "cache-of-damages"
    clip, text = str(clips / "own" / "clip.mp4"), str(clips / "truth.csv")
    result = match([clip, cut_off, text], [cut_off], MatchSettings(complete=True), cache_dir=cache_dir)
    whole, half, none = (item.missing_share for item in result.matches)
    assert half == pytest.approx(0.5, abs=0.1)
    assert whole in (0.0, half)  # that of the recording it gets, if any
    assert none is None
    share = f"{100 * half:.0f} %"
    damages = [note for note in result.notes if "could not be read" in note]
    for kind, note in zip(("picture", "sound"), damages, strict=True):
        said = re.fullmatch(
            rf"{cut_off}: {share} of its {kind} \((\d\.\d) s\) could not be read, and the rest was matched; "
            "copy the file again",
            note,
        )
        assert said is not None, note
        assert float(said[1]) == pytest.approx(2.0, abs=0.4)
    assert [failure.path for failure in result.failures] == [text]


def test_a_sync_says_how_much_of_a_file_could_not_be_read(clips, cut_off):
    whole, half = sync_all([str(clips / "own" / "clip.mp4"), cut_off])
    assert whole.missing_share == 0.0
    assert half.missing_share == pytest.approx(0.5, abs=0.1)
    assert half.row()[SYNC_COLUMNS.index("missing")] == round(half.missing_share, 4)
    assert (whole.damaged_seconds, half.damaged_seconds) == (0.0, pytest.approx(2.0, abs=0.4))


def test_blocks_made_ahead_come_in_order_and_errors_where_they_are_wanted():
    def blocks():
        yield from range(5)
        raise ValueError("the sixth is broken")

    taken = []
    with pytest.raises(ValueError, match="the sixth is broken"):
        deque(map(taken.append, ahead(blocks())), maxlen=0)
    assert taken == [0, 1, 2, 3, 4]


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    endless = ahead(iter(range(10**9)))
    assert next(endless) == 0
    endless.close()
    assert threading.active_count() == before


def test_another_face_detector_sees_other_faces_and_keeps_them_apart(tmp_path):
    frames = [np.full((128, 192, 3), 250, np.uint8) for _ in range(30)]
    write_clip(tmp_path / "bright.mp4", frames, fps=25)
    given = write_yunet(tmp_path / "yunet.onnx")
    for _ in range(2):
        seen = Analyser(tmp_path / "cache", face_detector=given).video(str(tmp_path / "bright.mp4"))
        assert seen.mouths
        assert not Analyser(tmp_path / "cache").video(str(tmp_path / "bright.mp4")).mouths


def test_a_face_detector_that_can_t_be_used_is_said_before_any_work(clips, tmp_path, no_decoder):
    with pytest.raises(ModelError, match=r"absent.onnx: no such file; name a face_detection_yunet"):
        match(clips / "videos", clips / "audio", face_detector=tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match=r"absent.onnx: no such file"):
        sync_all([str(clips / "own" / "clip.mp4")], face_detector=tmp_path / "absent.onnx")
