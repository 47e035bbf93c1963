"""Usual wrong ideas of module 13: each is the whole body of an exercise."""


@wrong("transformers.layer_norm", "takes mean and variance over the batch")
def layer_norm(x, weight, bias, eps=1e-5):
    centered = x - x.mean(axis=0, keepdims=True)
    inverse = 1 / np.sqrt((centered * centered).mean(axis=0, keepdims=True) + eps)
    normal = centered * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm", "takes one mean and variance over everything")
def layer_norm(x, weight, bias, eps=1e-5):
    centered = x - x.mean()
    inverse = 1 / np.sqrt((centered * centered).mean() + eps)
    normal = centered * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm", "divides the variance by D - 1")
def layer_norm(x, weight, bias, eps=1e-5):
    centered = x - row_mean(x)
    variance = row_mean(centered * centered) * x.shape[-1] / (x.shape[-1] - 1)
    inverse = 1 / np.sqrt(variance + eps)
    normal = centered * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm", "adds eps outside the root")
def layer_norm(x, weight, bias, eps=1e-5):
    centered = x - row_mean(x)
    inverse = 1 / (np.sqrt(row_mean(centered * centered)) + eps)
    normal = centered * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm", "divides by the variance")
def layer_norm(x, weight, bias, eps=1e-5):
    centered = x - row_mean(x)
    inverse = 1 / (row_mean(centered * centered) + eps)
    normal = centered * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm", "scales x without subtracting its mean")
def layer_norm(x, weight, bias, eps=1e-5):
    centered = x - row_mean(x)
    inverse = 1 / np.sqrt(row_mean(centered * centered) + eps)
    normal = x * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm_rule", "forgets the projection on the norm itself")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    return inverse * (h - row_mean(h)), g * normal, g


@wrong("transformers.layer_norm_rule", "forgets the projection on the ones")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    return inverse * (h - normal * row_mean(h * normal)), g * normal, g


@wrong("transformers.layer_norm_rule", "forgets the factor")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    return h - row_mean(h) - normal * row_mean(h * normal), g * normal, g


@wrong("transformers.layer_norm_rule", "forgets the weight in the gradient of x")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    g_x = inverse * (g - row_mean(g) - normal * row_mean(g * normal))
    return g_x, g * normal, g


@wrong("transformers.layer_norm_rule", "gives the weight the gradient of the bias")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    return inverse * (h - row_mean(h) - normal * row_mean(h * normal)), g, g


@wrong("transformers.MLP.forward", "has no bend")
def forward(self, x):
    return self.narrow(self.widen(x))


@wrong("transformers.MLP.forward", "bends with relu")
def forward(self, x):
    return self.narrow(self.widen(x).relu())


@wrong("transformers.MLP.forward", "bends once more at the end")
def forward(self, x):
    return self.activation(self.narrow(self.activation(self.widen(x))))


@wrong("transformers.MLP.forward", "does not ask which activation was wanted")
def forward(self, x):
    return self.narrow(gelu(self.widen(x)))


@wrong("transformers.TransformerBlock.forward", "has no shortcut")
def forward(self, x, mask=None):
    if self.norm_first:
        x = self.dropout(self.attention(self.norm1(x), mask=mask))
        return self.dropout(self.mlp(self.norm2(x)))
    x = self.norm1(self.dropout(self.attention(x, mask=mask)))
    return self.norm2(self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "knows only post-norm")
def forward(self, x, mask=None):
    x = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
    return self.norm2(x + self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "does not hand on the mask")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))
    x = self.norm1(x + self.dropout(self.attention(x)))
    return self.norm2(x + self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "lets the MLP read the old stream")
def forward(self, x, mask=None):
    if self.norm_first:
        looked = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        return looked + self.dropout(self.mlp(self.norm2(x)))
    looked = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
    return self.norm2(looked + self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "norms what is added, and not the sum")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        return x + self.dropout(self.mlp(self.norm2(x)))
    x = x + self.norm1(self.dropout(self.attention(x, mask=mask)))
    return x + self.norm2(self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "forgets dropout")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.attention(self.norm1(x), mask=mask)
        return x + self.mlp(self.norm2(x))
    x = self.norm1(x + self.attention(x, mask=mask))
    return self.norm2(x + self.mlp(x))


@wrong("transformers.TransformerBlock.forward", "hands on the mask with pre-norm only")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        return x + self.dropout(self.mlp(self.norm2(x)))
    x = self.norm1(x + self.dropout(self.attention(x)))
    return self.norm2(x + self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "has dropout with pre-norm only")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        return x + self.dropout(self.mlp(self.norm2(x)))
    x = self.norm1(x + self.attention(x, mask=mask))
    return self.norm2(x + self.mlp(x))


@wrong("transformers.GPT.forward", "has no mask")
def forward(self, ids):
    check_readable(ids, self.max_length)
    x = self.embed(ids)
    for block in self.blocks:
        x = block(x)
    return self.head(self.norm(x))


@wrong("transformers.GPT.forward", "gives every block the same input")
def forward(self, ids):
    check_readable(ids, self.max_length)
    mask = causal_mask(ids.shape[1])
    x = self.embed(ids)
    for block in self.blocks:
        y = block(x, mask)
    return self.head(self.norm(y))


@wrong("transformers.GPT.forward", "forgets the last norm")
def forward(self, ids):
    check_readable(ids, self.max_length)
    mask = causal_mask(ids.shape[1])
    x = self.embed(ids)
    for block in self.blocks:
        x = block(x, mask)
    return self.head(x)


@wrong("transformers.GPT.forward", "returns the last position alone")
def forward(self, ids):
    check_readable(ids, self.max_length)
    mask = causal_mask(ids.shape[1])
    x = self.embed(ids)
    for block in self.blocks:
        x = block(x, mask)
    return self.head(self.norm(x))[:, -1]


@wrong("transformers.top_k_filter", "keeps the lowest")
def top_k_filter(logits, k):
    k = min(k, logits.shape[-1])
    kth = np.sort(logits, axis=-1)[..., k - 1, None]
    return np.where(logits > kth, -np.inf, logits)


@wrong("transformers.top_k_filter", "sets the others to zero")
def top_k_filter(logits, k):
    k = min(k, logits.shape[-1])
    kth = np.sort(logits, axis=-1)[..., -k, None]
    return np.where(logits < kth, 0, logits)


@wrong("transformers.top_k_filter", "looks for the best of all rows together")
def top_k_filter(logits, k):
    k = min(k, logits.shape[-1])
    kth = np.sort(logits.ravel())[-k]
    return np.where(logits < kth, -np.inf, logits)


@wrong("transformers.top_k_filter", "loses the k-th itself")
def top_k_filter(logits, k):
    k = min(k, logits.shape[-1])
    kth = np.sort(logits, axis=-1)[..., -k, None]
    return np.where(logits <= kth, -np.inf, logits)


@wrong("transformers.top_k_filter", "sorts its input in place")
def top_k_filter(logits, k):
    k = min(k, logits.shape[-1])
    logits.sort(axis=-1)
    kth = logits[..., -k, None]
    return np.where(logits < kth, -np.inf, logits)


@wrong("transformers.top_p_filter", "loses the crossing token")
def top_p_filter(logits, p):
    ordered = np.sort(logits, axis=-1)[..., ::-1]
    keep = softmax.on_arrays(ordered, -1).cumsum(axis=-1) <= p
    lowest = np.where(keep, ordered, np.inf).min(axis=-1, keepdims=True)
    return np.where(logits < lowest, -np.inf, logits)


@wrong("transformers.top_p_filter", "adds up in the order of the tokens")
def top_p_filter(logits, p):
    probabilities = softmax.on_arrays(logits, -1)
    keep = probabilities.cumsum(axis=-1) - probabilities < p
    keep[..., 0] = True
    return np.where(keep, logits, -np.inf)


@wrong("transformers.top_p_filter", "leaves the answer in sorted order")
def top_p_filter(logits, p):
    ordered = np.sort(logits, axis=-1)
    keep = softmax.on_arrays(ordered, -1).cumsum(axis=-1) > 1 - p
    keep[..., -1] = True
    return np.where(keep, ordered, -np.inf)


@wrong("transformers.top_p_filter", "cuts the likely ones and keeps the tail's share p")
def top_p_filter(logits, p):
    ordered = np.sort(logits, axis=-1)
    keep = softmax.on_arrays(ordered, -1).cumsum(axis=-1) > p
    keep[..., -1] = True
    lowest = np.where(keep, ordered, np.inf).min(axis=-1, keepdims=True)
    return np.where(logits < lowest, -np.inf, logits)


@wrong("transformers.top_p_filter", "returns probabilities")
def top_p_filter(logits, p):
    ordered = np.sort(logits, axis=-1)
    keep = softmax.on_arrays(ordered, -1).cumsum(axis=-1) > 1 - p
    keep[..., -1] = True
    lowest = np.where(keep, ordered, np.inf).min(axis=-1, keepdims=True)
    return np.where(logits < lowest, -np.inf, softmax.on_arrays(logits, -1))


@wrong("transformers.pick_next", "always takes the best")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    return logits.argmax(axis=-1)


@wrong("transformers.pick_next", "multiplies by the temperature")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits * temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]


@wrong("transformers.pick_next", "filters before the temperature")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits / temperature, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]


@wrong("transformers.pick_next", "does not use the generator")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1).array[..., 0]


@wrong("transformers.pick_next", "returns the Tensor of multinomial")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator)


@wrong("transformers.pick_next", "keeps the last dimension of the draw")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array


@wrong("transformers.pick_next", "takes top_k=0 for not given")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]


@wrong("transformers.pick_next", "takes top_p=0 for not given")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]


@wrong("transformers.pick_next", "divides the logits in place")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits /= temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]


@wrong("transformers.generate", "takes the first position")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    with evaluating(model):
        for _ in range(max_new_tokens):
            if ended.all():
                break
            logits = model(wrap(ids[:, -model.max_length :])).array[:, 0]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = ended | np.isin(new, stops)
    return wrap(ids)


@wrong("transformers.generate", "leaves dropout on")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    with no_grad():
        for _ in range(max_new_tokens):
            if ended.all():
                break
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = ended | np.isin(new, stops)
    return wrap(ids)


@wrong("transformers.generate", "does not crop")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    with evaluating(model):
        for _ in range(max_new_tokens):
            if ended.all():
                break
            logits = model(wrap(ids)).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = ended | np.isin(new, stops)
    return wrap(ids)


@wrong("transformers.generate", "records every call")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    model.eval()
    for _ in range(max_new_tokens):
        if ended.all():
            break
        logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
        new = pick_next(logits, temperature, top_k, top_p, generator)
        new = np.where(ended, ids[:, -1], new)
        ids = np.concatenate([ids, new[:, None]], axis=1)
        ended = ended | np.isin(new, stops)
    model.train()
    return wrap(ids)


@wrong("transformers.generate", "leaves the model in eval mode")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    model.eval()
    with no_grad():
        for _ in range(max_new_tokens):
            if ended.all():
                break
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = ended | np.isin(new, stops)
    return wrap(ids)


@wrong("transformers.generate", "ends all rows with the first")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            if np.isin(new, stops).any():
                break
    return wrap(ids)


@wrong("transformers.generate", "never stops")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids = prompt_array(ids)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            ids = np.concatenate([ids, new[:, None]], axis=1)
    return wrap(ids)


@wrong("transformers.generate", "lets a row that has ended go on writing")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    with evaluating(model):
        for _ in range(max_new_tokens):
            if ended.all():
                break
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = ended | np.isin(new, stops)
    return wrap(ids)


@wrong("transformers.generate", "lets a stop in the prompt end the row")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    with evaluating(model):
        for _ in range(max_new_tokens):
            ended = np.isin(ids, stops).any(axis=1)
            if ended.all():
                break
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
    return wrap(ids)


@wrong("transformers.repetition_penalty_filter", "divides negative scores as well")
def repetition_penalty_filter(logits, ids, penalty):
    said = np.take_along_axis(logits, ids, axis=-1)
    logits = logits.copy()
    np.put_along_axis(logits, ids, said / penalty, axis=-1)
    return logits


@wrong("transformers.repetition_penalty_filter", "penalises once for every occurrence")
def repetition_penalty_filter(logits, ids, penalty):
    logits = logits.copy()
    for row, text in zip(logits, ids):
        for token in text:
            row[token] = row[token] * penalty if row[token] < 0 else row[token] / penalty
    return logits


@wrong("transformers.repetition_penalty_filter", "writes into its input")
def repetition_penalty_filter(logits, ids, penalty):
    said = np.take_along_axis(logits, ids, axis=-1)
    lower = np.where(said < 0, said * penalty, said / penalty)
    np.put_along_axis(logits, ids, lower, axis=-1)
    return logits


@wrong("transformers.repetition_penalty_filter", "returns what np.put_along_axis gives")
def repetition_penalty_filter(logits, ids, penalty):
    said = np.take_along_axis(logits, ids, axis=-1)
    lower = np.where(said < 0, said * penalty, said / penalty)
    return np.put_along_axis(logits.copy(), ids, lower, axis=-1)


@wrong("transformers.repetition_penalty_filter", "penalises the texts of all rows in every row")
def repetition_penalty_filter(logits, ids, penalty):
    said = np.isin(np.arange(logits.shape[-1]), ids)
    return np.where(said, np.where(logits < 0, logits * penalty, logits / penalty), logits)


@wrong("transformers.repetition_penalty_filter", "penalises the newest token alone")
def repetition_penalty_filter(logits, ids, penalty):
    newest = ids[:, -1:]
    said = np.take_along_axis(logits, newest, axis=-1)
    logits = logits.copy()
    np.put_along_axis(logits, newest, np.where(said < 0, said * penalty, said / penalty), axis=-1)
    return logits


@wrong("transformers.repetition_penalty_filter", "returns the taken scores alone")
def repetition_penalty_filter(logits, ids, penalty):
    said = np.take_along_axis(logits, ids, axis=-1)
    return np.where(said < 0, said * penalty, said / penalty)


@wrong("transformers.repetition_penalty_filter", "has the signs the wrong way round")
def repetition_penalty_filter(logits, ids, penalty):
    said = np.take_along_axis(logits, ids, axis=-1)
    logits = logits.copy()
    np.put_along_axis(logits, ids, np.where(said > 0, said * penalty, said / penalty), axis=-1)
    return logits


@wrong("transformers.beam_step", "leaves out the scores of the beams")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    totals = log_probabilities.reshape(len(log_probabilities), -1)
    best = np.argsort(-totals, axis=-1, kind="stable")[:, :width]
    return np.take_along_axis(totals, best, axis=-1), best // V, best % V


@wrong("transformers.beam_step", "multiplies logarithms")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    totals = (scores[..., None] * log_probabilities).reshape(len(scores), -1)
    best = np.argsort(-totals, axis=-1, kind="stable")[:, :width]
    return np.take_along_axis(totals, best, axis=-1), best // V, best % V


@wrong("transformers.beam_step", "takes the worst")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    totals = (scores[..., None] + log_probabilities).reshape(len(scores), -1)
    best = np.argsort(totals, axis=-1, kind="stable")[:, :width]
    return np.take_along_axis(totals, best, axis=-1), best // V, best % V


@wrong("transformers.beam_step", "gives each beam its own best continuation")
def beam_step(scores, log_probabilities, width):
    tokens = log_probabilities.argmax(axis=-1)[:, :width]
    totals = scores[:, :width] + log_probabilities.max(axis=-1)[:, :width]
    return totals, np.tile(np.arange(tokens.shape[1]), (len(tokens), 1)), tokens


@wrong("transformers.beam_step", "counts beams where the row of the table has tokens")
def beam_step(scores, log_probabilities, width):
    K = scores.shape[-1]
    totals = (scores[..., None] + log_probabilities).reshape(len(scores), -1)
    best = np.argsort(-totals, axis=-1, kind="stable")[:, :width]
    return np.take_along_axis(totals, best, axis=-1), best // K, best % K


@wrong("transformers.beam_step", "mixes up parents and tokens")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    totals = (scores[..., None] + log_probabilities).reshape(len(scores), -1)
    best = np.argsort(-totals, axis=-1, kind="stable")[:, :width]
    return np.take_along_axis(totals, best, axis=-1), best % V, best // V


@wrong("transformers.beam_step", "puts equals in the order of the last")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    totals = (scores[..., None] + log_probabilities).reshape(len(scores), -1)
    best = np.argsort(totals, axis=-1, kind="stable")[:, ::-1][:, :width]
    return np.take_along_axis(totals, best, axis=-1), best // V, best % V


@wrong("transformers.layer_norm", "loses the dimension of the mean")
def layer_norm(x, weight, bias, eps=1e-5):
    inverse = 1 / np.sqrt(x.var(axis=-1) + eps)
    normal = (x - x.mean(axis=-1)) * inverse
    return normal * weight + bias, (normal, inverse)


@wrong("transformers.layer_norm", "calls the result by another name than the given lines do")
def layer_norm(x, weight, bias, eps=1e-5):
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    normed = (x - row_mean(x)) * inverse
    y = normal * weight
    y += bias
    return y, (normal, inverse)


@wrong("transformers.layer_norm", "returns before the given lines")
def layer_norm(x, weight, bias, eps=1e-5):
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return (x - row_mean(x)) * inverse * weight + bias


@wrong("transformers.layer_norm_rule", "loses the dimension of the means")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    return inverse * (h - h.mean(-1) - normal * (h * normal).mean(-1)), g * normal, g


@wrong("transformers.MLP.forward", "narrows first")
def forward(self, x):
    return self.widen(self.activation(self.narrow(x)))


@wrong("transformers.MLP.forward", "computes with the arrays")
def forward(self, x):
    return self.narrow(self.activation.on_arrays(self.widen(x)))


@wrong("transformers.TransformerBlock.forward", "hands the mask on as the source")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x), mask))
        return x + self.dropout(self.mlp(self.norm2(x)))
    x = self.norm1(x + self.dropout(self.attention(x, mask)))
    return self.norm2(x + self.dropout(self.mlp(x)))


@wrong("transformers.TransformerBlock.forward", "adds in the caller's array")
def forward(self, x, mask=None):
    if self.norm_first:
        x += self.dropout(self.attention(self.norm1(x), mask=mask))
        x += self.dropout(self.mlp(self.norm2(x)))
        return x
    x = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
    return self.norm2(x + self.dropout(self.mlp(x)))


@wrong("transformers.GPT.forward", "gives probabilities")
def forward(self, ids):
    x, mask = self.embed(ids), causal_mask(ids.shape[1])
    for block in self.blocks:
        x = block(x, mask)
    return self.head(self.norm(x)).softmax(-1)


@wrong("transformers.top_k_filter", "counts k from the lowest")
def top_k_filter(logits, k):
    k = min(k, logits.shape[-1])
    if k == logits.shape[-1]:
        return logits.copy()
    return np.where(logits < np.sort(logits, axis=-1)[..., k, None], -np.inf, logits)


@wrong("transformers.top_p_filter", "adds up from the likeliest, and loses the tiny")
def top_p_filter(logits, p):
    order = np.argsort(-logits, axis=-1, kind="stable")
    shares = np.take_along_axis(softmax.on_arrays(logits, -1), order, -1)
    keep = shares.cumsum(axis=-1) - shares < p
    keep[..., 0] = True
    last = keep.sum(axis=-1, keepdims=True) - 1
    lowest = np.take_along_axis(np.take_along_axis(logits, order, -1), last, -1)
    return np.where(logits < lowest, -np.inf, logits)


@wrong("transformers.pick_next", "divides by a temperature of 0")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    return multinomial(wrap(softmax.on_arrays(logits, -1)), 1, generator).array[..., 0]


@wrong("transformers.pick_next", "draws with the scores")
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    if temperature == 0:
        return logits.argmax(axis=-1)
    return multinomial(wrap(logits / temperature), 1, generator).array[..., 0]


@wrong("transformers.generate", "returns before the given line")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            ids = np.concatenate([ids, new[:, None]], axis=1)
    return ids


@wrong("transformers.generate", "hands a Tensor to pick_next")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits = model(wrap(ids[:, -model.max_length :]))[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            ids = np.concatenate([ids, new[:, None]], axis=1)
    return wrap(ids)


@wrong("transformers.beam_step", "adds the scores along the tokens")
def beam_step(scores, log_probabilities, width):
    V = log_probabilities.shape[-1]
    totals = (scores[:, None] + log_probabilities).reshape(len(scores), -1)
    best = np.argsort(-totals, axis=-1, kind="stable")[:, :width]
    return np.take_along_axis(totals, best, axis=-1), best // V, best % V


@wrong("transformers.layer_norm_rule", "sums over two dimensions where there is one")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h = g * weight
    mean, along = h.mean(-1, keepdims=True), (h * normal).mean(-1, keepdims=True)
    return inverse * (h - mean - normal * along), (g * normal).sum(axis=(0, 1)), g.sum(axis=(0, 1))


@wrong("transformers.layer_norm_rule", "multiplies in the note")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    h, product = g * weight, g * normal
    normal *= (h * normal).mean(-1, keepdims=True)
    return inverse * (h - h.mean(-1, keepdims=True) - normal), product, g


@wrong("transformers.layer_norm_rule", "multiplies in the gradient")
def layer_norm_rule(g, weight, note):
    normal, inverse = note
    product, g_bias = g * normal, g.copy()
    g *= weight
    along = (g * normal).mean(-1, keepdims=True)
    return inverse * (g - g.mean(-1, keepdims=True) - normal * along), product, g_bias


@wrong("transformers.MLP.forward", "takes every input for (B, T, D)")
def forward(self, x):
    B, T, D = x.shape
    return self.narrow(self.activation(self.widen(x.reshape(B * T, D)))).reshape(B, T, D)


@wrong("transformers.TransformerBlock.forward", "adds in the caller's array with post-norm")
def forward(self, x, mask=None):
    if self.norm_first:
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        return x + self.dropout(self.mlp(self.norm2(x)))
    x += self.dropout(self.attention(x, mask=mask))
    x = self.norm1(x)
    return self.norm2(x + self.dropout(self.mlp(x)))


@wrong("transformers.GPT.forward", "gives log-probabilities")
def forward(self, ids):
    mask, x = causal_mask(ids.shape[1]), self.embed(ids)
    for block in self.blocks:
        x = block(x, mask)
    return log_softmax(self.head(self.norm(x)), -1)


@wrong("transformers.top_p_filter", "takes exp of scores as they are")
def top_p_filter(logits, p):
    ordered = np.sort(logits, axis=-1)
    shares = np.exp(ordered) / np.exp(ordered).sum(axis=-1, keepdims=True)
    keep = shares.cumsum(axis=-1) > 1 - p
    keep[..., -1] = True
    lowest = np.where(keep, ordered, np.inf).min(axis=-1, keepdims=True)
    return np.where(logits < lowest, -np.inf, logits)


@wrong("transformers.generate", "stops before it appends")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            new = pick_next(logits, temperature, top_k, top_p, generator)
            new = np.where(ended, ids[:, -1], new)
            ended = np.isin(new, stops)
            if ended.all():
                break
            ids = np.concatenate([ids, new[:, None]], axis=1)
    return wrap(ids)


@wrong("transformers.generate", "hands on top_p only without top_k")
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)
    with evaluating(model):
        for _ in range(max_new_tokens):
            if ended.all():
                break
            logits = model(wrap(ids[:, -model.max_length :])).array[:, -1]
            filters = {"top_k": top_k} if top_k else {"top_p": top_p}
            new = pick_next(logits, temperature, generator=generator, **filters)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = np.isin(new, stops)
    return wrap(ids)
