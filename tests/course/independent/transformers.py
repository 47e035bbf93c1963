"""Module 13, solved by a reader who had only the blanked notebook."""


@solution("transformers.layer_norm")
def layer_norm(x, weight, bias, eps=1e-05):
    if x.shape[-1:] != weight.shape:
        raise ValueError(f"x of shape {x.shape} should end with the weight's size, {weight.shape}")
    distance = x - row_mean(x)  # (..., D)
    variance = row_mean(distance * distance)  # (..., 1)
    inverse = 1 / np.sqrt(variance + eps)
    normal = distance * inverse
    return normal * weight + bias, (normal, inverse)


@solution("transformers.layer_norm_rule")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    g_x = inverse * (h - row_mean(h) - normal * row_mean(h * normal))
    return g_x, g * normal, g


@solution("transformers.MLP.forward")
def forward(self, x):
    return self.narrow(self.activation(self.widen(x)))


@solution("transformers.TransformerBlock.forward")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        x = x + self.dropout(self.mlp(self.norm2(x)))
    else:
        x = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
        x = self.norm2(x + self.dropout(self.mlp(x)))
    return x


@solution("transformers.GPT.forward")
def forward(self, ids):
    check_readable(ids, self.max_length)
    mask = causal_mask(ids.shape[1])  # (T, T)
    x = self.embed(ids)  # (B, T) -> (B, T, D)
    for block in self.blocks:
        x = block(x, mask)
    return self.head(self.norm(x))  # (B, T, D) -> (B, T, V)


@solution("transformers.top_k_filter")
def top_k_filter(logits, k):
    at_least(1, top_k=k)
    k = min(k, logits.shape[-1])
    kth = np.sort(logits, axis=-1)[..., -k, None]  # (..., 1)
    return np.where(logits < kth, -np.inf, logits)


@solution("transformers.top_p_filter")
def top_p_filter(logits, p):
    if not 0 <= p <= 1:
        raise ValueError(f"top_p is a share of probability, from 0 to 1, not {p}")
    ordered = np.sort(logits, axis=-1)  # least likely first
    sums = softmax.on_arrays(ordered, -1).cumsum(axis=-1)
    keep = sums > 1 - p
    keep[..., -1] = True
    lowest = np.where(keep, ordered, np.inf).min(axis=-1, keepdims=True)  # (..., 1)
    return np.where(logits < lowest, -np.inf, logits)


@solution("transformers.pick_next")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if not 0 <= temperature < math.inf:
        raise ValueError(f"the temperature is at least 0 (the best token), not {temperature}")
    if np.isnan(logits).any():
        raise ValueError("the logits hold nan: did training blow up? Try a lower learning rate")
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]


@solution("transformers.generate")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    at_least(0, max_new_tokens=max_new_tokens)
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)  # (B,)
    with evaluating(model):
        for _ in range(max_new_tokens):
            window = ids[:, -model.max_length :]
            logits = model(wrap(window)).array[:, -1]  # (B, T, V) -> (B, V)
            new = pick_next(logits, temperature, top_k, top_p, generator)  # (B,)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = ended | np.isin(new, stops)
            if ended.all():
                break
    return wrap(ids)


@solution("transformers.repetition_penalty_filter")
def repetition_penalty_filter(logits, ids, penalty):
    result = logits.copy()
    for b in range(len(ids)):
        for token in set(ids[b].tolist()):
            z = logits[b, token]
            result[b, token] = z / penalty if z >= 0 else z * penalty
    return result


@solution("transformers.beam_step")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    B, K = scores.shape
    table = log_probabilities + scores.reshape(B, K, 1)  # (B, K, V)
    rows = table.reshape(B, K * V)
    order = np.argsort(-rows, axis=1, kind="stable")
    order = order[:, 0:width]
    totals = np.take_along_axis(rows, order, axis=1)
    parents, tokens = np.divmod(order, V)
    return totals, parents, tokens
