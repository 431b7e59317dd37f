"""Where faces are in a picture: their eyes, noses and mouths, from a network of 130,000 weights.

What lips do is measured on crops of the mouth, so faces are found first: in the whole picture about once a second, and
every quarter of a second around each face that is followed (frontends/faces.py). The network looks at grey pictures of
about 192 × 108 pixels, finds faces down to 24 pixels, upright or turned by up to 45°, and gives
five landmarks each. The box is worked out from these, where OpenCV's cascade would draw it, so that models trained on
its crops see what they know; mouths are cut out level.

Its labels are those of BlazeFace and FaceMesh (MediaPipe), on the development clips; events whose bottles, hands and
bags BlazeFace takes for faces teach it what is none. Architecture: one stage, no anchors, after *Objects as points*
(Zhou, Wang and Krähenbühl, 2019). `benchmarks/faces_training.py` trains it; the card and docs/experiments/faces.md have
what it reached.

There is no runtime.py: the floor runs it (artifacts/finder.py), as every analysis of a picture needs it.
"""

KINDS = ("faces",)
