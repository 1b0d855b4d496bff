"""Who completes a picture best, a field that is fitted to what is left of it, or biharmonic inpainting."""
