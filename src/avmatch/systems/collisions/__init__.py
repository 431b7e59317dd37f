"""The Tilt-Bot's collisions: which object made this sound, and which of many impacts does this sound belong to?

An object slides on a tilted tray and hits its walls, filmed from above (rgb and masks, 6 frames a second) and recorded
by four microphones: the robot of Gandhi, Gupta and Pinto, "Swoosh! Rattle! Thump! Actions that sound" (RSS 2020).
Task 1 names the object by its sound, task 2 assigns the sounds of a group to its videos, task 3 does so where some
sounds have no video.

The published method has two stages: a ResNet names the class, then a metric, learned with a contrastive loss from
centroids or stacked masks and spectrograms, assigns inside the class (`--two-stage`). Ours joins calibrated classes,
the metric's distance and physical cues (canonical correlation) in one score, and assigns all classes at once.

    avmatch synth SET --kind collision        a simulated set in the layout of the real one, with its truth
    avmatch train collision SET -o RUN        all stages, and what joins them (stages.py)
    avmatch collide SET --task 2 --model RUN -o OUT

On simulated sets of 200 segments a class (three seeds): task 1 99.9 % of the objects right; task 2 98.4 % and task 3
95.9 % of the pairs right, the latter with F1 0.952 for "no video". docs/experiments/collisions.md has noise, damaged
masks and each part alone; all of it by

    python benchmarks/collision.py WORK --segments ../shared/data/tiltbot/segments.json

    data, safe_pickle   files → sounds and videos          task, model, augmentation   what is trained
    frontends           → spectrograms, paths, cues        stages, recipe              in which order, how long
    features            → arrays that are kept             cue, matching               what joins it into one score
    simulator           sets with truth                    runtime, report             the model at work, its answers
"""

RECIPES = ("collision_classify", "collision_classify_picture", "collision_centroid", "collision_3dcnn")
STAGED = ("collision",)
