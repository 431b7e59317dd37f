"""`avmatch doctor`: what is installed, and what it can do."""


def doctor() -> None:
    """Print versions, codecs and the shipped models."""
    from avmatch.pipelines.diagnosis import diagnosis

    for line in diagnosis():
        print(line)
