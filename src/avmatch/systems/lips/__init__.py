"""Talking faces: offsets and partners from lips and voice; SyncNet, AVE-Net and Perfect Match beside it."""

RECIPES = ("lips", "syncnet", "ave_net", "perfect_match")
KINDS = ("towers",)
