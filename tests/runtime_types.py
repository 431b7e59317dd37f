"""The checker of types and shapes while tests run (see `--jaxtyping-packages` in pyproject.toml)."""

from beartype import BeartypeConf, beartype

#: An int is as good as a float, as in PEP 484.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
