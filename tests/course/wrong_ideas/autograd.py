"""Usual wrong ideas of module 06: each is the whole body of an exercise."""


@wrong("autograd.directional_derivative", "nudges one way only")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    direction = np.asarray(direction, dtype=np.float64)
    return (f(x + step * direction) - f(x)) / step


@wrong("autograd.directional_derivative", "divides by one step, where the points are two apart")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    direction = np.asarray(direction, dtype=np.float64)
    return (f(x + step * direction) - f(x - step * direction)) / step


@wrong("autograd.directional_derivative", "nudges every element alike, whatever the direction")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    return (f(x + step) - f(x - step)) / (2 * step)


@wrong("autograd.directional_derivative", "stays in float32")
def directional_derivative(f, x, direction, step=1e-6):
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


@wrong("autograd.directional_derivative", "nudges the caller's array")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    direction = np.asarray(direction, dtype=np.float64)
    x += step * direction
    ahead = f(x)
    x -= 2 * step * direction
    return (ahead - f(x)) / (2 * step)


@wrong("autograd.directional_derivative", "divides by two and multiplies by the step")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    direction = np.asarray(direction, dtype=np.float64)
    return (f(x + step * direction) - f(x - step * direction)) / 2 * step


@wrong("autograd.directional_derivative", "takes what is ahead from what is behind")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    direction = np.asarray(direction, dtype=np.float64)
    return (f(x - step * direction) - f(x + step * direction)) / (2 * step)


@wrong("autograd.mul_rule", "gives each factor its own value")
def mul_rule(g, x, y):
    return g * x, g * y


@wrong("autograd.mul_rule", "forgets g")
def mul_rule(g, x, y):
    return y, x


@wrong("autograd.mul_rule", "answers for one factor only")
def mul_rule(g, x, y):
    return g * y


@wrong("autograd.mul_rule", "makes single numbers of arrays")
def mul_rule(g, x, y):
    return float(g * y), float(g * x)


@wrong("autograd.mul_rule", "forgets the return")
def mul_rule(g, x, y):
    g * y, g * x


@wrong("autograd.topological_order", "calls itself, and a deep graph overflows")
def topological_order(root):
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for source in inputs_of(node):
                visit(source)
            order.append(node)

    visit(root)
    return order


@wrong("autograd.topological_order", "lists a node once for every path")
def topological_order(root):
    order, todo = [], [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        else:
            todo.append((node, True))
            todo.extend((source, False) for source in inputs_of(node))
    return order


@wrong("autograd.topological_order", "lists a node before its inputs")
def topological_order(root):
    order, seen, todo = [], set(), [root]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
            todo.extend(inputs_of(node))
    return order


@wrong("autograd.topological_order", "goes by the distance from the root, and turns the list over")
def topological_order(root):
    order, seen = [root], {root}
    for node in order:
        for source in inputs_of(node):
            if source not in seen:
                seen.add(source)
                order.append(source)
    return order[::-1]


@wrong("autograd.topological_order", "leaves the leaves out")
def topological_order(root):
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        elif node not in seen and isinstance(node, Call):
            seen.add(node)
            todo.append((node, True))
            todo.extend((source, False) for source in inputs_of(node))
    return order


@wrong("autograd.topological_order", "keeps what it saw in a list")
def topological_order(root):
    order, seen, todo = [], [], [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        elif node not in seen:
            seen.append(node)
            todo.append((node, True))
            todo.extend((source, False) for source in inputs_of(node))
    return order


@wrong("autograd.topological_order", "looks at the last entry and leaves it there")
def topological_order(root):
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, inputs_listed = todo[-1]
        if inputs_listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            todo.extend((source, False) for source in inputs_of(node))
    return order


@wrong("autograd.backward", "overwrites instead of adding")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = part
    into(gradients)


@wrong("autograd.backward", "sends on what has arrived, before all has arrived")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients, todo = {root: seed}, [root]
    while todo:
        node = todo.pop()
        if isinstance(node, Call):
            for source, part in local_gradients(node, gradients[node], True):
                gradients[source] = gradients[source] + part if source in gradients else part
                todo.append(source)
    into(gradients)


@wrong("autograd.backward", "starts from 1, whatever gradient was passed")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: np.ones_like(seed)}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "never frees the graph")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, True):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "always frees the graph")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "holds all gradients to the end")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            for source, part in local_gradients(node, gradients[node], retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "starts from a plain number")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: 1.0}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "asks leaves for a rule")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        g = gradients.pop(node)
        for source, part in local_gradients(node, g, retain_graph):
            gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "takes the leaves out of the dictionary")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        g = gradients.pop(node)
        if isinstance(node, Call):
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.backward", "goes through the order from its beginning")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in topological_order(root):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
    into(gradients)


@wrong("autograd.unbroadcast", "takes the mean instead of the sum")
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.mean(axis=0)
    for dim, size in enumerate(shape):
        if size == 1:
            g = g.mean(axis=dim, keepdims=True)
    return g


@wrong("autograd.unbroadcast", "takes one copy instead of adding all")
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g[0]
    for dim, size in enumerate(shape):
        if size == 1:
            g = g.take([0], axis=dim)
    return g


@wrong("autograd.unbroadcast", "drops the sizes of 1")
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    ones = tuple(dim for dim, size in enumerate(shape) if size == 1)
    return g.sum(axis=ones)


@wrong("autograd.unbroadcast", "forgets the sizes of 1")
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


@wrong("autograd.unbroadcast", "forgets the dimensions in front")
def unbroadcast(g, shape):
    for dim, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=dim, keepdims=True)
    return g


@wrong("autograd.unbroadcast", "sums away one dimension in front and no more")
def unbroadcast(g, shape):
    if g.ndim > len(shape):
        g = g.sum(axis=0)
    for dim, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=dim, keepdims=True)
    return g


@wrong("autograd.unbroadcast", "sums and keeps nothing of it")
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g.sum(axis=0)
    for dim, size in enumerate(shape):
        if size == 1:
            g.sum(axis=dim, keepdims=True)
    return g


@wrong("autograd.sum_rule", "does not put the summed dimension back")
def sum_rule(g, x_shape, dim, keepdim):
    return np.broadcast_to(g, x_shape)


@wrong("autograd.sum_rule", "forgets g")
def sum_rule(g, x_shape, dim, keepdim):
    return np.ones(x_shape, g.dtype)


@wrong("autograd.sum_rule", "divides, as for a mean")
def sum_rule(g, x_shape, dim, keepdim):
    if not keepdim:
        g = np.expand_dims(g, dims_of(dim, len(x_shape)))
    return np.broadcast_to(g / (math.prod(x_shape) // g.size), x_shape)


@wrong("autograd.sum_rule", "does not stretch g")
def sum_rule(g, x_shape, dim, keepdim):
    return g if keepdim else np.expand_dims(g, dims_of(dim, len(x_shape)))


@wrong("autograd.sum_rule", "puts the dimension back although it never left")
def sum_rule(g, x_shape, dim, keepdim):
    return np.broadcast_to(np.expand_dims(g, dims_of(dim, len(x_shape))), x_shape)


@wrong("autograd.sum_rule", "counts the places in g, which has fewer")
def sum_rule(g, x_shape, dim, keepdim):
    if not keepdim:
        g = np.expand_dims(g, dims_of(dim, g.ndim))
    return np.broadcast_to(g, x_shape)


@wrong("autograd.sum_rule", "gives NumPy the dim as it came, also None")
def sum_rule(g, x_shape, dim, keepdim):
    if not keepdim:
        g = np.expand_dims(g, dim)
    return np.broadcast_to(g, x_shape)


@wrong("autograd.matmul_rule", "transposes nothing")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g @ y, x @ g


@wrong("autograd.matmul_rule", "multiplies in the wrong order")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return y.swapaxes(-1, -2) @ g, g @ x.swapaxes(-1, -2)


@wrong("autograd.matmul_rule", "reverses all dimensions of a batch")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g @ y.T, x.T @ g


@wrong("autograd.matmul_rule", "answers for one factor only")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return (g @ y.swapaxes(-1, -2),)


@wrong("autograd.matmul_rule", "swaps the two answers")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return x.swapaxes(-1, -2) @ g, g @ y.swapaxes(-1, -2)


@wrong("autograd.matmul_rule", "multiplies element by element")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g * y.swapaxes(-1, -2), x.swapaxes(-1, -2) * g


@wrong("autograd.matmul_rule", "takes each factor for its own gradient")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g @ x.swapaxes(-1, -2), y.swapaxes(-1, -2) @ g


@wrong("autograd.getitem_rule", "loses repeated indices")
def getitem_rule(g, x_shape, index):
    back = np.zeros(x_shape, dtype=g.dtype)
    back[index] += g
    return back


@wrong("autograd.getitem_rule", "counts instead of passing g on")
def getitem_rule(g, x_shape, index):
    back = np.zeros(x_shape, dtype=g.dtype)
    np.add.at(back, index, 1)
    return back


@wrong("autograd.getitem_rule", "makes float64 of it")
def getitem_rule(g, x_shape, index):
    back = np.zeros(x_shape)
    np.add.at(back, index, g)
    return back


@wrong("autograd.getitem_rule", "gives g back in the shape of what was picked")
def getitem_rule(g, x_shape, index):
    return g


@wrong("autograd.getitem_rule", "returns what np.add.at gives back: nothing")
def getitem_rule(g, x_shape, index):
    back = np.zeros(x_shape, dtype=g.dtype)
    return np.add.at(back, index, g)


@wrong("autograd.cross_entropy_rule", "turns the sign over")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    weight = np.where(kept, g / count, 0)
    return (wanted - np.exp(note)) * weight[..., None]


@wrong("autograd.cross_entropy_rule", "does not divide by n")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    return (np.exp(note) - wanted) * np.where(kept, g, 0)[..., None]


@wrong("autograd.cross_entropy_rule", "counts the ignored targets too")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = targets.size if reduction == "mean" else 1
    weight = np.where(kept, g / count, 0)
    return (np.exp(note) - wanted) * weight[..., None]


@wrong("autograd.cross_entropy_rule", "lets ignored targets pull")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    weight = np.broadcast_to(g / count, targets.shape)
    return (np.exp(note) - wanted) * weight[..., None]


@wrong("autograd.cross_entropy_rule", "forgets g")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    weight = np.where(kept, np.float32(1 / count), 0)
    return (np.exp(note) - wanted) * weight[..., None]


@wrong("autograd.topological_order", "puts the bare inputs on the list, and no pairs")
def topological_order(root):
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            todo.extend(inputs_of(node))
    return order


@wrong("autograd.topological_order", "forgets its return")
def topological_order(root):
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            todo.extend((source, False) for source in inputs_of(node))


@wrong("autograd.backward", "returns its dictionary before the given last line")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
    return gradients


@wrong("autograd.matmul_rule", "gives an array's transpose two dimensions, where it wants all")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g @ y.transpose(-1, -2), x.transpose(-1, -2) @ g


@wrong("autograd.getitem_rule", "adds one by one for every index")
def getitem_rule(g, x_shape, index):
    back = np.zeros(x_shape, dtype=g.dtype)
    np.add.at(back, index, g)
    return back


@wrong("autograd.cross_entropy_rule", "has no dimension for the classes in the weights")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    return (np.exp(note) - wanted) * np.where(kept, g / count, 0)


@wrong("autograd.directional_derivative", "shortens the direction to length 1")
def directional_derivative(f, x, direction, step=1e-6):
    x, nudge = np.asarray(x, np.float64), step * direction / np.linalg.norm(direction)
    return (f(x + nudge) - f(x - nudge)) / (2 * step)


@wrong("autograd.backward", "calls the dictionary by another name than the given line does")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    found = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = found.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                found[source] = found[source] + part if source in found else part
    into(gradients)


@wrong("autograd.backward", "writes into .grad besides")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                gradients[source] = gradients[source] + part if source in gradients else part
        else:
            node.grad = Tensor(gradients[node])
    into(gradients)


@wrong("autograd.sum_rule", "puts the summed dimension back at the end, wherever it was")
def sum_rule(g, x_shape, dim, keepdim):
    return np.broadcast_to(np.reshape(g, (-1, 1)), x_shape)


@wrong("autograd.directional_derivative", "leaves the direction in float32")
def directional_derivative(f, x, direction, step=1e-6):
    x = np.asarray(x, dtype=np.float64)
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


@wrong("autograd.mul_rule", "writes into g")
def mul_rule(g, x, y):
    of_x = g * y
    g *= x
    return of_x, g


@wrong("autograd.topological_order", "remembers what it saw in the call before")
def topological_order(root):
    seen = topological_order.__dict__.setdefault("seen", set())
    order, todo = [], [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            todo += [(node, True), *[(source, False) for source in inputs_of(node)]]
    return order


@wrong("autograd.backward", "begins every gradient with zeros in float64")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            for source, part in local_gradients(node, gradients.pop(node), retain_graph):
                gradients[source] = gradients.get(source, np.zeros(source.shape)) + part
    into(gradients)


@wrong("autograd.unbroadcast", "matches the shapes from the left")
def unbroadcast(g, shape):
    for dim in range(g.ndim):
        if dim >= len(shape) or shape[dim] != g.shape[dim]:
            g = g.sum(axis=dim, keepdims=True)
    return g.reshape(shape)


@wrong("autograd.sum_rule", "puts the dimensions back one by one, in the order they are named")
def sum_rule(g, x_shape, dim, keepdim):
    g = np.asarray(g)
    if not keepdim and dim is not None:
        for one in dim if isinstance(dim, tuple) else (dim,):
            g = np.expand_dims(g, one)
    return np.broadcast_to(g, x_shape)


@wrong("autograd.matmul_rule", "writes into x")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    of_y = x.swapaxes(-1, -2) @ g
    x[...] = g @ y.swapaxes(-1, -2)
    return x, of_y


@wrong("autograd.getitem_rule", "counts from the front only")
def getitem_rule(g, x_shape, index):
    if len(x_shape) == 1 and isinstance(index, np.ndarray) and index.dtype != bool:
        return np.bincount(index, weights=g, minlength=x_shape[0]).astype(g.dtype)
    back = np.zeros(x_shape, dtype=g.dtype)
    if may_repeat(index):
        np.add.at(back, index, g)
    else:
        back[index] = g
    return back


@wrong("autograd.cross_entropy_rule", "writes into the note")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    np.exp(note, out=note)
    note -= wanted
    note *= np.where(kept, g / count, 0)[..., None]
    return note


@wrong("autograd.cross_entropy_rule", "leaves the ignored rows out")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    return (np.exp(note) - wanted)[kept] * g / count
