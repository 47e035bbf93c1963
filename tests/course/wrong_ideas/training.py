"""Usual wrong ideas of module 08: each is the whole body of an exercise."""


@wrong("training.perplexity", "takes 2 for the base")
def perplexity(loss):
    return 2 ** float(loss) if float(loss) < 700 else math.inf


@wrong("training.perplexity", "gives the probability")
def perplexity(loss):
    return math.exp(-float(loss))


@wrong("training.perplexity", "falls over a hopeless model")
def perplexity(loss):
    return math.exp(float(loss))


@wrong("training.perplexity", "gives the loss back")
def perplexity(loss):
    return float(loss)


@wrong("training.evaluate", "takes the mean of the means")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.eval()
    with no_grad():
        for batch in batches:
            total += mean_loss(batch).item()
            seen += 1
    model.train(was_training)
    return total / seen


@wrong("training.evaluate", "leaves dropout on")
def evaluate(model, batches, mean_loss, count):
    total, seen = 0.0, 0
    with no_grad():
        for batch in batches:
            total += count(batch) * mean_loss(batch).item()
            seen += count(batch)
    return total / seen


@wrong("training.evaluate", "records graphs that nobody walks")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.eval()
    for batch in batches:
        total += count(batch) * mean_loss(batch).item()
        seen += count(batch)
    model.train(was_training)
    return total / seen


@wrong("training.evaluate", "counts, but does not weight")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.eval()
    with no_grad():
        for batch in batches:
            total += mean_loss(batch).item()
            seen += count(batch)
    model.train(was_training)
    return total / seen


@wrong("training.evaluate", "leaves the model in eval mode")
def evaluate(model, batches, mean_loss, count):
    total, seen = 0.0, 0
    model.eval()
    with no_grad():
        for batch in batches:
            total += count(batch) * mean_loss(batch).item()
            seen += count(batch)
    return total / seen


@wrong("training.evaluate", "keeps the last batch alone")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.eval()
    with no_grad():
        for batch in batches:
            total = count(batch) * mean_loss(batch).item()
            seen = count(batch)
    model.train(was_training)
    return total / seen


@wrong("training.accumulate", "counts every piece the same")
def accumulate(batches, mean_loss, count):
    loss = 0.0
    for batch in batches:
        part = mean_loss(batch) / len(batches)
        part.backward()
        loss += part.item()
    return loss


@wrong("training.accumulate", "adds the means up")
def accumulate(batches, mean_loss, count):
    loss = 0.0
    for batch in batches:
        part = mean_loss(batch)
        part.backward()
        loss += part.item()
    return loss


@wrong("training.accumulate", "takes the count for the share")
def accumulate(batches, mean_loss, count):
    loss = 0.0
    for batch in batches:
        part = mean_loss(batch) * count(batch)
        part.backward()
        loss += part.item()
    return loss


@wrong("training.accumulate", "walks back once, over all graphs")
def accumulate(batches, mean_loss, count):
    counts = [count(batch) for batch in batches]
    loss, total = 0.0, sum(counts)
    for batch, kept in zip(batches, counts):
        loss = loss + mean_loss(batch) * (kept / total)
    loss.backward()
    return loss.item()


@wrong("training.accumulate", "tells the sum of the means")
def accumulate(batches, mean_loss, count):
    counts = [count(batch) for batch in batches]
    loss, total = 0.0, sum(counts)
    for batch, kept in zip(batches, counts):
        part = mean_loss(batch)
        (part * (kept / total)).backward()
        loss += part.item()
    return loss


@wrong("training.accumulate", "adds up tensors")
def accumulate(batches, mean_loss, count):
    counts = [count(batch) for batch in batches]
    loss, total = 0.0, sum(counts)
    for batch, kept in zip(batches, counts):
        part = mean_loss(batch) * (kept / total)
        part.backward()
        loss += part.detach()
    return loss


@wrong("training.accumulate", "measures and never walks back")
def accumulate(batches, mean_loss, count):
    counts = [count(batch) for batch in batches]
    loss, total = 0.0, sum(counts)
    for batch, kept in zip(batches, counts):
        loss += mean_loss(batch).item() * kept / total
    return loss


@wrong("training.decay_groups", "lets everything decay")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        (spared if any(word in name for word in spare) else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "goes by the name bias")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        spares = "bias" in name or any(word in name for word in spare)
        (spared if spares else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "exchanges the two")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        spares = p.ndim < 2 or any(word in name for word in spare)
        (decayed if spares and "bias" not in name else spared).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "spares vectors, but not single numbers")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        spares = p.ndim == 1 or any(word in name for word in spare)
        (spared if spares else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "does not look at spare")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        (spared if p.ndim < 2 else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "wants both reasons at once where there are words")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        named = any(word in name for word in spare)
        spares = named if spare else p.ndim < 2
        (spared if spares else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.layout", "counts numbers instead of bytes")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.size
        code = CODES[array.dtype.name]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [begin, end]}
    return entries


@wrong("training.layout", "lays everything at byte 0")
def layout(arrays):
    entries = {}
    for name, array in arrays.items():
        code, offsets = CODES[array.dtype.name], [0, array.nbytes]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
    return entries


@wrong("training.layout", "ends at the last byte instead of behind it")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        code, offsets = CODES[array.dtype.name], [begin, end - 1]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
    return entries


@wrong("training.layout", "writes begin and length")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        code, offsets = CODES[array.dtype.name], [end, array.nbytes]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        end += array.nbytes
    return entries


@wrong("training.layout", "writes NumPy's name of the type")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        code = array.dtype.name
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [begin, end]}
    return entries


@wrong("training.layout", "leaves the shape a tuple")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        code = CODES[array.dtype.name]
        entries[name] = {"dtype": code, "shape": array.shape, "data_offsets": [begin, end]}
    return entries


@wrong("training.cut_arrays", "cuts from the start each time")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(body[: end - begin], STORED[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"]).copy()
    return arrays


@wrong("training.cut_arrays", "forgets the shape")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(body[begin:end], STORED[entry["dtype"]]).copy()
    return arrays


@wrong("training.cut_arrays", "does not copy")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(body[begin:end], STORED[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
    return arrays


@wrong("training.cut_arrays", "makes float32 of everything")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(body[begin:end], STORED[entry["dtype"]]).astype(np.float32)
        arrays[name] = flat.reshape(entry["shape"]).copy()
    return arrays


@wrong("training.cut_arrays", "reads everything as float32")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(body[begin:end], "<f4").reshape(entry["shape"]).copy()
    return arrays


@wrong("training.Stepper.train_step", "does not forget the old gradients")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Stepper.train_step", "forgets the gradients that were just made")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.optimizer.zero_grad()
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Stepper.train_step", "limits gradients that are not there yet")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    norm = clip_grad_norm_(parameters, self.max_norm)
    loss = accumulate(batches, self.mean_loss, self.count)
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Stepper.train_step", "limits the gradients after the step")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    self.set_lr(number)
    self.optimizer.step()
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Stepper.train_step", "sets the learning rate after the step")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.optimizer.step()
    self.set_lr(number)
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Stepper.train_step", "counts the first step as number 0")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(self.step)
    self.optimizer.step()
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Stepper.train_step", "calls the results by other names")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    mean = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    return {"loss": loss, "norm": float(norm), "lr": plain(self.optimizer.param_groups[0]["lr"])}


@wrong("training.Resumable.state_dict", "saves model and optimizer alone")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "forgets the optimizer")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "generators": self.generator_states()}
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "shares the model's memory")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "puts in tensors")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "hands out its own progress")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"], state["journal"] = self.progress, list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "hands out its own journal")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"], state["journal"] = dict(self.progress), self.journal.rows
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "keeps the dice of the epoch's beginning")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.progress["epoch_began"]
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.perplexity", "gives up long before it must")
def perplexity(loss):
    return math.exp(float(loss)) if float(loss) < 100 else math.inf


@wrong("training.evaluate", "counts the parts of a batch")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.eval()
    with no_grad():
        for batch in batches:
            total += len(batch) * mean_loss(batch).item()
            seen += len(batch)
    model.train(was_training)
    return total / seen


@wrong("training.evaluate", "tells the outermost module alone")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.training = False
    with no_grad():
        for batch in batches:
            total += count(batch) * mean_loss(batch).item()
            seen += count(batch)
    model.train(was_training)
    return total / seen


@wrong("training.accumulate", "counts the parts of a batch")
def accumulate(batches, mean_loss, count):
    loss, total = 0.0, sum(len(batch) for batch in batches)
    for batch in batches:
        part = mean_loss(batch) * (len(batch) / total)
        part.backward()
        loss += part.item()
    return loss


@wrong("training.decay_groups", "looks at the first word alone")
def decay_groups(model, weight_decay=0.01, spare=()):
    spare = [spare] if isinstance(spare, str) else list(spare)
    decayed, spared = [], []
    for name, p in model.named_parameters():
        spares = p.ndim < 2 or (spare and spare[0] in name)
        (spared if spares else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "wants all words in a name")
def decay_groups(model, weight_decay=0.01, spare=()):
    spare = [spare] if isinstance(spare, str) else list(spare)
    decayed, spared = [], []
    for name, p in model.named_parameters():
        spares = p.ndim < 2 or (spare and all(word in name for word in spare))
        (spared if spares else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "puts a vector in once for each word")
def decay_groups(model, weight_decay=0.01, spare=()):
    spare = [spare] if isinstance(spare, str) else list(spare)
    decayed, spared = [], []
    for name, p in model.named_parameters():
        words = [word for word in spare or [""] if p.ndim < 2 or (word and word in name)]
        spared += [p] * len(words)
        decayed += [] if words else [p]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.decay_groups", "looks at the beginning of a name alone")
def decay_groups(model, weight_decay=0.01, spare=()):
    spare = [spare] if isinstance(spare, str) else list(spare)
    decayed, spared = [], []
    for name, p in model.named_parameters():
        spares = p.ndim < 2 or any(name.startswith(word) for word in spare)
        (spared if spares else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.layout", "knows two types alone")
def layout(arrays):
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        code = "F32" if array.dtype.kind == "f" else "I64"
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [begin, end]}
    return entries


@wrong("training.cut_arrays", "goes on where the last one ended")
def cut_arrays(entries, body):
    arrays, begin = {}, 0
    for name, entry in entries.items():
        end = begin + entry["data_offsets"][1] - entry["data_offsets"][0]
        flat = np.frombuffer(body[begin:end], STORED[entry["dtype"]])
        arrays[name], begin = flat.reshape(entry["shape"]).copy(), end
    return arrays


@wrong("training.cut_arrays", "knows two types alone")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        kind = "<f4" if entry["dtype"].startswith("F") else "<i8"
        arrays[name] = np.frombuffer(body[begin:end], kind).reshape(entry["shape"]).copy()
    return arrays


@wrong("training.Stepper.train_step", "limits the gradient after each piece")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    counts, loss = [self.count(batch) for batch in batches], 0.0
    for batch, kept in zip(batches, counts):
        part = self.mean_loss(batch) * (kept / sum(counts))
        part.backward()
        loss += part.item()
        norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    lr, targets = self.optimizer.param_groups[0]["lr"], sum(counts)
    return {"loss": loss, "norm": float(norm), "lr": plain(lr), "targets": targets}


@wrong("training.Stepper.train_step", "clears the gradients behind the step")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(number)
    self.optimizer.step()
    self.optimizer.zero_grad()
    self.progress["step"] = number
    lr, targets = self.optimizer.param_groups[0]["lr"], sum(map(self.count, batches))
    return {"loss": loss, "norm": float(norm), "lr": plain(lr), "targets": targets}


@wrong("training.Stepper.train_step", "forgets whose limit it is")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, max_norm)
    self.set_lr(number)
    self.optimizer.step()
    self.progress["step"] = number
    lr, targets = self.optimizer.param_groups[0]["lr"], sum(map(self.count, batches))
    return {"loss": loss, "norm": float(norm), "lr": plain(lr), "targets": targets}


@wrong("training.Resumable.state_dict", "leaves the buffers out")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.named_parameters()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "returns before the schedule is in")
def state_dict(self):
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    return {
        "model": arrays,
        "optimizer": self.optimizer.state_dict(),
        "generators": self.generator_states(),
        "progress": dict(self.progress),
        "journal": list(self.journal.rows),
    }


@wrong("training.Resumable.state_dict", "does not call what gives the dice")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "keeps a part of the progress")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"] = {name: self.progress[name] for name in ("step", "epoch", "batch")}
    state["journal"] = list(self.journal.rows)
    return {**state, "schedule": schedule}


@wrong("training.Resumable.state_dict", "keeps the last rows of the journal")
def state_dict(self):
    schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
    state["generators"] = self.generator_states()
    state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows[-2:])
    return {**state, "schedule": schedule}


@wrong("training.evaluate", "calls the model itself")
def evaluate(model, batches, mean_loss, count):
    model.eval()
    losses = [mean_loss(model(batch)).item() for batch in batches]
    return sum(losses) / len(losses)


@wrong("training.evaluate", "returns the sum")
def evaluate(model, batches, mean_loss, count):
    model.eval()
    with no_grad():
        return sum(count(batch) * mean_loss(batch).item() for batch in batches)


@wrong("training.decay_groups", "returns before the given lines")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed = [p for p in model.parameters() if p.ndim > 1]
    return decayed, [p for p in model.parameters() if p.ndim < 2]


@wrong("training.Stepper.train_step", "returns before the given lines")
def train_step(self, batches):
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    clip_grad_norm_(self.optimizer.in_order(), self.max_norm)
    self.set_lr(self.step + 1)
    self.optimizer.step()
    return loss


@wrong("training.layout", "looks the dtype itself up")
def layout(arrays):
    entries, at = {}, 0
    for name, array in arrays.items():
        place = [at, at + array.nbytes]
        code = CODES[array.dtype]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": place}
        at += array.nbytes
    return entries


@wrong("training.cut_arrays", "takes the code for a dtype")
def cut_arrays(entries, body):
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(body[begin:end], entry["dtype"])
        arrays[name] = flat.reshape(entry["shape"]).copy()
    return arrays


@wrong("training.perplexity", "cuts to a whole number")
def perplexity(loss):
    return math.inf if float(loss) > 709 else int(math.exp(float(loss)))


@wrong("training.evaluate", "takes a batch apart")
def evaluate(model, batches, mean_loss, count):
    was_training, total, seen = model.training, 0.0, 0
    model.eval()
    with no_grad():
        for inputs, targets in batches:
            total += count(targets) * mean_loss((inputs, targets)).item()
            seen += count(targets)
    model.train(was_training)
    return total / seen


@wrong("training.accumulate", "keeps one batch of each count")
def accumulate(batches, mean_loss, count):
    counts = [count(batch) for batch in batches]
    loss, total = 0.0, sum(counts)
    for kept, batch in dict(zip(counts, batches)).items():
        part = mean_loss(batch) * (kept / total)
        part.backward()
        loss += part.item()
    return loss


@wrong("training.decay_groups", "asks for all words at once")
def decay_groups(model, weight_decay=0.01, spare=()):
    decayed, spared = [], []
    for name, p in model.named_parameters():
        (spared if p.ndim < 2 or (spare and spare in name) else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


@wrong("training.layout", "adds NumPy's numbers up")
def layout(arrays):
    ends = np.cumsum([0, *(array.nbytes for array in arrays.values())])
    entries = {}
    for n, (name, array) in enumerate(arrays.items()):
        place = [ends[n], ends[n + 1]]
        code = CODES[array.dtype.name]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": place}
    return entries


@wrong("training.Stepper.train_step", "sets the learning rate of the next step")
def train_step(self, batches):
    self.model.train()
    parameters, number = self.optimizer.in_order(), self.step + 1
    self.optimizer.zero_grad()
    loss = accumulate(batches, self.mean_loss, self.count)
    norm = clip_grad_norm_(parameters, self.max_norm)
    self.set_lr(number + 1)
    self.optimizer.step()
    self.progress["step"] = number
    lr, targets = self.optimizer.param_groups[0]["lr"], sum(map(self.count, batches))
    return {"loss": loss, "norm": float(norm), "lr": plain(lr), "targets": targets}


@wrong("training.Resumable.state_dict", "makes float32 of everything")
def state_dict(self):
    arrays = {n: t.array.astype(np.float32) for n, t in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict(), "schedule": None}
    state |= {"generators": self.generator_states(), "progress": dict(self.progress)}
    return {**state, "journal": list(self.journal.rows)}


@wrong("training.Resumable.state_dict", "takes the optimizer's memory alone")
def state_dict(self):
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state, "schedule": None}
    state |= {"generators": self.generator_states(), "progress": dict(self.progress)}
    return {**state, "journal": list(self.journal.rows)}


@wrong("training.Resumable.state_dict", "puts in the dice themselves")
def state_dict(self):
    arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
    state = {"model": arrays, "optimizer": self.optimizer.state_dict(), "schedule": None}
    state |= {"generators": self.generators(), "progress": dict(self.progress)}
    return {**state, "journal": list(self.journal.rows)}
