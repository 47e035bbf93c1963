"""Usual wrong ideas of module 11: each is the whole body of an exercise."""


@wrong("embeddings.embedding", "picks columns")
def embedding(weight, ids, padding_idx=None):
    return weight[:, ids]


@wrong("embeddings.embedding", "counts the rows from 1")
def embedding(weight, ids, padding_idx=None):
    return weight[ids - 1]


@wrong("embeddings.embedding", "returns the one-hot rows")
def embedding(weight, ids, padding_idx=None):
    return np.eye(len(weight), dtype=weight.dtype)[ids]


@wrong("embeddings.embedding", "loses the shape of a batch")
def embedding(weight, ids, padding_idx=None):
    return weight[ids.reshape(-1)]


@wrong("embeddings.embedding", "computes the one-hot product")
def embedding(weight, ids, padding_idx=None):
    return one_hot(ids, len(weight)) @ weight


@wrong("embeddings.embedding_rule", "lets the last of several uses win")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    back = np.zeros(x_shape, dtype=g.dtype)
    back[ids] += g
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


@wrong("embeddings.embedding_rule", "sorts the ids and not g")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    used, starts = np.unique(np.sort(ids), return_index=True)
    back = np.zeros(x_shape, dtype=g.dtype)
    back[used] = np.add.reduceat(g, starts)
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


@wrong("embeddings.embedding_rule", "takes the mean of several uses")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    back = np.zeros(x_shape, dtype=g.dtype)
    np.add.at(back, ids, g)
    back /= np.maximum(np.bincount(ids, minlength=x_shape[0]), 1)[:, None].astype(g.dtype)
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


@wrong("embeddings.embedding_rule", "multiplies with one-hot rows")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    back = np.eye(x_shape[0], dtype=g.dtype)[ids].T @ g
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


@wrong("embeddings.embedding_rule", "forgets the padding")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    back = np.zeros(x_shape, dtype=g.dtype)
    np.add.at(back, ids, g)
    return back


@wrong("embeddings.embedding_rule", "takes padding_idx 0 for none")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    back = np.zeros(x_shape, dtype=g.dtype)
    np.add.at(back, ids, g)
    if padding_idx:
        back[padding_idx] = 0
    return back


@wrong("embeddings.embedding_rule", "empties g at the padding")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    if padding_idx is not None:
        g[ids == padding_idx] = 0
    back = np.zeros(x_shape, dtype=g.dtype)
    np.add.at(back, ids, g)
    return back


@wrong("embeddings.PositionalEmbedding.forward", "ignores the offset")
def forward(self, length, offset=0):
    if offset + length > self.max_length:
        raise self.too_long(length, offset)
    return self.weight[:length]


@wrong("embeddings.PositionalEmbedding.forward", "ends the slice at length")
def forward(self, length, offset=0):
    if offset + length > self.max_length:
        raise self.too_long(length, offset)
    return self.weight[offset:length]


@wrong("embeddings.PositionalEmbedding.forward", "never refuses")
def forward(self, length, offset=0):
    return self.weight[offset : offset + length]


@wrong("embeddings.PositionalEmbedding.forward", "refuses the whole table")
def forward(self, length, offset=0):
    if offset + length >= self.max_length:
        raise self.too_long(length, offset)
    return self.weight[offset : offset + length]


@wrong("embeddings.PositionalEmbedding.forward", "returns the error")
def forward(self, length, offset=0):
    if offset + length > self.max_length:
        return self.too_long(length, offset)
    return self.weight[offset : offset + length]


@wrong("embeddings.sinusoidal_positions", "puts all sines first")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[:, :dim]
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "gives every column a speed of its own")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(dim) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle[:, 0::2])
    table[:, 1::2] = np.cos(angle[:, 1::2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "swaps sine and cosine")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.cos(angle)
    table[:, 1::2] = np.sin(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "counts places from 1")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(1, length + 1)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "thinks of even widths only")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle)
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "calculates in float32")
def sinusoidal_positions(length, dim, dtype=float32):
    speed = (10000 ** (-np.arange(0, dim, 2) / dim)).astype(np.float32)
    angle = np.arange(length, dtype=np.float32)[:, None] * speed
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "takes i for 2i")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange((dim + 1) // 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "doubles 2i once more")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (2 * np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "multiplies instead of dividing")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] * 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.sinusoidal_positions", "has an angle for each column")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(dim) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.TokenAndPosition.forward", "forgets the positions")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x)


@wrong("embeddings.TokenAndPosition.forward", "ignores the offset")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[-1]))


@wrong("embeddings.TokenAndPosition.forward", "scales the sum")
def forward(self, ids, offset=0):
    x = self.tokens(ids) + self.positions(ids.shape[-1], offset)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x)


@wrong("embeddings.TokenAndPosition.forward", "drops before it adds")
def forward(self, ids, offset=0):
    x = self.dropout(self.tokens(ids))
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return x + self.positions(ids.shape[-1], offset)


@wrong("embeddings.TokenAndPosition.forward", "forgets the dropout")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return x + self.positions(ids.shape[-1], offset)


@wrong("embeddings.TokenAndPosition.forward", "scales by the width")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * self.embed_dim
    return self.dropout(x + self.positions(ids.shape[-1], offset))


@wrong("embeddings.TokenAndPosition.forward", "multiplies by scale itself")
def forward(self, ids, offset=0):
    x = self.tokens(ids) * self.scale
    return self.dropout(x + self.positions(ids.shape[-1], offset))


@wrong("embeddings.TokenAndPosition.forward", "always scales")
def forward(self, ids, offset=0):
    x = self.tokens(ids) * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[-1], offset))


@wrong("embeddings.embedding", "gives a list of rows")
def embedding(weight, ids, padding_idx=None):
    return [weight[i] for i in ids]


@wrong("embeddings.embedding", "makes the rows of the padding zero")
def embedding(weight, ids, padding_idx=None):
    rows = weight[ids]
    if padding_idx is not None:
        rows[ids == padding_idx] = 0
    return rows


@wrong("embeddings.sinusoidal_positions", "returns before the given line")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return table


@wrong(
    "embeddings.sinusoidal_positions", "calls the table by another name than the given line does"
)
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    positions = np.zeros((length, dim))
    positions[:, 0::2] = np.sin(angle)
    positions[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.TokenAndPosition.forward", "takes the batch for the length")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(len(ids), offset))


@wrong("embeddings.TokenAndPosition.forward", "takes the second size for the length")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[1], offset))


@wrong("embeddings.embedding", "loops over the ids")
def embedding(weight, ids, padding_idx=None):
    return np.array([weight[i] for i in ids])


@wrong("embeddings.embedding_rule", "sorts the ids it was given")
def embedding_rule(g, x_shape, ids, padding_idx):
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])
    order = ids.argsort(kind="stable")
    ids.sort()
    used, starts = np.unique(ids, return_index=True)
    back = np.zeros(x_shape, dtype=g.dtype)
    back[used] = np.add.reduceat(g[order], starts)
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


@wrong("embeddings.sinusoidal_positions", "does not stand the places in a column")
def sinusoidal_positions(length, dim, dtype=float32):
    angle = np.arange(length) / 10000 ** (np.arange(0, dim, 2) / dim)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


@wrong("embeddings.TokenAndPosition.forward", "crops what is too long")
def forward(self, ids, offset=0):
    ids = ids[..., -self.positions.max_length :]
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[-1], offset))


@wrong("embeddings.TokenAndPosition.forward", "writes the scale into the table")
def forward(self, ids, offset=0):
    if self.scale:
        self.tokens.weight.array[...] *= math.sqrt(self.embed_dim)
    return self.dropout(self.tokens(ids) + self.positions(ids.shape[-1], offset))


@wrong("embeddings.TokenAndPosition.forward", "multiplies by the logarithm of the width")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.log2(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[-1], offset))


@wrong("embeddings.TokenAndPosition.forward", "adds the offset to the length")
def forward(self, ids, offset=0):
    x = self.tokens(ids)
    if self.scale:
        x = x * math.sqrt(self.embed_dim)
    return self.dropout(x + self.positions(ids.shape[-1] + offset, offset))
