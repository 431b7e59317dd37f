"""Networks: towers and heads. They know nothing of files."""
