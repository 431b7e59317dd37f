"""All recipes by their names, and the systems that train several of them in stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avmatch.core.errors import UsageError
from avmatch.recipes.avts import avts, l3_net
from avmatch.recipes.class_recipes import avts_finetune, sound_classes
from avmatch.recipes.collision import (
    collision_3dcnn,
    collision_centroid,
    collision_classify,
    collision_classify_picture,
)
from avmatch.recipes.collision_system import collision, train_system
from avmatch.recipes.events import events
from avmatch.recipes.lips import lips
from avmatch.recipes.published_sync import ave_net, perfect_match, syncnet
from avmatch.recipes.scenes import (
    scene_audio,
    scene_best,
    scene_early,
    scene_hybrid,
    scene_late,
    scene_middle,
    scene_video,
)
from avmatch.recipes.two_tower import two_tower, two_tower_best, two_tower_cca, two_tower_kmeans
from avmatch.recipes.two_tower_media import two_tower_media
from avmatch.recipes.words import words, words_tc_5
from avmatch.training.config import TrainConfig
from avmatch.training.loop import TrainResult

RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe
    for recipe in (
        two_tower,
        two_tower_kmeans,
        two_tower_cca,
        two_tower_best,
        two_tower_media,
        lips,
        events,
        syncnet,
        ave_net,
        perfect_match,
        words,
        words_tc_5,
        avts,
        l3_net,
        avts_finetune,
        sound_classes,
        scene_audio,
        scene_video,
        scene_early,
        scene_middle,
        scene_late,
        scene_hybrid,
        scene_best,
        collision_classify,
        collision_classify_picture,
        collision_centroid,
        collision_3dcnn,
    )
}

#: What trains several recipes: how it is set (settings, seed and epochs) and how it is trained, as a recipe is.
SYSTEMS: dict[str, tuple[Callable[..., Any], Callable[..., TrainResult]]] = {"collision": (collision, train_system)}


def recipe(name: str) -> TrainConfig:
    """The configuration that goes by this name. Raises UsageError, with the names there are."""
    if name not in RECIPES:
        raise UsageError(f"no recipe {name!r}; there are {', '.join(sorted([*RECIPES, *SYSTEMS]))}")
    return RECIPES[name]()
