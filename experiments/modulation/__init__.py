"""One network for many pictures, a latent for each."""
