"""The door to the program: ``antiphon`` and ``python -m studio``.

Nothing is imported up here but what Python has loaded anyway, so that an interrupt during the second in which
the rest is loaded ends the program as quietly as any later one.
"""

import sys


def main() -> None:
    """Entry point of the installed program."""
    try:
        from studio.cli import main as run_program  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    run_program()


if __name__ == "__main__":
    main()
