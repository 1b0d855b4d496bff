"""Which optimizer and learning rate each preset is fitted with best."""
