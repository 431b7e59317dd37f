"""`make light`: run by the Python of an install without extras; torch must not come in.

A match and a sync on clips rendered here, then a look at what has been imported.
"""

import sys
import tempfile
from pathlib import Path

import avmatch

with tempfile.TemporaryDirectory() as folder:
    clips = Path(folder)
    avmatch.synthesise(clips, avmatch.SynthConfig(3, seed=1, kinds=("drums",)))
    result = avmatch.match(clips / "videos", clips / "audio")
    video, audio = next((item.video, item.audio) for item in result.matches if item.audio)
    offset = avmatch.sync(video, audio=audio)
    avmatch.write_match(result, clips / "result")
    timelines = [avmatch.export(clips / "result", name) for name in ("fcpxml", "xmeml", "edl", "ale", "mlt", "csv")]
    try:
        avmatch.export(clips / "result", "otio")
    except avmatch.MissingExtraError as error:
        print(error)
    else:
        raise AssertionError("OpenTimelineIO is no part of a bare install")
print(result)
print(offset)
assert len(result.matches) == 3, result
assert all(timeline.num_clips == 3 for timeline in timelines), timelines
assert offset.status != "failed", offset
assert {"lips", "events"} <= set(result.settings["cues"]), result.settings
heavy = {"torch", "transformers", "pandas", "pyarrow", "tensorflow", "jax"} & set(sys.modules)
assert not heavy, heavy
print("light: one match and one sync without", ", ".join(["torch", "pandas", "pyarrow"]))
