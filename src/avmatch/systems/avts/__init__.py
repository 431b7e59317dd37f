"""Audio-visual temporal synchronisation (AVTS): one second of video and one second of audio, in sync or not?

Learned from clips that nobody has labelled, after Korbar, Tran and Torresani, "Cooperative learning of audio and video
models from self-supervised synchronization" (NeurIPS 2018): two towers, a contrastive loss, and a curriculum that adds
hard negatives (the same recording at another time) to easy ones (other recordings). `l3_net` is its baseline: a still
image, easy negatives alone (after Arandjelović and Zisserman, "Look, listen and learn", ICCV 2017).

What the towers are good for is asked in two ways: `avts_finetune` (actions from video) and `sound_classes` (sounds)
train a classifier on top of a tower; `avmatch evaluate probe` fits a linear SVM to one of its layers.

    avmatch train avts CLIPS -o RUN                                   any list of clips with sound (data/layouts.py)
    avmatch train sound_classes ESC-50 -o CLASSES --set task.front_end=RUN
    avmatch evaluate probe RUN ESC-50 --split esc10

Reached (docs/experiments.md, 46 recordings held back): sync accuracy 71.5 % ± 5.5 with easy negatives, 65.7 ± 3.8 with
the curriculum; no variant tells a recording from itself at another time. ESC-10 by a linear SVM on `conv_5`: 84.2 to
86.0 %, where an untrained tower has 84.0 and training from scratch 87.2. No weights are shipped.

    recipe.py      the four configurations, and settings to change
    task.py        synchronisation: windows, negatives, loss, validation, export
    classes.py     classes of clips, with the same towers and windows
    negatives.py   kinds of negatives, their curriculum, and the losses
    model.py       the networks
    evaluate.py    the linear probe: a layer of any sound tower, and an SVM on it
"""

RECIPES = ("avts", "l3_net", "avts_finetune", "sound_classes")
KINDS = ("windows", "classes")
