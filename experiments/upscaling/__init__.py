"""Who enlarges a reduced photograph best, a filter or a field."""
