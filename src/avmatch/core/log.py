"""What the library says while it works goes to the logger "avmatch", and from there to whoever wants it.

INFO says what is done and how long it takes (`avmatch --verbose`), DEBUG adds tracebacks (`avmatch --debug`).
"""

import logging

logger = logging.getLogger("avmatch")
logger.addHandler(logging.NullHandler())
