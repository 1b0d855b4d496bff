"""pugh_torch's initialisations of sine networks on one footing."""
