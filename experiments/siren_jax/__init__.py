"""siren-jax's pictures from values, gradient and Laplacian."""
