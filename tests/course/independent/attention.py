"""Module 12, solved by a reader who had only the blanked notebook."""


@solution("attention.causal_mask")
def causal_mask(length, source_length=None):
    source_length = length if source_length is None else source_length
    places = np.arange(length) + (source_length - length)  # (T,) the key at which each query stands
    return wrap(np.arange(source_length) <= places[:, None])  # (S,) with (T, 1) -> (T, S)


@solution("attention.combine_masks")
def combine_masks(padding, causal=None):
    padding = padding[:, None, None]  # (B, S) -> (B, 1, 1, S)
    return padding if causal is None else padding & causal


@solution("attention.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.swapaxes(-1, -2)  # (..., T, d) @ (..., d, S) -> (..., T, S)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value  # (..., T, S) @ (..., S, dv) -> (..., T, dv)
    return mixed, (weights, scale)


@solution("attention.scaled_dot_product_attention_rule")
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g  # (S, T) @ (T, dv)
    g_weights = thinned(g @ value.swapaxes(-1, -2), dropout)  # (T, dv) @ (dv, S)
    mean = (g_weights * weights).sum(axis=-1, keepdims=True)  # (T, 1)
    g_scores = weights * (g_weights - mean) * scale  # (T, S), the scale already in it
    return g_scores @ key, g_scores.swapaxes(-1, -2) @ query, g_value


@solution("attention.split_heads")
def split_heads(x, num_heads):
    if x.ndim != 3:
        raise ValueError(f"takes (B, T, D), and the shape is {x.shape}")
    B, T, D = x.shape
    width = head_width(D, num_heads)
    return x.reshape(B, T, num_heads, width).swapaxes(1, 2)


@solution("attention.merge_heads")
def merge_heads(x):
    if x.ndim != 4:
        raise ValueError(f"takes (B, H, T, D/H), and the shape is {x.shape}")
    B, H, T, width = x.shape
    return x.swapaxes(1, 2).reshape(B, T, H * width)


@solution("attention.MultiHeadAttention.forward")
def forward(self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False):
    source = x if source is None else source
    shape = self._scores_shape(x, source)
    mask = mask_for_heads(mask, padding, shape)
    dropping = self.dropout.training and self.dropout.p
    dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
    query = split_heads(self.query(x), self.num_heads)  # (B, H, T, D/H)
    key = split_heads(self.key(source), self.num_heads)  # (B, H, S, D/H)
    value = split_heads(self.value(source), self.num_heads)
    mixed = scaled_dot_product_attention(query, key, value, mask, is_causal, dropout)
    output = self.output(merge_heads(mixed))
    if return_weights:
        return output, attention_weights(query, key, mask, is_causal)
    return output
