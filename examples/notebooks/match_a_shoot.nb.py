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
import tempfile
from pathlib import Path

import avmatch

shoot = Path(tempfile.mkdtemp())
pairs = avmatch.synthesise(shoot, avmatch.SynthConfig(6, extra_videos=1, extra_audio=1))

# %% [markdown]
# A result is a table with thumbnails: confidence, offset with its 95 % interval, and what decided.

# %%
result = avmatch.match(shoot / "videos", shoot / "audio", progress=False)
result

# %% [markdown]
# It can be gone through, and has the reasons in words.

# %%
for item in result:
    print(Path(item.video).name, "→", Path(item.audio).name if item.audio else "nothing", "|", item.why)

# %% [markdown]
# How many are right?

# %%
with (shoot / "truth.csv").open(newline="") as file:
    truth = {Path(row["video"]).name: Path(row["audio"]).name for row in csv.DictReader(file) if row["video"]}
answers = {Path(item.video).name: Path(item.audio).name if item.audio else "" for item in result}
print(sum(answers[video] == truth[video] for video in truth), "of", len(truth), "as they should be")

# %% [markdown]
# All pairs at once; rows are videos, columns are recordings.

# %%
result.plot()
# %% [markdown]
# The folder that the command writes, with `report.html`:

# %%
avmatch.write_match(result, shoot / "out")
sorted(path.name for path in (shoot / "out").iterdir())
