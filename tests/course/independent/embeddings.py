"""Module 11, solved by a reader who had only the blanked notebook."""


@solution("embeddings.embedding")
def embedding(weight, ids, padding_idx=None):
    check_lookup(weight, ids)
    return weight[ids]


@solution("embeddings.embedding_rule")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])  # (...) -> (N,), (..., D) -> (N, D)
    back = np.zeros(x_shape, dtype=g.dtype)
    order = ids.argsort(kind="stable")
    used, starts = np.unique(ids[order], return_index=True)
    back[used] = np.add.reduceat(g[order], starts)
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


@solution("embeddings.PositionalEmbedding.forward")
def forward(self, length, offset=0):
    at_least(0, length=length, offset=offset)
    end = offset + length
    if end > self.max_length:
        raise self.too_long(length, offset)
    return self.weight[offset:end]


@solution("embeddings.sinusoidal_positions")
def sinusoidal_positions(length, dim, dtype=float32):
    at_least(1, length=length, dim=dim)
    places = np.arange(length)[:, None]  # (length, 1)
    speeds = 1 / 10000 ** (np.arange(0, dim, 2) / dim)  # one per hand
    angle = places * speeds
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@solution("embeddings.TokenAndPosition.forward")
def forward(self, ids, offset=0):
    if np.ndim(ids) == 0:
        raise ValueError("ids come in rows, (..., T): write Tensor([3]) for a single one")
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[-1], offset))
