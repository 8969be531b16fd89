"""The version of Penstock, below everything else, so that everything can tell it; pyproject.toml says the same."""

from typing import Final

VERSION: Final = "0.1.0"
