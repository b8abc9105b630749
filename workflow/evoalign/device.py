"""Where tensors are computed."""

from __future__ import annotations


def resolve_device(device: str) -> str:
    """Return 'cuda' for 'auto' where there is a CUDA device, else 'cpu'; any other name as it is."""
    if device != "auto":
        return device
    import torch  # not before: it takes two seconds to load

    return "cuda" if torch.cuda.is_available() else "cpu"
