"""Results become files and sentences: CSV, NumPy, JSON, one offline page, pictures, a table for the terminal.

Nothing is decided here. Only this room imports matplotlib, and only when a picture is asked for.
"""
