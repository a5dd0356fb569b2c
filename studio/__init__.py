"""The studio: programs, engine and everything a person touches."""

import os

# Standard output is for results; pygame greets there unless told not to, wherever it is imported first.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
