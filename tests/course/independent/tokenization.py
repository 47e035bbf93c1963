"""Module 10, solved by a reader who had only the blanked notebook."""


@solution("tokenization.CharTokenizer.encode")
def encode(self, text):
    text = plain_text(text)
    ids = []
    for place, character in enumerate(text):
        if character not in self.id_of:
            raise self.unknown(character, place)
        ids.append(self.id_of[character])
    return ids


@solution("tokenization.CharTokenizer.decode")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    return "".join(self.characters[i] for i in ids)


@solution("tokenization.count_pairs")
def count_pairs(words):
    counts = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + times
    return counts


@solution("tokenization.merge")
def merge(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new)
            i = i + 2
        else:
            merged.append(ids[i])
            i = i + 1
    return merged


@solution("tokenization.BPETokenizer.train")
def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
    special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
    limit = merges_wanted(vocab_size, num_merges, len(special))
    index = PairIndex(count_words(text, special, self.pattern))
    merges = []
    while len(merges) < limit:
        most = max(index.counts.values(), default=0)
        if most < 2:
            break
        best = min(pair for pair in index.counts if index.counts[pair] == most)
        index.merge(best, 256 + len(merges))
        merges.append(best)
    self.__init__(merges, special, self.pattern)  # begin anew, with what was learnt


@solution("tokenization.BPETokenizer.encode_word")
def encode_word(self, word):
    ids = list(word)
    while len(ids) >= 2:
        best = min(pairwise(ids), key=self.rank)
        if best not in self.ranks:
            break
        ids = merge(ids, best, 256 + self.ranks[best])
    return ids


@solution("tokenization.BPETokenizer.decode")
def decode(self, ids):
    ids = id_row(ids, self.vocab_size).tolist()
    joined = b"".join(self.token_bytes[i] for i in ids)
    return joined.decode("utf-8", errors="replace")


@solution("tokenization.next_token_windows")
def next_token_windows(ids, length, stride=None):
    ids = id_row(ids)
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    pieces_of = sliding_window_view(ids, length + 1)[::stride]
    x = pieces_of[:, :-1]
    y = pieces_of[:, 1:]
    return wrap(x), wrap(y)
