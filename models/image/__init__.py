"""Pictures: generator, critics, corpus, training and the player."""
