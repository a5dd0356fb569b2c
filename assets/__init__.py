"""Data shipped with Antiphon, behind one accessor."""
