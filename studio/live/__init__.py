"""The live engine: conductor, partner, sound and sessions."""
