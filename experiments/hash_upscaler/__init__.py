"""Cell grids in the layouts of HashGrid-AI-Upscaler."""
