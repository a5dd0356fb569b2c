"""The studio: programs, engine and everything a person touches."""
