"""Speeds at which picture or sound are played by mistake, or on purpose: film on television, rates taken for others.

A sound that runs n/d too fast plays an event of the picture's time p at p · d/n: it drifts by (d/n − 1) · 10⁶ ppm
(alignment/drift.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """One side plays `fast`/`slow` times as fast as the other.

    Attributes:
        fast, slow: as people write them.
        why: what makes such a difference.
    """

    fast: float
    slow: float
    why: str

    def drift_ppm(self, *, is_sound_fast: bool) -> float:
        """How the offset grows; negative where the sound is the faster one."""
        pace = self.slow / self.fast if is_sound_fast else self.fast / self.slow
        return (pace - 1.0) * 1e6

    def ratio(self, *, is_sound_fast: bool) -> str:
        """ "25/24" where the sound is the faster one, else "24/25"."""
        fast, slow = f"{self.fast:g}", f"{self.slow:g}"
        return f"{fast}/{slow}" if is_sound_fast else f"{slow}/{fast}"


SPEEDS = (
    Speed(1001, 1000, "as 30 for 29.97 frames a second"),
    Speed(25, 24, "as a PAL speed-up makes it"),
    Speed(25, 23.976, "as a PAL speed-up makes it"),
    Speed(48, 44.1, "as 44.1 kHz played at 48 kHz"),
    Speed(18, 16, "as silent film of 16 frames a second shown at 18"),
    Speed(30, 25, "as 25 frames a second played at 30"),
    Speed(24, 18, "as silent film of 18 frames a second shown at 24"),
    Speed(24, 16, "as silent film of 16 frames a second shown at 24"),
)


#: Clocks of recorders differ by no more than this.
LARGEST_CLOCK_PPM = 300.0


def speed_words(drift_ppm: float, interval_ppm: tuple[float, float]) -> str:
    """ "25/24 too fast (as a PAL speed-up makes it)"; "" where a drift is no such speed.

    Where several lie in the interval, they are all named, the nearest first.
    """
    low, high = interval_ppm
    is_fast = drift_ppm < 0.0
    fitting = [speed for speed in SPEEDS if low <= speed.drift_ppm(is_sound_fast=is_fast) <= high]
    # An interval that also holds an ordinary clock's drift names nothing.
    if not fitting or (low <= LARGEST_CLOCK_PPM and high >= -LARGEST_CLOCK_PPM):
        return ""
    fitting.sort(key=lambda speed: abs(speed.drift_ppm(is_sound_fast=is_fast) - drift_ppm))
    ratios = " or ".join(speed.ratio(is_sound_fast=is_fast) for speed in fitting)
    return f"{ratios} too {'fast' if is_fast else 'slow'} ({fitting[0].why})"
