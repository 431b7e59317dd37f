"""What several evaluations share: galleries, noise, pieces, held-back lists. Depends on no system."""
