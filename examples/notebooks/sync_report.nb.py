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
import os
import tempfile
from pathlib import Path

import avmatch

os.chdir(tempfile.mkdtemp())
config = avmatch.SynthConfig(4, seed=3, duration_seconds=4.0, kinds=("face",), offset_seconds=0.12)
pairs = avmatch.synthesise(Path(), config)

# %% [markdown]
# One picture with its own voice, and with another one's. `belongs` is the probability that the voice is of this
# picture at all; `confidence` that it is and the offset is right.

# %%
own = avmatch.sync(pairs[0].video, audio=pairs[0].audio)
other = avmatch.sync(pairs[0].video, audio=pairs[2].audio)
for name, answer in (("own", own), ("another", other)):
    print(f"{name}: {answer.status}, {answer.offset_seconds:+.3f} s, ", end="")
    print(f"belongs {answer.belongs:.2f}, confidence {answer.confidence:.2f}")

# %% [markdown]
# The evidence over all offsets:

# %%
own.plot()

# %% [markdown]
# Which voice belongs to which face, and how late is it? Files with their own sound would go to `avmatch.sync_all`.

# %%
result = avmatch.match("videos", "audio", max_offset_seconds=1.0, progress=False)
result
