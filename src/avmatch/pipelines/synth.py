"""Render small media files with known truth (datasets/synth): for demonstrations, tests and benchmarks.

plan → play → film and record → encode
"""

from avmatch.datasets.synth import SynthConfig, synthesise

__all__ = ["SynthConfig", "synthesise"]
