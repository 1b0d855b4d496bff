"""What `choose` expects of networks, and whether its goals are met."""
