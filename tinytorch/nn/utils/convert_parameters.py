"""The inner place of parameters as one vector."""

from ..lengths import parameters_to_vector, vector_to_parameters

__all__ = ["parameters_to_vector", "vector_to_parameters"]
