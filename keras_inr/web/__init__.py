"""Pages that show fields in a browser, and the scripts that they need."""
