"""Usual wrong ideas of module 12: each is the whole body of an exercise."""


@wrong("attention.causal_mask", "marks what is hidden")
def causal_mask(length, source_length=None):
    source_length = length if source_length is None else source_length
    position = np.arange(length)[:, None] + (source_length - length)
    return wrap(np.arange(source_length) > position)


@wrong("attention.causal_mask", "takes rows for keys and columns for queries")
def causal_mask(length, source_length=None):
    source_length = length if source_length is None else source_length
    position = np.arange(length)[:, None] + (source_length - length)
    return wrap(np.arange(source_length) >= position)


@wrong("attention.causal_mask", "forbids a position to look at itself")
def causal_mask(length, source_length=None):
    source_length = length if source_length is None else source_length
    position = np.arange(length)[:, None] + (source_length - length)
    return wrap(np.arange(source_length) < position)


@wrong("attention.causal_mask", "puts the first query at the first key")
def causal_mask(length, source_length=None):
    source_length = length if source_length is None else source_length
    return wrap(np.arange(source_length) <= np.arange(length)[:, None])


@wrong("attention.combine_masks", "allows what either mask allows")
def combine_masks(padding, causal=None):
    padding = padding[:, None, None, :]
    return padding if causal is None else padding | causal


@wrong("attention.combine_masks", "lets the padding hide queries")
def combine_masks(padding, causal=None):
    padding = padding[:, None, :, None]
    return padding if causal is None else padding & causal


@wrong("attention.combine_masks", "has no dimension for the heads")
def combine_masks(padding, causal=None):
    padding = padding[:, None, :]
    return padding if causal is None else padding & causal


@wrong("attention.scaled_dot_product_attention", "forgets the root")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    scale = 1.0
    scores = query @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "divides by d and not by its root")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / query.shape[-1]
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "masks after softmax")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    weights = softmax_rows((query * scale) @ key.swapaxes(-1, -2))
    if mask is not None:
        weights = weights * mask
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "masks by multiplying the scores")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores = scores * mask
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "hides what the mask allows")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, -np.inf, 0).astype(scores.dtype)
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "forgets dropout")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    return weights @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "scales the query in place")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    query *= scale
    scores = query @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "multiplies the mask by -inf")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += ~mask * -np.inf
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "indexes the scores with the mask")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores[~mask] = -np.inf
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "lets the mask make float64 of float32")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores = scores + np.where(mask, 0, -np.inf)
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention_rule", "forgets the scale")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g
    g_weights = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = weights * (g_weights - np.vecdot(g_weights, weights)[..., None])
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, g_value


@wrong("attention.scaled_dot_product_attention_rule", "loses half of the softmax rule")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g
    g_scores = scale * weights * thinned(g @ value.swapaxes(-1, -2), dropout)
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, g_value


@wrong("attention.scaled_dot_product_attention_rule", "does not transpose for the value")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_weights = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = scale * weights * (g_weights - np.vecdot(g_weights, weights)[..., None])
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, thinned(weights, dropout) @ g


@wrong("attention.scaled_dot_product_attention_rule", "does not transpose for the key")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g
    g_weights = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = scale * weights * (g_weights - np.vecdot(g_weights, weights)[..., None])
    return g_scores @ key, g_scores @ query, g_value


@wrong("attention.scaled_dot_product_attention_rule", "forgets dropout")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = weights.swapaxes(-1, -2) @ g
    g_weights = g @ value.swapaxes(-1, -2)
    g_scores = scale * weights * (g_weights - (g_weights * weights).sum(axis=-1, keepdims=True))
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, g_value


@wrong("attention.split_heads", "reshapes only, and mixes tokens")
def split_heads(x, num_heads):
    B, T, D = x.shape
    return x.reshape(B, num_heads, T, D // num_heads)


@wrong("attention.split_heads", "leaves the heads behind the tokens")
def split_heads(x, num_heads):
    B, T, D = x.shape
    return x.reshape(B, T, num_heads, D // num_heads)


@wrong("attention.split_heads", "deals the width out like cards")
def split_heads(x, num_heads):
    B, T, D = x.shape
    return x.reshape(B, T, D // num_heads, num_heads).transpose(0, 3, 1, 2)


@wrong("attention.split_heads", "swaps as one does with a Tensor")
def split_heads(x, num_heads):
    B, T, D = x.shape
    return x.reshape(B, T, num_heads, D // num_heads).transpose(1, 2)


@wrong("attention.merge_heads", "swaps as one does with a Tensor")
def merge_heads(x):
    B, H, T, width = x.shape
    return x.transpose(1, 2).reshape(B, T, H * width)


@wrong("attention.merge_heads", "reshapes only, and mixes tokens")
def merge_heads(x):
    B, H, T, width = x.shape
    return x.reshape(B, T, H * width)


@wrong("attention.merge_heads", "lets the heads alternate")
def merge_heads(x):
    B, H, T, width = x.shape
    return x.transpose(0, 2, 3, 1).reshape(B, T, H * width)


@wrong("attention.merge_heads", "takes the mean of the heads")
def merge_heads(x):
    return x.mean(axis=1)


@wrong("attention.MultiHeadAttention.forward", "takes keys and values from x")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    shape = self._scores_shape(x, x)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(x), self.num_heads)
    value = split_heads(self.value(x), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, mask, is_causal, dropout)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.MultiHeadAttention.forward", "leaves out the last layer")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(source), self.num_heads)
    value = split_heads(self.value(source), self.num_heads)
    output = merge_heads(scaled_dot_product_attention(query, key, value, mask, is_causal, dropout))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.MultiHeadAttention.forward", "does not hand the mask on")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(source), self.num_heads)
    value = split_heads(self.value(source), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, None, is_causal, dropout)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.MultiHeadAttention.forward", "does not hand dropout on")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    mask = mask_for_heads(mask, padding, self._scores_shape(x, source))
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(source), self.num_heads)
    value = split_heads(self.value(source), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, mask, is_causal)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.MultiHeadAttention.forward", "makes keys of the tokens that ask")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(x), self.num_heads)
    value = split_heads(self.value(source), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, mask, is_causal, dropout)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.MultiHeadAttention.forward", "hands dropout on before is_causal")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(source), self.num_heads)
    value = split_heads(self.value(source), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, mask, dropout, is_causal)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.MultiHeadAttention.forward", "hands is_causal on before the mask")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)
    key = split_heads(self.key(source), self.num_heads)
    value = split_heads(self.value(source), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, is_causal, mask, dropout)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output


@wrong("attention.scaled_dot_product_attention", "takes a scale of 0 for none")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    scale = scale or 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value
    return mixed, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "takes the second size for the width")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value
    return mixed, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "takes the root by NumPy")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / np.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value
    return mixed, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "hides with a large number")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -1e9).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value
    return mixed, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "reverses all dimensions of the keys")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.T
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value
    return mixed, (weights, scale)


@wrong("attention.scaled_dot_product_attention", "returns before the given line")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    return thinned(weights, dropout) @ value


@wrong("attention.scaled_dot_product_attention", "mixes from the wrong side")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = value @ thinned(weights, dropout)
    return mixed, (weights, scale)


@wrong("attention.scaled_dot_product_attention_rule", "gives the gradients in another order")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g
    g_scores = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = weights * (g_scores - (g_scores * weights).sum(axis=-1, keepdims=True))
    return g_scores.swapaxes(-1, -2) @ (scale * query), scale * (g_scores @ key), g_value


@wrong("attention.scaled_dot_product_attention_rule", "loses the dimension of the sum")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g
    g_scores = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = weights * (g_scores - (g_scores * weights).sum(axis=-1))
    return scale * (g_scores @ key), g_scores.swapaxes(-1, -2) @ (scale * query), g_value


@wrong("attention.combine_masks", "joins with a mask that may be None")
def combine_masks(padding, causal=None):
    return padding[:, None, None, :] & causal


@wrong("attention.combine_masks", "asks a mask whether it is true")
def combine_masks(padding, causal=None):
    padding = padding[:, None, None, :]
    if causal:
        padding = padding & causal
    return padding


@wrong("attention.causal_mask", "takes Tensor, which the exported file does not import")
def causal_mask(length, source_length=None):
    source_length = length if source_length is None else source_length
    return Tensor(np.tri(length, source_length, source_length - length, dtype=bool))


@wrong("attention.combine_masks", "leaves the Tensors for their arrays")
def combine_masks(padding, causal=None):
    padding = padding.array[:, None, None, :]
    return padding if causal is None else padding & causal.array


@wrong(
    "attention.scaled_dot_product_attention",
    "calls the weights by another name than the given line does",
)
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.swapaxes(-1, -2) * scale
    attention = softmax_rows(scores if mask is None else np.where(mask, scores, -np.inf))
    mixed = thinned(attention, dropout) @ value
    return mixed, (weights, scale)


@wrong("attention.split_heads", "copies the slices")
def split_heads(x, num_heads):
    width = head_width(x.shape[2], num_heads)
    return np.stack([x[..., h * width : (h + 1) * width] for h in range(num_heads)], axis=1)


@wrong("attention.split_heads", "gives every head the first slice")
def split_heads(x, num_heads):
    return np.stack([x[..., : head_width(x.shape[2], num_heads)]] * num_heads, axis=1)


@wrong("attention.merge_heads", "begins with the last head")
def merge_heads(x):
    return np.concatenate([x[:, h] for h in reversed(range(x.shape[1]))], axis=-1)


@wrong("attention.MultiHeadAttention.forward", "returns before the given lines")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query, key, value = self.heads((self.query, x), (self.key, source), (self.value, source))
    mixed = scaled_dot_product_attention(query, key, value, mask, is_causal, dropout)
    return self.output(merge_heads(mixed))


@wrong("attention.MultiHeadAttention.forward", "computes with the arrays")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    query, key, value = self.heads((self.query, x), (self.key, source), (self.value, source))
    mixed = scaled_dot_product_attention.on_arrays(query, key, value, mask, is_causal)
    return self.output(merge_heads(mixed))


@wrong("attention.combine_masks", "takes the padding of the first sentence for all")
def combine_masks(padding, causal=None):
    padding = padding[:1, None, None, :].expand(len(padding), 1, 1, padding.shape[1])
    return padding if causal is None else padding & causal


@wrong("attention.scaled_dot_product_attention", "makes the thinned weights sum to 1 again")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    used = thinned(weights, dropout)
    if dropout is not None:
        used = used / used.sum(axis=-1, keepdims=True)
    return used @ value, (weights, scale)


@wrong("attention.scaled_dot_product_attention_rule", "takes one sum of the whole table")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_weights = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = scale * weights * (g_weights - (g_weights * weights).sum())
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, g_value


@wrong("attention.scaled_dot_product_attention_rule", "thins the weights of the note in place")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_weights = thinned(g @ value.swapaxes(-1, -2), dropout)
    g_scores = scale * weights * (g_weights - np.vecdot(g_weights, weights)[..., None])
    if dropout is not None:
        weights *= dropout
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ g


@wrong("attention.scaled_dot_product_attention_rule", "turns round all dimensions with .T")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_weights = thinned(g @ value.T, dropout)
    g_scores = scale * weights * (g_weights - np.vecdot(g_weights, weights)[..., None])
    return g_scores @ key, g_scores.T @ query, thinned(weights, dropout).T @ g


@wrong("attention.split_heads", "swaps sentences and heads")
def split_heads(x, num_heads):
    B, T, D = x.shape
    return x.reshape(B, T, num_heads, D // num_heads).swapaxes(0, 2)


@wrong("attention.merge_heads", "fills an array of float64")
def merge_heads(x):
    B, H, T, width = x.shape
    merged = np.zeros((B, T, H * width))
    for h in range(H):
        merged[:, :, h * width : (h + 1) * width] = x[:, h]
    return merged


@wrong("attention.MultiHeadAttention.forward", "drops numbers of the mix, not weights")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    mask = mask_for_heads(mask, padding, self._scores_shape(x, source))
    layers = (self.query, x), (self.key, source), (self.value, source)
    query, key, value = self.heads(*layers)
    mixed = self.dropout(scaled_dot_product_attention(query, key, value, mask, is_causal))
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output
