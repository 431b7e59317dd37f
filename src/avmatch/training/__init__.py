"""The one loop that trains every recipe: batches, steps, checkpoints, losses, export. With torch."""
