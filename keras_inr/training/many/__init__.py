"""Many pictures at once: stacked fields, and one network with a latent for each."""
