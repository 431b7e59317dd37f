# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---
# %% [markdown]
# # Notebook: search a library
#
# Six sounds, and a silent clip: which of them goes with it, and where does it begin? The same from the terminal is a
# [tutorial](../../docs/tutorials/search_a_library.md).

# %%
import os
import tempfile
from pathlib import Path

import avmatch

os.chdir(tempfile.mkdtemp())
pairs = avmatch.synthesise(Path(), avmatch.SynthConfig(6, seed=2))
avmatch.build_index("audio", "INDEX", progress=False)

# %%
hits = avmatch.search(pairs[0].video, "INDEX", top_k=3, progress=False)
for hit in hits.hits:
    print(
        hit.rank,
        Path(hit.path).name,
        f"begins at {hit.start_seconds:+.3f} s, score {hit.score:.1f}",
        hit.why,
        sep=" | ",
    )

# %% [markdown]
# Is the first one its own sound? And where in it does the clip begin?

# %%
first = hits.hits[0]
print(Path(first.path).name == Path(pairs[0].audio).name, f"{first.start_seconds:+.3f} s")

# %% [markdown]
# What sounds like a sound:

# %%
alike = avmatch.search(None, "INDEX", like=pairs[0].audio, top_k=3, progress=False)
for hit in alike.hits:
    print(hit.rank, Path(hit.path).name, f"{hit.score:.2f}", hit.kind, sep=" | ")
