"""Sequences of different lengths in one tensor: PyTorch's `nn.utils.rnn`."""

from ...names import unknown
from ...tensor import stack
from ..functional import pad

__all__ = ["pad_sequence", "unpad_sequence"]


def __getattr__(name):
    raise unknown(name, __name__, __all__)


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Tensors (T, ...) of different lengths as one, (T_max, B, ...), or (B, T_max, ...).

    Args:
        sequences: a list of Tensors.
        batch_first: put the batch first.
        padding_value: what fills the short ones up. padding_side: "right" or "left".
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side is 'right' or 'left', not {padding_side!r}")
    longest = max(len(t) for t in sequences)
    rows = []
    for t in sequences:
        gap = [longest - len(t), 0] if padding_side == "left" else [0, longest - len(t)]
        rows.append(pad(t, [0, 0] * (t.ndim - 1) + gap, value=padding_value))
    return stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The sequences without what `pad_sequence` put there -> a list of Tensors."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows, lengths)]
