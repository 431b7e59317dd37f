"""One label from sound and picture together."""

RECIPES = (
    "scene_audio",
    "scene_video",
    "scene_early",
    "scene_middle",
    "scene_late",
    "scene_hybrid",
    "scene_best",
)
KINDS = ("scenes",)
