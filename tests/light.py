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
print(result)
print(offset)
assert len(result.matches) == 3, result
assert offset.status != "failed", offset
assert {"lips", "events"} <= set(result.settings["cues"]), result.settings
heavy = {"torch", "pandas", "pyarrow", "tensorflow", "jax"} & set(sys.modules)
assert not heavy, heavy
print("light: one match and one sync without", ", ".join(["torch", "pandas", "pyarrow"]))
