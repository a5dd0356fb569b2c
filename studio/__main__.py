"""``python -m studio`` is ``antiphon``."""

from studio.cli import main

if __name__ == "__main__":
    main()
