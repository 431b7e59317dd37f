"""Silent video to audio by two towers over clip features or media (STD2022)."""

RECIPES = ("two_tower", "two_tower_kmeans", "two_tower_cca", "two_tower_best", "two_tower_media")
KINDS = ("clip_towers",)
