"""The one loop that trains every recipe: batches, steps, checkpoints, logs."""
