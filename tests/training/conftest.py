"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from learnable import write_pairs


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed set of 160 pairs that can be learned."""
    return write_pairs(tmp_path_factory.mktemp("pairs"))
