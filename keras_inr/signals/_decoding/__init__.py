"""Picture files as samples, one decoder a format."""
