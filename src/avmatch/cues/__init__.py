"""Cues: ways to tell from small features how well a sound fits a picture, at every offset tried.

A cue is an object with one method, `curves`, and its own `calibration`. It answers in nats: the logarithm of how much
more probable the two signals are if they belong together at that offset than if they have nothing to do with
each other. Nats of different cues add up. Where a cue can't tell (no face, static picture, silence) it says
zero nats and why. Learned cues (`learned.py`) stand behind the same door as the ones made by hand.
"""
