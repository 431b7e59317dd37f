"""How good answers are: pure functions of arrays that know nothing of files."""
