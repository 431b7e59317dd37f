"""What training makes small: one loss a file, its maths in the docstring."""
