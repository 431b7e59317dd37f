"""The card of a model: what it is, from which data, how good, and the command that trains it again."""

import json
from collections.abc import Mapping
from pathlib import Path

from avmatch.core.files import write_text_atomically

_CARD = """# {recipe}

{limits}

## Data
{data}

## Results
On the pairs that were held back from training (whole recordings), by the weights that are exported here:

{results}

## Made by
```
{command}
```

## Configuration
```json
{config}
```
"""
_LIMITS = (
    "Trained by `avmatch train`. It is reliable on data like its training data: other features, recordings and kinds "
    "of sound need a measurement of their own (`avmatch evaluate`)."
)


def write_card(path: Path, story: Mapping[str, object]) -> None:
    """Write the card. `story` has recipe, config, data, results and command, as the training loop gives them."""
    text = _CARD.format(
        recipe=story["recipe"],
        limits=_LIMITS,
        data=_lines(story["data"]),
        results=_lines(story["results"]),
        command=story["command"] or "(unknown)",
        config=json.dumps(story["config"], indent=2),
    )
    write_text_atomically(path, text)


def _lines(items: object) -> str:
    if not isinstance(items, Mapping):
        return str(items)
    return "\n".join(f"- {name}: {_number(value)}" for name, value in items.items()) or "- none measured"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
