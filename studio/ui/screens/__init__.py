"""Screens of the window beside Play, which has a folder of its own."""
