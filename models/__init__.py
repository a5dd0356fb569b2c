"""Models: networks, training, bundles."""
