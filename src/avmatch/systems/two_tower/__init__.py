"""Silent video ↔ audio by two towers, over features of ten seconds (STD2022) or over the media themselves.

A tower for each side gives a unit vector a clip (or a tick); a cosine says how well two match. The published system
(STD2022) is two convolutional towers and, for the first epochs, the auxiliary task of naming the KMeans cluster of the
audio; the baseline is canonical correlations (Hotelling 1936), and the best system is canonical correlations of what
and of when, in a Gaussian kernel too (Hardoon et al. 2004), beside an ensemble of small networks.

    avmatch train two_tower_best FEATURES -o RUN        also two_tower, two_tower_kmeans, two_tower_cca
    avmatch train two_tower_media LIST -o RUN           the same idea from frames and log-mel
    avmatch evaluate retrieval RUN/model FEATURES

Nine folds of STD2022, galleries of 334, in the first 1 / 5 / 50: two_tower_best 15.8 / 46.7 / 94.2 %, two_tower_cca
10.7 / 39.0 / 87.6 %; the KMeans task doesn't help (docs/experiments/two_tower.md).

recipe.py        the five recipes
task.py          towers over features, trained by gradients (two_tower, two_tower_kmeans)
canonical.py     towers in closed form, with an ensemble (two_tower_cca, two_tower_best)
media.py         towers over frames and log-mel (two_tower_media)
model.py         the networks
augmentation.py  of features, log-mel and frames
evaluate.py      similarities of a gallery, in noise too
"""

RECIPES = ("two_tower", "two_tower_kmeans", "two_tower_cca", "two_tower_best", "two_tower_media")
KINDS = ("clip_towers",)
