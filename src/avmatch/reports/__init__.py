"""Results become tables, pages, pictures and sentences."""
