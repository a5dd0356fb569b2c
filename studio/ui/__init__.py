"""The window: widgets, screens and the program around them; pygame is used here and for sound only."""
