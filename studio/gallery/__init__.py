"""Galleries: pictures with their state inside, contact sheets, loops, a page to look at them."""
