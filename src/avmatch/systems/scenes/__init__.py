"""Scenes: one label from audio and video together, with either side missing.

Sequences of features of both sides, or media of which they are made, are classified by one of the published fusions
(early, middle, late, hybrid, as in systems for TAU Urban Audio-Visual Scenes 2021), or by
`scene_best`, ours: attention over time (several networks, each without a fold) and linear discriminants of mean and
deviation over time, stacked by log loss for each case: both sides there, audio alone, video alone.

    avmatch train scene_best DATA -o RUN                  afeat.npy, vfeat.npy, index.csv; TAU; a table; media
    avmatch classify FILES --model RUN                    the label, which side carried it, a timeline of long files
    avmatch classify --fuse A.csv B.csv -o FUSED.csv      published predictions of several systems
    avmatch evaluate classify RUN DATA                    accuracy, log loss, calibration, class by class

Reached (docs/experiments): on five folds of STD2022's 28 classes `scene_best` has an accuracy of 0.9125 ± 0.0084 and
a log loss of 0.286; softmax regression on averages 0.889 and 0.380, the best published fusion (early) 0.870 and 0.474.
Without sound it has 0.816, without video 0.742. Five published prediction files stacked: 0.8326 / 0.4497.

    recipe.py    the seven configurations
    task.py      the task: reading, batches, training one of the fusions, validation, export
    mixed.py     the task of scene_best: training, discriminants, stacking
    model.py     the networks
    media.py     media → features a second; what of each item a model can take
    runtime.py   the exported graph at work, the result of an item
    fusing.py    prediction files, and how several are fused
    evaluate.py  how well a model names the classes of labelled items
"""

RECIPES = ("scene_audio", "scene_video", "scene_early", "scene_middle", "scene_late", "scene_hybrid", "scene_best")
KINDS = ("scenes",)
