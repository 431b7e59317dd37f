"""Functions that return a complete TrainConfig, one file a system."""
