"""The Tilt-Bot: which sound belongs to which impact."""

RECIPES = ("collision_classify", "collision_classify_picture", "collision_centroid", "collision_3dcnn")
STAGED = ("collision",)
KINDS = ("collisions",)
