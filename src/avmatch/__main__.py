"""`python -m avmatch`."""

from avmatch.cli import main

main()
