"""Words from the lips: which word of a vocabulary is said, from the mouth alone, with the time of the word given.

The second task of Chung, Chung and Kang, "Perfect match" (ICASSP 2019): a front end that was trained to match lips and
voices, frozen or trained further, and behind it layers over time and a classifier. Front ends are those of the system
lips, which is why this system may import it.

    avmatch train words DATA -o RUN --set task.front_end=RUN_OF_LIPS --set task.frozen_epochs=20
    avmatch train words_tc_5 DATA -o RUN         the paper's TC-5 instead of residual convolutions
    avmatch evaluate words RUN DATA

Figures (docs/experiments.md; benchmarks/words.py): 51 words of GRID, a fifth of the clips held back, TC-5 of 12 epochs
on the frozen front end of `lips`: top-1 87.2 % (84.8 … 89.3), of AVE-Net 66.3, of Perfect Match 57.5, at random 60.3;
96 words of news anchors: 20.2 % (16.2 … 23.9), where chance is 1.0.

    recipe.py      the two recipes
    data.py        words in packed clips, and folds
    task.py        frames of a word and its context → loss → validation → export
    model.py       front ends, layers over time, the head
    runtime.py     an exported model at work
    evaluate.py    `avmatch evaluate words`
"""

RECIPES = ("words", "words_tc_5")
KINDS = ("words",)
