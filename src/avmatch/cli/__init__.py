"""The command line: one file per command, each a few lines around a pipeline."""


def main() -> None:
    """Run the command line."""
