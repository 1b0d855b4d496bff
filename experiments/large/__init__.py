"""Pictures larger than memory: mosaics of the Kodak pictures."""
