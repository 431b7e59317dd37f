"""Words from the lips."""

RECIPES = ("words", "words_tc_5")
KINDS = ("words",)
