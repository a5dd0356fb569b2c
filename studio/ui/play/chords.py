"""How chord names are written on the score."""

from __future__ import annotations


def readable(name: str) -> str:
    """A chord name with real sharps and flats."""
    root, rest = name[:2], name[2:]
    if len(root) == 2 and root[1] in "#b":
        root = root[0] + ("♯" if root[1] == "#" else "♭")
    rest = rest.replace("b5", "♭5").replace("b7", "♭7").replace("#5", "♯5")
    return root + rest
