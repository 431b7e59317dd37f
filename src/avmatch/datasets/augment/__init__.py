"""Seeded augmentation of sounds, spectrograms, features and pictures: equal seeds give equal arrays."""
