"""Module 06, solved by a reader who had only the blanked notebook."""


@solution("autograd.directional_derivative")
def directional_derivative(f, x, direction, step=1e-06):
    x = np.asarray(x, dtype=np.float64)
    d = np.asarray(direction, dtype=np.float64)
    return (f(x + step * d) - f(x - step * d)) / (2 * step)


@solution("autograd.mul_rule")
def mul_rule(g, x, y):
    return g * y, g * x


@solution("autograd.topological_order")
def topological_order(root):
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, inputs_done = todo.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            for source in inputs_of(node):
                todo.append((source, False))
    return order


@solution("autograd.backward")
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                if source in gradients:
                    gradients[source] += part
                else:
                    gradients[source] = part
    into(gradients)


@solution("autograd.unbroadcast")
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for dim, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=dim, keepdims=True)
    return g


@solution("autograd.sum_rule")
def sum_rule(g, x_shape, dim, keepdim):
    if not keepdim:
        g = np.expand_dims(g, dims_of(dim, len(x_shape)))
    return np.broadcast_to(g, x_shape)


@solution("autograd.matmul_rule")
def matmul_rule(g, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g @ y.swapaxes(-1, -2), x.swapaxes(-1, -2) @ g


@solution("autograd.getitem_rule")
def getitem_rule(g, x_shape, index):
    back = np.zeros(x_shape, dtype=g.dtype)
    if may_repeat(index):
        np.add.at(back, index, g)
    else:
        back[index] = g
    return back


@solution("autograd.cross_entropy_rule")
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    weight = np.where(kept, g / count, 0)
    return (np.exp(note) - wanted) * weight[..., None]
