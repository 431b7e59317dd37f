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
import tempfile
from pathlib import Path

import avmatch

work = Path(tempfile.mkdtemp())
avmatch.synthesise(work / "pairs", avmatch.SynthConfig(6, seed=5, duration_seconds=5.0))
run = avmatch.train("events", work / "pairs" / "truth.csv", work / "run", epochs=5, progress=False)

# %% [markdown]
# How often is the own sound the first of six? Of pairs that it was trained on, so the figure says nothing about others.

# %%
avmatch.evaluate.retrieval(work / "run", work / "pairs" / "truth.csv")

# %% [markdown]
# At work it is one more cue of `match`.

# %%
result = avmatch.match(work / "pairs" / "videos", work / "pairs" / "audio", model=work / "run", progress=False)
result

# %% [markdown]
# What the run left:

# %%
sorted(str(path.relative_to(work / "run")) for path in (work / "run").rglob("*.*") if "cache" not in path.parts)
