"""Module 14, solved by a reader who had only the blanked notebook."""


@solution("kv_caching.cache_bytes")
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    numbers_per_place = (
        2 * num_layers * num_heads * head_width
    )  # a key and a value, in every head of every layer
    return numbers_per_place * length * batch * itemsize


@solution("kv_caching.KVCache.append")
def append(self, layer, key, value):
    end = self.end_after(key.shape[2])
    filled = []
    for store, new in ((self.keys, key), (self.values, value)):
        mine = store[layer]  # (B, H, max_length, d), a view
        mine[..., self.length : end, :] = new
        filled.append(mine[..., :end, :])
    return tuple(filled)


@solution("kv_caching.attend_last")
def attend_last(query, keys, values):
    T, S, d = query.shape[2], keys.shape[2], query.shape[3]
    scores = (query / math.sqrt(d)) @ keys.swapaxes(
        -1, -2
    )  # (B, H, T, d) @ (B, H, d, S) -> (B, H, T, S)
    if T > 1:  # a single query is the last of all: nothing is ahead of it
        ahead = ~causal_mask(T, S).array  # (T, S), True = still to come
        scores[..., ahead] = -np.inf
    return softmax.on_arrays(scores, -1) @ values  # (B, H, T, S) @ (B, H, S, d) -> (B, H, T, d)


@solution("kv_caching.CachedBlock.attend")
def attend(self, x, layer, cache, last=False):
    query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
    if last:
        query = query[:, :, -1:]
    so_far = cache.append(
        layer, key, value
    )  # all keys, all values: (B, H, S, d) each, the new ones last
    mixed = attend_last(query, *so_far)  # (B, H, T, d)
    return self.output(heads_to_rows(mixed))


@solution("kv_caching.embed_at")
def embed_at(tokens, positions, ids, start):
    T = ids.shape[1]
    places = np.arange(start, start + T)  # (T,)
    return tokens[ids] + positions[places]  # (B, T, D) + (T, D)


@solution("kv_caching.CachedGPT.read")
def read(self, ids, cache, all_positions=False):
    ids = self.checked(ids, cache)
    B, T = ids.shape
    blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
    before = (
        cache.length
    )  # this many places are filled; it must stay so until every block has written
    x = embed_at(self.tokens, self.positions, ids, before).reshape(
        B * T, -1
    )  # (B, T, D) -> (B * T, D)
    for layer, block in enumerate(blocks):
        x = block(x, layer, cache)
    cache.length = before + T
    if all_positions:
        return self.head(self.norm(x)).reshape(B, T, -1)
    return self.head(self.norm(last_rows(x, B)))


@solution("kv_caching.unread")
def unread(ids, cache):
    room = cache.max_length - cache.length
    if not room:  # full: start anew with the last half
        cache.clear()
        half = max(1, cache.max_length // 2)
        return ids[:, -half:]
    return ids[:, -1:] if cache.length else ids[:, -room:]
