"""``python -m tests.golden renew [NAME …]``: take the golden pictures anew, and look at them afterwards.

``python -m tests.golden full FOLDER`` writes them at full size, to look at.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pygame

from tests.golden.pictures import SCENES, difference, kept, path_of, photographer, pixels, save


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    match argv:
        case ["renew", *names] if set(names) <= set(SCENES):
            _renew(names or list(SCENES))
        case ["full", folder]:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with photographer() as draw:
                for name in SCENES:
                    pygame.image.save(draw(name), str(Path(folder) / f"{name}.png"))
        case _:
            sys.stderr.write(f"{__doc__}\nNames: {', '.join(SCENES)}\n")
            return 2
    return 0


def _renew(names: list[str]) -> None:
    with photographer() as draw:
        for name in names:
            fresh, path = pixels(draw(name)), path_of(name)
            mean, share = difference(fresh, kept(name)) if path.exists() else (255.0, 1.0)
            if mean > 0:
                save(fresh, path)
            size_kb = path.stat().st_size / 1e3
            sys.stdout.write(f"{name:<20} mean {mean:6.2f}  pixels {share:7.2%}  {size_kb:6.1f} kB\n")
    total_kb = sum(path_of(name).stat().st_size for name in SCENES if path_of(name).exists()) / 1e3
    sys.stdout.write(f"{'all':<20} {total_kb:.1f} kB\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
