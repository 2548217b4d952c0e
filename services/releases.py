"""Which release of a package is installed, read once: its metadata takes milliseconds to parse."""

from functools import cache
from importlib.metadata import version

release = cache(version)
