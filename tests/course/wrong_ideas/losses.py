"""Usual wrong ideas of module 04: each is the whole body of an exercise."""


@wrong("losses.mse_loss", "lets shapes broadcast")
def mse_loss(prediction, target, reduction="mean"):
    difference = prediction - target
    return reduced(difference * difference, reduction)


@wrong("losses.mse_loss", "takes the absolute value instead of the square")
def mse_loss(prediction, target, reduction="mean"):
    need_same_shape("mse_loss", prediction, target)
    return reduced(abs(prediction - target), reduction)


@wrong("losses.mse_loss", "always averages")
def mse_loss(prediction, target, reduction="mean"):
    need_same_shape("mse_loss", prediction, target)
    difference = prediction - target
    return (difference * difference).mean()


@wrong("losses.mse_loss", "leaves the graph")
def mse_loss(prediction, target, reduction="mean"):
    need_same_shape("mse_loss", prediction, target)
    difference = prediction.detach() - target
    return reduced(difference * difference, reduction)


@wrong("losses.mse_loss", "computes with the arrays")
def mse_loss(prediction, target, reduction="mean"):
    need_same_shape("mse_loss", prediction, target)
    difference = prediction.array - target.array
    return reduced(difference * difference, reduction)


@wrong("losses.nll_of_targets", "asks every row for every target")
def nll_of_targets(log_probs, targets):
    return -log_probs[:, targets]


@wrong("losses.nll_of_targets", "forgets the minus")
def nll_of_targets(log_probs, targets):
    return np.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]


@wrong("losses.nll_of_targets", "works for one row per target only")
def nll_of_targets(log_probs, targets):
    return -log_probs[np.arange(len(targets)), targets]


@wrong("losses.nll_of_targets", "averages already")
def nll_of_targets(log_probs, targets):
    return -np.take_along_axis(log_probs, targets[..., None], axis=-1).mean()


@wrong("losses.average_over_kept", "divides by all positions, padding included")
def average_over_kept(values, kept):
    return np.where(kept, values, 0).mean()


@wrong("losses.average_over_kept", "averages the averages of the rows")
def average_over_kept(values, kept):
    return np.mean([row[mask].mean() for row, mask in zip(values, kept, strict=True)])


@wrong("losses.average_over_kept", "multiplies by the mask, which keeps a nan")
def average_over_kept(values, kept):
    return (values * kept).sum() / max(int(kept.sum()), 1)


@wrong("losses.average_over_kept", "divides by a NumPy integer, which gives float64")
def average_over_kept(values, kept):
    return values[kept].sum() / np.maximum(kept.sum(), 1)


@wrong("losses.average_over_kept", "gives nan where nothing is kept")
def average_over_kept(values, kept):
    return values[kept].mean()


@wrong("losses.cross_entropy", "takes the logarithm of a softmax")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    log_probs = np.log(exponentials / exponentials.sum(axis=-1, keepdims=True))
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "picks raw scores")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = logits
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "normalises over the batch instead of the classes")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, 0)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "looks the ignored target up")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    values = nll_of_targets(log_probs, targets)
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "drops the ignored targets")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    values = nll_of_targets(log_probs, targets[kept])
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "averages already")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = average_over_kept(values, kept)
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "takes the minus twice")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    values = -nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "notes a Tensor for module 06")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax(logits, -1)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.binary_cross_entropy_with_logits", "takes the logarithm of a sigmoid")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    small = np.exp(-np.abs(logits))
    yes = np.where(logits >= 0, 1, small) / (1 + small)
    values = -(targets * np.log(yes) + (1 - targets) * np.log(1 - yes))
    return reduced(values, reduction)


@wrong("losses.binary_cross_entropy_with_logits", "lets exp overflow")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    values = logits - logits * targets + np.log1p(np.exp(-logits))
    return reduced(values, reduction)


@wrong("losses.binary_cross_entropy_with_logits", "exchanges yes and no")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    s = np.exp(-np.abs(logits))
    values = np.maximum(logits, 0) - logits * (1 - targets) + np.log1p(s)
    return reduced(values, reduction)


@wrong("losses.binary_cross_entropy_with_logits", "rounds tiny losses to 0")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    s = np.exp(-np.abs(logits))
    values = np.maximum(logits, 0) - logits * targets + np.log(1 + s)
    return reduced(values, reduction)


@wrong("losses.binary_cross_entropy_with_logits", "takes the largest of all scores")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    values = np.max(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return reduced(values, reduction)


@wrong("losses.accuracy", "counts ignored positions as mistakes")
def accuracy(logits, targets, ignore_index=-100):
    return float((logits.array.argmax(axis=-1) == targets.array).mean())


@wrong("losses.accuracy", "counts instead of averaging")
def accuracy(logits, targets, ignore_index=-100):
    kept = checked_targets(logits.array, targets.array, ignore_index)
    return float(((logits.array.argmax(axis=-1) == targets.array) & kept).sum())


@wrong("losses.accuracy", "looks for the largest along the first dimension")
def accuracy(logits, targets, ignore_index=-100):
    scores, targets = logits.array, targets.array
    kept = checked_targets(scores, targets, ignore_index)
    right = scores.argmax(axis=0) == targets
    return float(average_over_kept(right, kept))


@wrong("losses.accuracy", "looks for one largest score in all")
def accuracy(logits, targets, ignore_index=-100):
    scores, targets = logits.array, targets.array
    kept = checked_targets(scores, targets, ignore_index)
    right = scores.argmax() == targets
    return float(average_over_kept(right, kept))


@wrong("losses.accuracy", "gives nan where nothing is kept")
def accuracy(logits, targets, ignore_index=-100):
    scores, targets = logits.array, targets.array
    kept = checked_targets(scores, targets, ignore_index)
    return float((scores.argmax(axis=-1) == targets)[kept].mean())


@wrong("losses.mse_loss", "asserts instead of raising a ValueError")
def mse_loss(prediction, target, reduction="mean"):
    assert prediction.shape == target.shape
    return reduced((prediction - target) ** 2, reduction)


@wrong("losses.nll_of_targets", "multiplies by a one-hot row, so that 0 meets -inf")
def nll_of_targets(log_probs, targets):
    one_hot = np.eye(log_probs.shape[-1], dtype=log_probs.dtype)[targets]
    return -(one_hot * log_probs).sum(axis=-1)


@wrong("losses.average_over_kept", "gives Python's 0 where nothing is kept")
def average_over_kept(values, kept):
    return values[kept].mean() if kept.any() else 0


@wrong("losses.cross_entropy", "picks probabilities")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = np.exp(log_softmax.on_arrays(logits, -1))
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "returns before the given lines")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    return nll_of_targets(log_probs, np.where(kept, targets, 0)).mean()


@wrong("losses.cross_entropy", "calls the logarithms by another name than the given lines do")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    logs = log_softmax.on_arrays(logits, -1)
    values = nll_of_targets(logs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.binary_cross_entropy_with_logits", "returns before the given line")
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    return np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))


@wrong("losses.accuracy", "looks for the smallest score")
def accuracy(logits, targets, ignore_index=-100):
    scores, targets = (getattr(t, "array", t) for t in (logits, targets))
    kept = checked_targets(scores, targets, ignore_index)
    return float(average_over_kept(scores.argmin(axis=-1) == targets, kept))


@wrong("losses.accuracy", "looks along the second dimension, not the last")
def accuracy(logits, targets, ignore_index=-100):
    scores, targets = (getattr(t, "array", t) for t in (logits, targets))
    kept = checked_targets(scores, targets, ignore_index)
    return float(average_over_kept(scores.argmax(axis=1) == targets, kept))


@wrong("losses.mse_loss", "writes into the prediction")
def mse_loss(prediction, target, reduction="mean"):
    need_same_shape("mse_loss", prediction, target)
    difference = prediction
    difference -= target
    return reduced(difference * difference, reduction)


@wrong("losses.mse_loss", "takes ^ for a power")
def mse_loss(prediction, target, reduction="mean"):
    need_same_shape("mse_loss", prediction, target)
    return reduced((prediction - target) ^ 2, reduction)


@wrong("losses.nll_of_targets", "looks the targets up among the rows")
def nll_of_targets(log_probs, targets):
    return -log_probs[targets]


@wrong("losses.nll_of_targets", "gives take_along_axis one dimension too few")
def nll_of_targets(log_probs, targets):
    return -np.take_along_axis(log_probs, targets, axis=-1)


@wrong("losses.nll_of_targets", "squeezes every dimension of size 1 away")
def nll_of_targets(log_probs, targets):
    return -np.squeeze(np.take_along_axis(log_probs, targets[..., None], axis=-1))


@wrong("losses.cross_entropy", "normalises along the second dimension, not the last")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, 1)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.cross_entropy", "smooths before the given lines do")
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))
    values = smoothed(values, log_probs, label_smoothing)
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


@wrong("losses.accuracy", "says dim to an array")
def accuracy(logits, targets, ignore_index=-100):
    kept = checked_targets(logits.array, targets.array, ignore_index)
    right = logits.array.argmax(dim=-1) == targets.array
    return float(average_over_kept(right, kept))
