# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---
# %% [markdown]
# # Notebook: a sync report for talking heads
#
# Drawn faces whose sound comes 120 ms late. Drawn faces are far from what the models learned from: this shows the
# calls, not how good they are ([talking faces](../../docs/systems/lips.md)). The same from the terminal is a
# [tutorial](../../docs/tutorials/sync_report.md).

# %%
import tempfile
from pathlib import Path

import avmatch

heads = Path(tempfile.mkdtemp())
config = avmatch.SynthConfig(4, seed=3, duration_seconds=4.0, kinds=("face",), offset_seconds=0.12)
pairs = avmatch.synthesise(heads, config)

# %% [markdown]
# One picture with its own voice, and with another one's. `belongs` is the probability that the voice is of this
# picture at all; `confidence` that it is and the offset is right.

# %%
own = avmatch.sync(heads / pairs[0].video, audio=heads / pairs[0].audio)
other = avmatch.sync(heads / pairs[0].video, audio=heads / pairs[2].audio)
for name, answer in (("own", own), ("other", other)):
    print(f"{name}: {answer.status}, offset {answer.offset_seconds:+.3f} s, belongs {answer.belongs:.2f}")

# %% [markdown]
# A report of a folder needs files with sound. `match` pairs them, and each offset stands beside its interval.

# %%
result = avmatch.match(heads / "videos", heads / "audio", max_offset_seconds=1.0, progress=False)
result

# %%
for item in result:
    print(f"{Path(item.video).name}: {item.offset_seconds:+.3f} s, sure {item.offset_confidence:.2f}")
