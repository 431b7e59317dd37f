"""avmatch: which sound belongs to which silent picture, and by how much they are apart."""

__version__ = "0.1.0"
