"""Talking faces: which voice belongs to a face, and by how much the sound is late, from lips and voice.

Two towers give a unit vector for each of 25 ticks a second, one of the mouth and one of the voice; their cosine says
how well both fit at that moment. The losses, towers and augmentation are our own, built around multi-way matching:
Chung, Chung and Kang, "Perfect match" (ICASSP 2019). Beside it stand the published systems SyncNet, AVE-Net and Perfect
Match, with the streams of SyncNet's authors and on the same data, for comparison.

    avmatch train lips LIST -o RUN               12 epochs, some 80 minutes on 2 cores
    avmatch train syncnet | ave_net | perfect_match LIST -o RUN
    avmatch evaluate sync RUN DATA               avmatch evaluate match RUN DATA

Figures (docs/experiments; the card is weights/lips/card.md): held-back clips of its own speakers: offset within a
frame 78.2 % from 5 frames and 92.6 % from 15; of the published systems at a smaller budget AVE-Net is the best, 71.5 %
from 15 on GRID. Ten unknown GRID speakers, pieces of 2 s: 100 % within 80 ms, right voice of 30 for 100 %. People in
the wild, pieces of 2 s: 82.4 % within 80 ms, right voice of 98 for 81.6 %.

    recipe.py            the four recipes
    task.py              mouths and waveforms → windows → three losses → validation → export
    model.py             the towers: LipCnn, VoiceCnn and the temporal convolutions at their ends; the published streams
    augmentation.py      mouths and voices changed at random, on the device
    published_task.py    the task of the published systems and their three criteria
    talking_clips.py     talking clips as vectors, cut into pieces, clean and in noise
    evaluate.py          `avmatch evaluate sync` and `match`

There is no runtime.py: the exported towers are towers over time, which the floor runs (artifacts/tower.py), compares
(cues/learned.py) and ships (weights/lips).
"""

RECIPES = ("lips", "syncnet", "ave_net", "perfect_match")
