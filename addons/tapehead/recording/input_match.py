"""Inputs that a path, a URL or a pattern stands for."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class InputMatch(NamedTuple):
    """A file or a folder that a path, a URL or a pattern stands for.

    Attributes:
        path: a file, or a folder.
        inside: the recordings in the folder, or the file.
        left: the other files in the folder that are not hidden.
        is_folder: whether it is a folder.
    """

    path: Path
    inside: Sequence[Path]
    left: Sequence[Path]
    is_folder: bool = False
