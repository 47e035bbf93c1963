"""Module 08, solved by a reader who had only the blanked notebook."""


@solution("training.perplexity")
def perplexity(loss):
    loss = float(loss)
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


@solution("training.evaluate")
def evaluate(model, batches, mean_loss, count):
    modes, total, seen = [(part, part.training) for part in model.modules()], 0.0, 0
    mean_loss = zero_without_targets(mean_loss, count)
    try:
        model.eval()
        with no_grad():
            for batch in batches:
                n = count(batch)
                total += n * mean_loss(batch).item()
                seen += n
    finally:
        for part, mode in modes:
            part.training = mode
    if not seen:
        raise ValueError("nothing to evaluate on: no batch has a target that counts")
    return total / seen


@solution("training.accumulate")
def accumulate(batches, mean_loss, count):
    counts = [count(batch) for batch in batches]
    batches = [batch for batch, kept in zip(batches, counts) if kept]  # else 0 * nan
    counts = [kept for kept in counts if kept]
    loss, total = 0.0, sum(counts)
    if not total:
        raise ValueError("nothing to learn from: no batch has a target that counts")
    for batch, n in zip(batches, counts):
        part = mean_loss(batch) * (n / total)
        part.backward()
        loss += part.item()
    return loss


@solution("training.decay_groups")
def decay_groups(model, weight_decay=0.01, spare=()):
    spare = (spare,) if isinstance(spare, str) else tuple(spare)
    names = [name for name, _ in model.named_parameters()]
    if idle := [word for word in spare if not any(word in name for name in names)]:
        raise ValueError(f"no parameter has {idle[0]!r} in its name: there are {', '.join(names)}")
    decayed, spared = [], []
    for name, p in model.named_parameters():
        if p.ndim < 2 or any(word in name for word in spare):
            spared.append(p)
        else:
            decayed.append(p)
    groups = [(decayed, weight_decay), (spared, 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in groups]


@solution("training.Stepper.train_step")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    lr, targets = self.optimizer.param_groups[0]["lr"], sum(map(self.count, batches))
    if hasattr(self.schedule, "state_dict"):
        self.schedule.step()
    return {"loss": loss, "norm": float(norm), "lr": plain(lr), "targets": targets}


@solution("training.layout")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        entries[name] = {
            "dtype": CODES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    return entries


@solution("training.cut_arrays")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        numbers = np.frombuffer(body[begin:end], STORED[entry["dtype"]])
        arrays[name] = numbers.reshape(entry["shape"]).copy()
    return arrays


@solution("training.Resumable.state_dict")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    state = {
        "model": {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()},
        "optimizer": self.optimizer.state_dict(),
        "generators": self.generator_states(),
        "progress": dict(self.progress),
        "journal": list(self.journal.rows),
    }
    return {**state, "schedule": schedule}
