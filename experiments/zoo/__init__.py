"""Every architecture of the zoo on the same footing."""
