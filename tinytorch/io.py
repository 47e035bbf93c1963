"""Tensors in files: safetensors, a format that holds numbers and names, and nothing that runs."""

from .training import load_safetensors, save_safetensors

__all__ = ["load_safetensors", "save_safetensors"]
