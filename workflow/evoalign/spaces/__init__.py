"""Generative image spaces: latents in, images out, differentiable."""
