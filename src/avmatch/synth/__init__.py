"""Synthetic clips with known truth: small media files whose pictures and sounds come from the same events.

    act (what is played) → film (camera) and recording (microphone) → folder (files and truth.csv)

Balls, drum pads, plucked strings, a pendulum clock and a speaking face; each is a function of a random
generator and a stage that gives a picture, a sound and the times of its events. Only those times connect the
two: colours, sizes, timbres, levels, lengths and names are drawn independently of each other.

An offset is positive where the sound comes late.
"""

from avmatch.synth.folder import SynthConfig, synthesise

__all__ = ["SynthConfig", "synthesise"]
