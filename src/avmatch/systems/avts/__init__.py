"""Audio-visual temporal synchronisation with a curriculum, and what its towers are good for."""

RECIPES = ("avts", "l3_net", "avts_finetune", "sound_classes")
KINDS = ("windows", "classes")
