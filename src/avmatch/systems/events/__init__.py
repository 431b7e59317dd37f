"""Any sound: accents of motion and sound, and what they are."""

RECIPES = ("events",)
KINDS = ("events",)
