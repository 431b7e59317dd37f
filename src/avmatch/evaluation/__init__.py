"""Run a model over a benchmark, and write what came of it."""
