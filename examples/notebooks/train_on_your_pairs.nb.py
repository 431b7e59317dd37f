# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---
# %% [markdown]
# # Notebook: train on your own pairs
#
# The recipe `events` learns which motions go with which sounds. Six rendered clips show the calls; they are far too
# few to learn from. The same from the terminal is a [tutorial](../../docs/tutorials/train_on_your_pairs.md).

# %%
import os
import tempfile
from pathlib import Path

import avmatch

os.chdir(tempfile.mkdtemp())
pairs = avmatch.synthesise(Path("pairs"), avmatch.SynthConfig(6, seed=5, duration_seconds=5.0))
run = avmatch.train("events", "pairs/truth.csv", "run", epochs=5, progress=False)

# %% [markdown]
# How often is the own sound the first of six? Of pairs that it was trained on, so the figures say nothing of others.

# %%
raw, *normalised = avmatch.evaluate.retrieval("run", "pairs/truth.csv").rows
print(f"{raw.scores.video_to_audio.recall[1].share:.0%} of {raw.scores.num_items}")

# %% [markdown]
# At work it is one more cue of `match`.

# %%
avmatch.match("pairs/videos", "pairs/audio", model="run", progress=False)

# %% [markdown]
# What is used is the model, without torch:

# %%
sorted(str(path) for path in Path("run/model").rglob("*.*"))
