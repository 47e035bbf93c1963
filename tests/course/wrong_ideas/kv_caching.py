"""Usual wrong ideas of module 14: each is the whole body of an exercise."""


@wrong("kv_caching.cache_bytes", "counts keys and forgets values")
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    return num_layers * num_heads * head_width * length * batch * itemsize


@wrong("kv_caching.cache_bytes", "counts one layer")
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    return 2 * num_heads * head_width * length * batch * itemsize


@wrong("kv_caching.cache_bytes", "counts numbers, not bytes")
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    return 2 * num_layers * num_heads * head_width * length * batch


@wrong("kv_caching.cache_bytes", "forgets the batch")
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    return 2 * num_layers * num_heads * head_width * length * itemsize


@wrong("kv_caching.cache_bytes", "squares the width")
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    return 2 * num_layers * num_heads * head_width**2 * length * batch * itemsize


@wrong("kv_caching.KVCache.append", "writes at the beginning every time")
def append(self, layer, key, value):
    end = self.length + key.shape[2]
    self.keys[layer, :, :, : key.shape[2]] = key
    self.values[layer, :, :, : key.shape[2]] = value
    return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


@wrong("kv_caching.KVCache.append", "hands out the empty places too")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[layer, :, :, self.length : end] = key
    self.values[layer, :, :, self.length : end] = value
    return self.keys[layer], self.values[layer]


@wrong("kv_caching.KVCache.append", "moves length on in every layer")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[layer, :, :, self.length : end] = key
    self.values[layer, :, :, self.length : end] = value
    self.length = end
    return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


@wrong("kv_caching.KVCache.append", "hands out the new places alone")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[layer, :, :, self.length : end] = key
    self.values[layer, :, :, self.length : end] = value
    return key, value


@wrong("kv_caching.KVCache.append", "writes into every layer")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[:, :, :, self.length : end] = key
    self.values[:, :, :, self.length : end] = value
    return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


@wrong("kv_caching.KVCache.append", "grows by concatenate and keeps nothing")
def append(self, layer, key, value):
    keys = np.concatenate([self.keys[layer][:, :, : self.length], key], axis=2)
    return keys, np.concatenate([self.values[layer][:, :, : self.length], value], axis=2)


@wrong("kv_caching.KVCache.append", "grows by concatenate: quadratic copies")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[layer, :, :, self.length : end] = key
    self.values[layer, :, :, self.length : end] = value
    keys = np.concatenate([self.keys[layer][:, :, : self.length], key], axis=2)
    return keys, np.concatenate([self.values[layer][:, :, : self.length], value], axis=2)


@wrong("kv_caching.attend_last", "has no mask")
def attend_last(query, keys, values):
    scores = (query * (1 / math.sqrt(query.shape[3]))) @ keys.swapaxes(-1, -2)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "begins the mask at the first key")
def attend_last(query, keys, values):
    T, S, d = query.shape[2], keys.shape[2], query.shape[3]
    scores = (query * (1 / math.sqrt(d))) @ keys.swapaxes(-1, -2)
    if T > 1:
        scores = np.where(causal_mask(S).array[:T], scores, -np.inf)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "lets a single query see the first key alone")
def attend_last(query, keys, values):
    T, S, d = query.shape[2], keys.shape[2], query.shape[3]
    scores = (query * (1 / math.sqrt(d))) @ keys.swapaxes(-1, -2)
    scores = np.where(np.arange(S) <= np.arange(T)[:, None], scores, -np.inf)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "does not divide by the root")
def attend_last(query, keys, values):
    T, S = query.shape[2], keys.shape[2]
    scores = query @ keys.swapaxes(-1, -2)
    if T > 1:
        scores = np.where(causal_mask(T, S).array, scores, -np.inf)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "scales the query in place")
def attend_last(query, keys, values):
    T, S, d = query.shape[2], keys.shape[2], query.shape[3]
    query *= 1 / math.sqrt(d)
    scores = query @ keys.swapaxes(-1, -2)
    if T > 1:
        scores = np.where(causal_mask(T, S).array, scores, -np.inf)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "is float64")
def attend_last(query, keys, values):
    T, S, d = query.shape[2], keys.shape[2], query.shape[3]
    scores = (query / np.sqrt(d)) @ keys.swapaxes(-1, -2)
    if T > 1:
        scores = np.where(causal_mask(T, S).array, scores, -np.inf)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "returns module 12's pair")
def attend_last(query, keys, values):
    if query.shape[2] > 1:
        return scaled_dot_product_attention.on_arrays(query, keys, values, None, True)
    scores = (query * (1 / math.sqrt(query.shape[3]))) @ keys.swapaxes(-1, -2)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "does not divide by the root for a single query")
def attend_last(query, keys, values):
    if query.shape[2] > 1:
        return scaled_dot_product_attention.on_arrays(query, keys, values, None, True)[0]
    return softmax.on_arrays(query @ keys.swapaxes(-1, -2), -1) @ values


@wrong("kv_caching.attend_last", "is float64 for a single query")
def attend_last(query, keys, values):
    if query.shape[2] > 1:
        return scaled_dot_product_attention.on_arrays(query, keys, values, None, True)[0]
    scores = (query / np.sqrt(query.shape[3])) @ keys.swapaxes(-1, -2)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.attend_last", "returns a Tensor for several queries")
def attend_last(query, keys, values):
    if query.shape[2] > 1:
        query, keys, values = (wrap(array) for array in (query, keys, values))
        return scaled_dot_product_attention(query, keys, values, None, True)
    scores = (query * (1 / math.sqrt(query.shape[3]))) @ keys.swapaxes(-1, -2)
    return softmax.on_arrays(scores, -1) @ values


@wrong("kv_caching.CachedBlock.attend", "attends to the new tokens alone")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    cache.append(layer, key, value)
    return self.output(heads_to_rows(attend_last(query, key, value)))


@wrong("kv_caching.CachedBlock.attend", "keeps nothing")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    return self.output(heads_to_rows(attend_last(query, key, value)))


@wrong("kv_caching.CachedBlock.attend", "uses the cache of layer 0 everywhere")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    keys, values = cache.append(0, key, value)
    return self.output(heads_to_rows(attend_last(query, keys, values)))


@wrong("kv_caching.CachedBlock.attend", "attends to what was there before, and appends afterwards")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    if cache.length:
        keys, values = (part[layer, :, :, : cache.length] for part in (cache.keys, cache.values))
        alone = [attend_last(query[:, :, [t]], keys, values) for t in range(query.shape[2])]
        mixed = np.concatenate(alone, axis=2)
    else:
        mixed = attend_last(query, key, value)
    cache.append(layer, key, value)
    return self.output(heads_to_rows(mixed))


@wrong("kv_caching.CachedBlock.attend", "swaps keys and values")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    values, keys = cache.append(layer, key, value)
    return self.output(heads_to_rows(attend_last(query, keys, values)))


@wrong("kv_caching.CachedBlock.attend", "keeps the query in the place of the key")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    mixed = attend_last(query, key, value)
    cache.append(layer, query, value)
    return self.output(heads_to_rows(mixed))


@wrong("kv_caching.embed_at", "begins at position 0 every time")
def embed_at(tokens, positions, ids, start):
    return tokens.take(ids, axis=0) + positions[: ids.shape[1]]


@wrong("kv_caching.embed_at", "gives all new tokens one position")
def embed_at(tokens, positions, ids, start):
    return tokens.take(ids, axis=0) + positions[start]


@wrong("kv_caching.embed_at", "gives all new tokens the position of the end")
def embed_at(tokens, positions, ids, start):
    return tokens.take(ids, axis=0) + positions[start + ids.shape[1]]


@wrong("kv_caching.embed_at", "has no positions")
def embed_at(tokens, positions, ids, start):
    return tokens.take(ids, axis=0)


@wrong("kv_caching.embed_at", "counts places from 1")
def embed_at(tokens, positions, ids, start):
    return tokens.take(ids, axis=0) + positions[start + 1 : start + 1 + ids.shape[1]]


@wrong("kv_caching.CachedGPT.read", "never moves length")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "moves length in every layer")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
        cache.length += T
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "counts one place for several tokens")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    cache.length += 1
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "gives all blocks the cache of layer 0")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for block in blocks:
        x = block(x, 0, cache)
    cache.length += T
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "gives every block the same input")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        y = block(x, layer, cache)
    cache.length += T
    if all_positions:
        return self.head(self.norm(y)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(y, B)))


@wrong("kv_caching.CachedGPT.read", "begins at position 0 every time")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, 0).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    cache.length += T
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "counts the new places before the blocks write")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    cache.length += T
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.unread", "reads the newest token alone from the start")
def unread(ids, cache):
    if cache.length == cache.max_length:
        cache.clear()
        return ids[:, -max(1, cache.max_length // 2) :]
    return ids[:, -1:]


@wrong("kv_caching.unread", "reads the whole text every time")
def unread(ids, cache):
    if cache.length == cache.max_length:
        cache.clear()
        return ids[:, -max(1, cache.max_length // 2) :]
    return ids[:, -cache.max_length :]


@wrong("kv_caching.unread", "does not crop a long prompt")
def unread(ids, cache):
    if cache.length == 0:
        return ids
    if cache.length < cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.unread", "never starts anew")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    return ids[:, -1:]


@wrong("kv_caching.unread", "fills the whole context again")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -cache.max_length :]


@wrong("kv_caching.unread", "leaves the old keys in the cache")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1:]
    return ids[:, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.unread", "takes half of 1 for nothing")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -(cache.max_length // 2) :]


@wrong("kv_caching.unread", "starts anew one place too early")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length - 1:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.attend_last", "takes the softmax of Tensors")
def attend_last(query, keys, values):
    T, S, d = query.shape[2], keys.shape[2], query.shape[3]
    scores = (query * (1 / math.sqrt(d))) @ keys.swapaxes(-1, -2)
    if T > 1:
        scores = np.where(causal_mask(T, S).array, scores, -np.inf)
    return softmax(wrap(scores), -1) @ values


@wrong("kv_caching.CachedBlock.attend", "moves the length itself")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    keys, values = cache.append(layer, key, value)
    mixed = attend_last(query, keys, values)
    cache.length += key.shape[2]
    return self.output(heads_to_rows(mixed))


@wrong("kv_caching.CachedBlock.attend", "returns the mix before the given line")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    keys, values = cache.append(layer, key, value)
    return attend_last(query, keys, values)


@wrong("kv_caching.CachedGPT.read", "norms the rows that the given lines norm")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    cache.length += T
    x = self.norm(x)
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.unread", "counts from the length of the cache")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, cache.length :]
    cache.clear()
    return ids[:, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.unread", "asks the text whether the cache is full")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if ids.shape[1] <= cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.unread", "rounds half of an odd context up")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -cache.max_length // 2 :]


@wrong("kv_caching.KVCache.append", "cuts the heads and not the places")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[layer, :, self.length : end] = key
    self.values[layer, :, self.length : end] = value
    return self.keys[layer, :, :end], self.values[layer, :, :end]


@wrong("kv_caching.KVCache.append", "keeps the keys as values")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    self.keys[layer, :, :, self.length : end] = key
    self.values[layer, :, :, self.length : end] = key
    return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


@wrong("kv_caching.CachedBlock.attend", "calls the mix by another name than the given line does")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    keys, values = cache.append(layer, key, value)
    result = attend_last(query[:, :, -1:] if last else query, keys, values)
    return self.output(heads_to_rows(mixed))


@wrong("kv_caching.embed_at", "takes all places from `start` on")
def embed_at(tokens, positions, ids, start):
    return tokens[ids] + positions[start:]


@wrong("kv_caching.embed_at", "begins one place too early")
def embed_at(tokens, positions, ids, start):
    return tokens[ids] + positions[start - 1 : start - 1 + ids.shape[1]]


@wrong("kv_caching.attend_last", "hides each new query from itself")
def attend_last(query, keys, values):
    T, S = query.shape[2], keys.shape[2]
    mask = None if T == 1 else np.tri(T, S, S - T - 1, dtype=bool)
    return scaled_dot_product_attention.on_arrays(query, keys, values, mask)[0]


@wrong("kv_caching.attend_last", "lets each new query see one key too many")
def attend_last(query, keys, values):
    T, S = query.shape[2], keys.shape[2]
    mask = None if T == 1 else np.tri(T, S, S - T + 1, dtype=bool)
    return scaled_dot_product_attention.on_arrays(query, keys, values, mask)[0]


@wrong("kv_caching.attend_last", "takes exp of the scores of a single query as they are")
def attend_last(query, keys, values):
    T, d = query.shape[2:]
    if T > 1:
        return scaled_dot_product_attention.on_arrays(query, keys, values, None, True)[0]
    weights = np.exp((query * (1 / math.sqrt(d))) @ keys.swapaxes(-1, -2))
    return (weights / weights.sum(axis=-1, keepdims=True)) @ values


@wrong("kv_caching.CachedGPT.read", "puts the first tokens of all texts first")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).swapaxes(0, 1).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    cache.length += T
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "moves length before the last block")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(blocks):
        cache.length += T if block is blocks[-1] else 0
        x = block(x, layer, cache)
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.CachedGPT.read", "asks for the last token alone every time")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    x = embed_at(self.tokens, self.positions, ids, cache.length).reshape(B * T, -1)
    for layer, block in enumerate(self.blocks_for_last):
        x = block(x, layer, cache)
    cache.length += T
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@wrong("kv_caching.unread", "keeps the first text alone")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:1, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:1, -1:]
    cache.clear()
    return ids[:1, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.unread", "takes the newest tokens out of their column")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1]
    cache.clear()
    return ids[:, -max(1, cache.max_length // 2) :]


@wrong("kv_caching.unread", "reads half of the text again, not of the context")
def unread(ids, cache):
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -max(1, ids.shape[1] // 2) :]
