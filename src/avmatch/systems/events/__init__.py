"""Any sound: when motion and sound change together, and whether they are of one kind. The model that ships for `match`,
`sync` and `locate` where the picture isn't a talking face.

*When*: a few learned filters over motion and sound (accents), compared by correlation with the lag statistics of the
untrained motion cue, whose figures they start from. *What*: canonical correlations of statistics of picture and sound
(kinds), and softmax regressions on the classes that labels name. Features are those that every file has anyway, so the
model costs nothing beside the decoding.

    avmatch train events LIST -o RUN
    avmatch evaluate sync events LIST        offsets; also evaluate retrieval, evaluate probe
    python benchmarks/events.py WORK         the five folds below

Five folds by recording, pieces of 5 s: the right sound is assigned to 33.3 % (untrained cue 19.8), of impacts to 82.4 %
(60.0); `sync` finds the offsets of impacts within 80 ms in 78.1 % (62.5) (docs/experiments/events.md).

recipe.py    the recipe
task.py      accents and the worth of kinds, trained by gradients; validation and export
kinds.py     the statistics on which kinds and classes are fitted (training/kinds.py)
model.py     the filters, and their evidence with gradients
runtime.py   the exported model and its two cues (EventCue, KindCue)
heat.py      where in the picture the sound comes from
evaluate.py  similarities of a gallery, offsets of moved sounds, layers for probes
"""

RECIPES = ("events",)
KINDS = ("events",)
