"""What several benchmarks share: galleries, noise, pieces, held-back lists. Knows no system."""
