"""Render small media files with known truth (datasets/synth, datasets/tilt): for demonstrations, tests and benchmarks.

plan → play → film and record → encode
"""

from avmatch.synth import SynthConfig, synthesise
from avmatch.systems.collisions.simulator.folder import TiltConfig, synthesise_collisions

__all__ = ["SynthConfig", "TiltConfig", "synthesise", "synthesise_collisions"]
