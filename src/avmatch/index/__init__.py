"""A library of sounds or of pictures on disk that is looked through at once: the vector store behind `search`.

grid.py      a file → overlapping windows
library.py   the files, their vectors and their features in one SQLite file; what is new, changed, moved and gone
rows.py      all vectors in one array that is mapped into memory, and what was added since
"""
