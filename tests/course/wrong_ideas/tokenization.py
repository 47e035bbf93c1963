"""Usual wrong ideas of module 10: each is the whole body of an exercise."""


@wrong("tokenization.CharTokenizer.encode", "takes code points for ids")
def encode(self, text):
    text = plain_text(text)
    return [ord(character) for character in text]


@wrong("tokenization.CharTokenizer.encode", "numbers characters by their place in the text")
def encode(self, text):
    text = plain_text(text)
    return [text.index(character) for character in text]


@wrong("tokenization.CharTokenizer.encode", "drops unknown characters in silence")
def encode(self, text):
    text = plain_text(text)
    return [self.id_of[character] for character in text if character in self.id_of]


@wrong("tokenization.CharTokenizer.encode", "lets the dictionary raise a bare KeyError")
def encode(self, text):
    text = plain_text(text)
    return [self.id_of[character] for character in text]


@wrong("tokenization.CharTokenizer.decode", "takes ids for code points")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return "".join(chr(i) for i in ids)


@wrong("tokenization.CharTokenizer.decode", "puts spaces between the characters")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return " ".join(self.characters[i] for i in ids)


@wrong("tokenization.CharTokenizer.decode", "returns a list")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return [self.characters[i] for i in ids]


@wrong("tokenization.count_pairs", "forgets the weights")
def count_pairs(words):
    counts = {}
    for word in words:
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + 1
    return counts


@wrong("tokenization.count_pairs", "counts a pair once per word")
def count_pairs(words):
    counts = {}
    for word, times in words.items():
        for pair in set(pairwise(word)):
            counts[pair] = counts.get(pair, 0) + times
    return counts


@wrong("tokenization.count_pairs", "does not count overlapping pairs")
def count_pairs(words):
    counts = {}
    for word, times in words.items():
        i = 0
        while i < len(word) - 1:
            pair = (word[i], word[i + 1])
            counts[pair] = counts.get(pair, 0) + times
            i = i + 2 if word[i + 1 : i + 3] == pair else i + 1
    return counts


@wrong("tokenization.count_pairs", "counts across words")
def count_pairs(words):
    counts = {}
    chain = [(i, times) for word, times in words.items() for i in word]
    for (left, _), (right, times) in pairwise(chain):
        counts[left, right] = counts.get((left, right), 0) + times
    return counts


@wrong("tokenization.merge", "uses the middle of three twice")
def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new)
            i = i + 1 if tuple(ids[i + 1 : i + 3]) == pair else i + 2
        else:
            merged.append(ids[i])
            i = i + 1
    return merged


@wrong("tokenization.merge", "keeps the second id of the pair")
def merge(ids, pair, new):
    return [new if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids))]


@wrong("tokenization.merge", "replaces the first occurrence only")
def merge(ids, pair, new):
    ids = list(ids)
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return ids[:i] + [new] + ids[i + 2 :]
    return ids


@wrong("tokenization.merge", "goes from right to left")
def merge(ids, pair, new):
    ids = list(ids)
    i = len(ids) - 2
    while i >= 0:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
            i = i - 1
        i = i - 1
    return ids


@wrong("tokenization.merge", "writes into its input")
def merge(ids, pair, new):
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
        i = i + 1
    return ids


@wrong("tokenization.BPETokenizer.train", "takes the first of equally frequent pairs")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        pair = max(index.counts, key=index.counts.get, default=None)
        if pair is None or index.counts[pair] < 2:
            break
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "takes the largest of equally frequent pairs")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        most, pair = max(((c, p) for p, c in index.counts.items()), default=(0, None))
        if most < 2:
            break
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "merges pairs that occur only once")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit and index.counts:
        most = max(index.counts.values())
        pair = min(pair for pair, count in index.counts.items() if count == most)
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "counts once and never again")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    best_first = sorted(index.counts, key=lambda pair: (-index.counts[pair], pair))
    merges = best_first[:limit]
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "does not stop at the limit")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while True:
        most = max(index.counts.values(), default=0)
        if most < 2:
            break
        pair = min(pair for pair, count in index.counts.items() if count == most)
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "asks for the largest of no counts")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        most = max(index.counts.values())
        if most < 2:
            break
        pair = min(pair for pair, count in index.counts.items() if count == most)
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "notes the pair before it is merged")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        most = max(index.counts.values(), default=0)
        if most < 2:
            break
        pair = min(pair for pair, count in index.counts.items() if count == most)
        merges.append(pair)
        index.merge(pair, 256 + len(merges))
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "merges nothing in the index")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        most = max(index.counts.values(), default=0)
        if most < 2:
            break
        pair = min(pair for pair, count in index.counts.items() if count == most)
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.encode_word", "takes the rank for the new id")
def encode_word(self, word):
    ids = list(word)
    while len(ids) > 1:
        pair = min(pairwise(ids), key=self.rank)
        if pair not in self.ranks:
            break
        ids = merge(ids, pair, self.ranks[pair])
    return ids


@wrong("tokenization.BPETokenizer.encode_word", "looks for a pair in a single byte")
def encode_word(self, word):
    ids = list(word)
    while True:
        pair = min(pairwise(ids), key=self.rank)
        if pair not in self.ranks:
            break
        ids = merge(ids, pair, 256 + self.ranks[pair])
    return ids


@wrong("tokenization.BPETokenizer.encode_word", "merges the highest rank first")
def encode_word(self, word):
    ids = list(word)
    while len(ids) > 1:
        known = [pair for pair in pairwise(ids) if pair in self.ranks]
        if not known:
            break
        pair = max(known, key=self.rank)
        ids = merge(ids, pair, 256 + self.ranks[pair])
    return ids


@wrong("tokenization.BPETokenizer.encode_word", "takes the longest token that fits")
def encode_word(self, word):
    ids = []
    while word:
        size = max(n for n in range(1, len(word) + 1) if word[:n] in self.token_bytes)
        ids.append(self.token_bytes.index(word[:size]))
        word = word[size:]
    return ids


@wrong("tokenization.BPETokenizer.encode_word", "merges the leftmost known pair")
def encode_word(self, word):
    ids = list(word)
    while True:
        known = [pair for pair in pairwise(ids) if pair in self.ranks]
        if not known:
            return ids
        ids = merge(ids, known[0], 256 + self.ranks[known[0]])


@wrong("tokenization.BPETokenizer.encode_word", "stops after one merge")
def encode_word(self, word):
    ids = list(word)
    if len(ids) > 1:
        pair = min(pairwise(ids), key=self.rank)
        if pair in self.ranks:
            ids = merge(ids, pair, 256 + self.ranks[pair])
    return ids


@wrong("tokenization.BPETokenizer.encode_word", "leaves the bytes as they are")
def encode_word(self, word):
    return list(word)


@wrong("tokenization.BPETokenizer.decode", "takes every id for a byte")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return bytes(ids).decode("utf-8", errors="replace")


@wrong("tokenization.BPETokenizer.decode", "decodes each token by itself")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return "".join(self.token_bytes[i].decode("utf-8", errors="replace") for i in ids)


@wrong("tokenization.BPETokenizer.decode", "raises on half a character")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return b"".join(self.token_bytes[i] for i in ids).decode("utf-8")


@wrong("tokenization.BPETokenizer.decode", "drops half a character in silence")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return b"".join(self.token_bytes[i] for i in ids).decode("utf-8", errors="ignore")


@wrong("tokenization.BPETokenizer.decode", "takes bytes for characters")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return "".join(chr(byte) for i in ids for byte in self.token_bytes[i])


@wrong("tokenization.next_token_windows", "does not shift y")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids[:-1], length)[::stride]
    return wrap(windows), wrap(windows)


@wrong("tokenization.next_token_windows", "shifts y into the past")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    starts = np.arange(0, len(ids) - length, stride)
    places = starts[:, None] + np.arange(length)
    return wrap(ids[places]), wrap(ids[places - 1])


@wrong("tokenization.next_token_windows", "adds 1 to the ids")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids[:-1], length)[::stride]
    return wrap(windows), wrap(windows + 1)


@wrong("tokenization.next_token_windows", "loses the last window")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids[:-1], length + 1)[::stride]
    return wrap(windows[:, :-1]), wrap(windows[:, 1:])


@wrong("tokenization.next_token_windows", "ignores the stride")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids, length + 1)[::length]
    return wrap(windows[:, :-1]), wrap(windows[:, 1:])


@wrong("tokenization.next_token_windows", "swaps x and y")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids, length + 1)[::stride]
    return wrap(windows[:, 1:]), wrap(windows[:, :-1])


@wrong("tokenization.next_token_windows", "cuts pieces without room for the target")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids, length)[::stride]
    return wrap(windows[:, :-1]), wrap(windows[:, 1:])


@wrong("tokenization.next_token_windows", "copies every window")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    starts = np.arange(0, len(ids) - length, stride)
    places = starts[:, None] + np.arange(length)
    return wrap(ids[places]), wrap(ids[places + 1])


@wrong("tokenization.next_token_windows", "copies the pieces into one table")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    starts = range(0, len(ids) - length, stride)
    pieces = np.array([ids[start : start + length + 1] for start in starts])
    return wrap(pieces[:, :-1]), wrap(pieces[:, 1:])


@wrong("tokenization.CharTokenizer.decode", "looks an id up among the characters")
def decode(self, ids):
    return "".join(self.id_of[i] for i in id_row(ids, self.vocab_size).tolist())


@wrong("tokenization.count_pairs", "asks the last id for a neighbour")
def count_pairs(words):
    counts = {}
    for word, times in words.items():
        for i in range(len(word)):
            counts[word[i], word[i + 1]] = counts.get((word[i], word[i + 1]), 0) + times
    return counts


@wrong("tokenization.merge", "asks the last id for a neighbour")
def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = (ids[i], ids[i + 1]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


@wrong("tokenization.merge", "compares a list with a tuple")
def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = list(ids[i : i + 2]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


@wrong("tokenization.merge", "takes the pair in any order")
def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = set(ids[i : i + 2]) == set(pair)
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


@wrong("tokenization.BPETokenizer.train", "returns before the given line")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit and max(index.counts.values(), default=0) > 1:
        pair = min(index.counts, key=lambda pair: (-index.counts[pair], pair))
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges


@wrong("tokenization.BPETokenizer.encode_word", "takes the word for text")
def encode_word(self, word):
    return [ord(character) for character in word]


@wrong("tokenization.next_token_windows", "returns before the given line")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    windows = sliding_window_view(ids, length + 1)[:: stride or length]
    return windows[:, :-1], windows[:, 1:]


@wrong("tokenization.CharTokenizer.encode", "takes the id 0 for none")
def encode(self, text):
    ids = []
    for place, character in enumerate(plain_text(text)):
        if not self.id_of.get(character):
            raise self.unknown(character, place)
        ids.append(self.id_of[character])
    return ids


@wrong("tokenization.count_pairs", "adds to a count that is not there yet")
def count_pairs(words):
    counts = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return counts


@wrong("tokenization.merge", "loses the last id")
def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids) - 1:
        found = tuple(ids[i : i + 2]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


@wrong("tokenization.BPETokenizer.train", "goes on from what was learnt before")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = list(self.merges)
    while len(merges) < limit:
        most = max(index.counts.values(), default=0)
        if most < 2:
            break
        pair = min(pair for pair, count in index.counts.items() if count == most)
        index.merge(pair, 256 + len(merges))
        merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.train", "merges all tied pairs in one round")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        most = max(index.counts.values(), default=0)
        if most < 2:
            break
        for pair in sorted(pair for pair, count in index.counts.items() if count == most):
            if len(merges) < limit and index.counts.get(pair) == most:
                index.merge(pair, 256 + len(merges))
                merges.append(pair)
    self.__init__(merges, special, self.pattern)


@wrong("tokenization.BPETokenizer.encode_word", "compares None with a rank")
def encode_word(self, word):
    ids = list(word)
    while len(ids) > 1:
        pair = min(pairwise(ids), key=self.ranks.get)
        if pair not in self.ranks:
            break
        ids = merge(ids, pair, 256 + self.ranks[pair])
    return ids


@wrong("tokenization.BPETokenizer.encode_word", "does not ask whether there is a rank")
def encode_word(self, word):
    ids = list(word)
    while len(ids) > 1:
        pair = min(pairwise(ids), key=self.rank)
        ids = merge(ids, pair, 256 + self.ranks[pair])
    return ids


@wrong("tokenization.BPETokenizer.decode", "joins bytes to a text")
def decode(self, ids):
    return "".join(self.token_bytes[i] for i in id_row(ids, self.vocab_size).tolist())


@wrong("tokenization.BPETokenizer.decode", "looks for special tokens among the merges")
def decode(self, ids):
    def bytes_of(i):
        return bytes([i]) if i < 256 else b"".join(map(bytes_of, self.merges[i - 256]))

    data = b"".join(bytes_of(i) for i in id_row(ids, self.vocab_size).tolist())
    return data.decode("utf-8", errors="replace")
