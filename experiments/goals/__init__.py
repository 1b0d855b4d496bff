"""Goals: are they reached, and how soon, see README.md."""
