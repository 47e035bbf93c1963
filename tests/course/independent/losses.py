"""Module 04, solved by a reader who had only the blanked notebook."""


@solution("losses.mse_loss")
def mse_loss(prediction, target, reduction="mean"):
    if prediction.shape != target.shape:
        raise ValueError("a prediction for every target, and no other: make the shapes equal")
    difference = prediction - target
    return reduced(difference * difference, reduction)


@solution("losses.nll_of_targets")
def nll_of_targets(log_probs, targets):
    picked = np.take_along_axis(log_probs, targets[..., None], axis=-1)
    return -picked[..., 0]


@solution("losses.average_over_kept")
def average_over_kept(values, kept):
    row = values[kept]
    return row.sum() / max(len(row), 1)


@solution("losses.cross_entropy")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@solution("losses.binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    outside = targets[(targets < 0) | (targets > 1)]
    if outside.size:
        raise ValueError(f"targets are 0 for no, 1 for yes, or between: not {outside[0]}")
    values = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return reduced(values, reduction)


@solution("losses.accuracy")
def accuracy(logits, targets, ignore_index=-100):
    scores, targets = (getattr(t, "array", t) for t in (logits, targets))
    kept = checked_targets(scores, targets, ignore_index)
    right = scores.argmax(axis=-1) == targets
    return float(average_over_kept(right, kept))
