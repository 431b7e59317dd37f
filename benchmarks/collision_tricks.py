"""Can simulated collisions be matched by a trick? Each trick alone, on the groups of task 2.

    python benchmarks/collision_tricks.py SET [SET …]

SET is what `avmatch synth SET --kind collision` wrote. A trick is one number of each film and one of each sound; the
videos and sounds of a group are assigned by the ranks of these numbers, rising with rising and rising with falling, and
the better way counts: so chance is a little above 1 in 25. `class alone` knows every object for sure and nothing else:
what is left is luck inside the class. Intervals: 95 %, bootstrapped over groups.

`hit after the slide began` is no trick but physics, and is there to compare.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from avmatch.metrics.intervals import bootstrap_interval
from avmatch.reports.report import markdown_table
from avmatch.systems.collisions.data import (
    Group,
    VideoFiles,
    list_task,
    read_picture,
    read_sound,
    read_video,
    video_number,
)
from avmatch.systems.collisions.frontends import fitted, impact_path, impact_sound


def video_traits(files: VideoFiles) -> dict[str, float]:
    """Numbers of a film."""
    film = read_video(files)
    path = impact_path(film.centroids)
    picture = read_picture(files.frames[0][0])
    assert picture is not None
    sizes = [place.stat().st_size for frame in files.frames for place in frame if place is not None]
    return {
        "number": float(video_number(files)),
        "length": float(len(files.frames)),
        "before the impact": path.impact_seconds,
        "after the impact": len(files.frames) / 6 - path.impact_seconds,
        "brightness": float(picture.mean()),
        "size of the files": float(sum(sizes)),
        "size of the object": float((film.masks[0] > 0).sum()),
        "slide": path.moving_seconds,
    }


def sound_traits(path: Path, number: int) -> dict[str, float]:
    """Numbers of a sound."""
    sound, _ = read_sound(path)
    samples = fitted(sound.data)
    found = impact_sound(samples)
    level = np.log(np.square(samples).mean(axis=0).reshape(-1, 441).mean(axis=1) + 1e-12)
    hit = int(found.impact_seconds * 100)
    loud = np.flatnonzero(level[:hit] > np.median(level) + 1.0)
    return {
        "number": float(number),
        "length": sound.duration_seconds,
        "before the impact": found.impact_seconds,
        "after the impact": sound.duration_seconds - found.impact_seconds,
        "peak": float(np.abs(samples).max()),
        "background": float(np.quantile(level, 0.1)),
        "slide": found.impact_seconds - (loud[0] / 100 if len(loud) else found.impact_seconds),
    }


TRICKS = {
    "order of the names": ("number", "number"),
    "durations": ("length", "length"),
    "silence before the impact": ("before the impact", "before the impact"),
    "what is left after the impact": ("after the impact", "after the impact"),
    "length of the film, time of the hit": ("length", "before the impact"),
    "light, background": ("brightness", "background"),
    "size of the files, peak": ("size of the files", "peak"),
    "size of the object, peak": ("size of the object", "peak"),
    "hit after the slide began": ("slide", "slide"),
}


def right(film: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Which videos get their own sound (of the same row) by rank, the better way round; ties are broken by chance."""
    rng, best = np.random.default_rng(0), np.zeros(len(film), bool)
    for sign in (1, -1):
        order = rng.permutation(len(sound))
        cost = np.abs(rankdata(film)[:, None] - rankdata(sign * sound)[None, order])
        rows, columns = linear_sum_assignment(cost)
        found = rows == order[columns]
        best = found if found.sum() > best.sum() else best
    return best


def by_class(label: np.ndarray) -> np.ndarray:
    """The chance of each film to get its own sound if everybody of its class is as good."""
    return 1 / np.bincount(label)[label]


def of_group(group: Group, truth: dict[str, int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Traits of videos and of their sounds, in one order."""
    videos = {video_number(files): video_traits(files) for files in group.videos}
    sounds = {truth[path.name]: sound_traits(path, number) for number, path in enumerate(group.sounds)}
    return tuple(
        {name: np.array([side[one][name] for one in sorted(videos)]) for name in next(iter(side.values()))}
        for side in (videos, sounds)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    found: dict[str, list[np.ndarray]] = {name: [] for name in TRICKS}
    for folder in parser.parse_args().sets:
        truth = json.loads((folder / "truth.json").read_text())["task2"]
        for group in list_task(folder, 2)[0]:
            videos, sounds = of_group(group, truth[group.name])
            for name, (video, sound) in TRICKS.items():
                found[name].append(right(videos[video], sounds[sound]))
    rows = []
    for name, groups in found.items():
        place = np.concatenate([np.full(len(one), number) for number, one in enumerate(groups)])
        hits = np.concatenate(groups)
        reach = bootstrap_interval(hits, 0, group=place if len(groups) > 1 else None)
        rows.append([name, f"{100 * hits.mean():.1f}", f"[{100 * reach.low:.1f}, {100 * reach.high:.1f}]"])
    draws = [by_class(np.random.default_rng(number).integers(10, size=25)).mean() for number in range(1000)]
    rows.append(["class alone (25 objects of 10 classes, expected)", f"{100 * np.mean(draws):.1f}", ""])
    print(*markdown_table([["trick", "right pairs, %", "95 %"], *rows]), sep="\n")


if __name__ == "__main__":
    main()
