# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---
# %% [markdown]
# # Notebook: match a shoot
#
# Six silent clips and their recordings, one clip and one recording that belong to nothing. They are rendered, so the
# truth is known. The same from the terminal is a [tutorial](../../docs/tutorials/match_a_shoot.md).

# %%
import csv
import os
import tempfile
from pathlib import Path

import avmatch

os.chdir(tempfile.mkdtemp())
pairs = avmatch.synthesise(Path(), avmatch.SynthConfig(6, extra_videos=1, extra_audio=1))
# %% [markdown]
# A result is a table: confidence, offset with its 95 % interval, and what each cue says.

# %%
result = avmatch.match("videos", "audio", progress=False)
result

# %% [markdown]
# It can be gone through; and here the truth is known, so how many are right?

# %%
with Path("truth.csv").open(newline="") as file:
    truth = {row["video"]: row["audio"] for row in csv.DictReader(file) if row["video"]}
right = [item.video for item in result if (item.audio or "") == truth[item.video]]
print(len(right), "of", len(truth), "clips are as they should be")

# %% [markdown]
# All pairs at once; rows are videos, columns are recordings.

# %%
result.plot()

# %% [markdown]
# The folder that the command writes, with `report.html`; and the same as a table of pandas, polars or pyarrow.

# %%
avmatch.write_match(result, "out")
sorted(path.name for path in Path("out").iterdir())

# %%
result.to_frame("pandas")[["video", "audio", "confidence", "offset_ms", "cue"]]
