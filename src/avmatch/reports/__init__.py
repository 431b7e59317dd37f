"""Results become tables, pages, figures and sentences."""
