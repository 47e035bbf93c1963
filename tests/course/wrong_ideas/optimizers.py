"""Usual wrong ideas of module 07: each is the whole body of an exercise."""


@wrong("optimizers.sgd_update", "rebinds the name and leaves the memory alone")
def sgd_update(param, grad, lr):
    param = param - lr * grad


@wrong("optimizers.sgd_update", "walks uphill")
def sgd_update(param, grad, lr):
    param += lr * grad


@wrong("optimizers.sgd_update", "forgets the learning rate")
def sgd_update(param, grad, lr):
    param -= grad


@wrong("optimizers.sgd_update", "writes into the gradient")
def sgd_update(param, grad, lr):
    grad *= lr
    param -= grad


@wrong("optimizers.Optimizer.zero_grad", "fills the gradients with zeros")
def zero_grad(self, set_to_none=True):
    for group in self.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                p.grad.array[...] = 0


@wrong("optimizers.Optimizer.zero_grad", "clears the first group only")
def zero_grad(self, set_to_none=True):
    for p in self.param_groups[0]["params"]:
        p.grad = None


@wrong("optimizers.Optimizer.zero_grad", "clears a name of its own")
def zero_grad(self, set_to_none=True):
    for group in self.param_groups:
        for p in group["params"]:
            grad = p.grad
            grad = None


@wrong("optimizers.Optimizer.zero_grad", "clears the first parameter of each group")
def zero_grad(self, set_to_none=True):
    for group in self.param_groups:
        group["params"][0].grad = None


@wrong("optimizers.Optimizer.zero_grad", "takes a group for a list of tensors")
def zero_grad(self, set_to_none=True):
    for group in self.param_groups:
        for p in group:
            p.grad = None


@wrong("optimizers.momentum_update", "takes an average of the gradients")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity *= momentum
    velocity += (1 - momentum) * grad
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


@wrong("optimizers.momentum_update", "makes a new velocity each time, which is forgotten")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity = momentum * velocity + grad
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


@wrong("optimizers.momentum_update", "puts the learning rate into the velocity")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity *= momentum
    velocity += lr * grad
    param -= velocity


@wrong("optimizers.momentum_update", "forgets the friction")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity += grad
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


@wrong("optimizers.momentum_update", "adds the velocity into the gradient")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    grad += momentum * velocity
    velocity[...] = grad
    param -= lr * velocity


@wrong("optimizers.momentum_update", "keeps 0.9 whatever the momentum is")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity *= 0.9
    velocity += grad
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


@wrong("optimizers.adam_update", "forgets the bias correction")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    param -= lr * m / (np.sqrt(v) + eps)


@wrong("optimizers.adam_update", "corrects m alone")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    param -= lr * m / (1 - beta1**step) / (np.sqrt(v) + eps)


@wrong("optimizers.adam_update", "puts eps inside the root")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    param -= lr * m / (1 - beta1**step) / np.sqrt(v / (1 - beta2**step) + eps)


@wrong("optimizers.adam_update", "makes new averages each time, which are forgotten")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad * grad
    param -= lr * m / (1 - beta1**step) / (np.sqrt(v / (1 - beta2**step)) + eps)


@wrong("optimizers.adam_update", "writes the correction into m and v")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    m /= 1 - beta1**step
    v /= 1 - beta2**step
    param -= lr * m / (np.sqrt(v) + eps)


@wrong("optimizers.adam_update", "does not square the gradient")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * np.abs(grad)
    param -= lr * m / (1 - beta1**step) / (np.sqrt(v / (1 - beta2**step)) + eps)


@wrong("optimizers.adam_update", "corrects every step like the first")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    param -= lr * m / (1 - beta1) / (np.sqrt(v / (1 - beta2)) + eps)


@wrong("optimizers.adam_update", "counts the steps from 0")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    m_hat, v_hat = m / (1 - beta1 ** (step - 1)), v / (1 - beta2 ** (step - 1))
    param -= lr * m_hat / (np.sqrt(v_hat) + eps)


@wrong("optimizers.adam_update", "forgets the root")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    param -= lr * m / (1 - beta1**step) / (v / (1 - beta2**step) + eps)


@wrong("optimizers.adam_update", "takes the root of a single number")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    param -= lr * m / (1 - beta1**step) / (math.sqrt(v / (1 - beta2**step)) + eps)


@wrong("optimizers.adamw_decay", "forgets the learning rate")
def adamw_decay(param, lr, weight_decay):
    param *= 1 - weight_decay


@wrong("optimizers.adamw_decay", "takes the same amount from each")
def adamw_decay(param, lr, weight_decay):
    param -= lr * weight_decay


@wrong("optimizers.adamw_decay", "keeps what should go")
def adamw_decay(param, lr, weight_decay):
    param *= lr * weight_decay


@wrong("optimizers.adamw_decay", "rebinds the name and leaves the memory alone")
def adamw_decay(param, lr, weight_decay):
    param = param * (1 - lr * weight_decay)


@wrong("optimizers.clip_grad_norm_", "limits each tensor by itself")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= min(1.0, max_norm / (math.sqrt(float(np.vdot(g, g))) + 1e-6))
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "stretches short gradients")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= max_norm / (norm + 1e-6)
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "asks whether the length is above the limit")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / (norm + 1e-6)
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "forgets the root")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = sum(float(np.vdot(g, g)) for g in gradients)
    for g in gradients:
        g *= min(1.0, max_norm / (norm + 1e-6))
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "makes new gradients, which are forgotten")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    gradients = [g * min(1.0, max_norm / (norm + 1e-6)) for g in gradients]
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "returns the norm after clipping")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    scale = min(1.0, max_norm / (norm + 1e-6))
    for g in gradients:
        g *= scale
    norm *= scale
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "clips to 1 whatever max_norm is")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= min(1.0, 1 / (norm + 1e-6))
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "lets the factor rise to max_norm")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= min(max_norm, max_norm / (norm + 1e-6))
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "divides by a length of zero")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= min(1.0, max_norm / norm)
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "calls the length by another name")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    length = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= min(1.0, max_norm / (length + 1e-6))
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.clip_grad_norm_", "multiplies matrices where numbers should be squared")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(g @ g) for g in gradients))
    for g in gradients:
        g *= min(1.0, max_norm / (norm + 1e-6))
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.warmup_cosine", "lets the learning rate rise again after the end")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


@wrong("optimizers.warmup_cosine", "counts the fall from step 0 instead of the end of the warm-up")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, step / total_steps)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


@wrong("optimizers.warmup_cosine", "counts the first step as number 1")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


@wrong("optimizers.warmup_cosine", "falls in a straight line")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return min_lr + (lr - min_lr) * (1 - done)


@wrong("optimizers.warmup_cosine", "forgets min_lr")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return lr * (1 + math.cos(math.pi * done)) / 2


@wrong("optimizers.warmup_cosine", "is still warming up at warmup_steps")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step <= warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


@wrong("optimizers.sgd_update", "steps along the mean of the gradient")
def sgd_update(param, grad, lr):
    param -= lr * grad.mean()


@wrong("optimizers.sgd_update", "returns the parameter")
def sgd_update(param, grad, lr):
    param -= lr * grad
    return param


@wrong("optimizers.sgd_update", "takes no single number")
def sgd_update(param, grad, lr):
    param[:] = param - lr * grad


@wrong("optimizers.Optimizer.zero_grad", "forgets the velocities, too")
def zero_grad(self, set_to_none=True):
    for p in self.in_order():
        p.grad = None
    self.state = {}


@wrong("optimizers.Optimizer.zero_grad", "skips what is frozen")
def zero_grad(self, set_to_none=True):
    for p in self.in_order():
        if p.requires_grad:
            p.grad = None


@wrong("optimizers.Optimizer.zero_grad", "deletes the attribute")
def zero_grad(self, set_to_none=True):
    for p in self.in_order():
        del p.grad


@wrong("optimizers.momentum_update", "takes the step that is given as well")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity *= momentum
    velocity += grad
    param -= lr * velocity
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


@wrong("optimizers.adam_update", "returns the parameter")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m[...] = beta1 * m + (1 - beta1) * grad
    v[...] = beta2 * v + (1 - beta2) * grad**2
    m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
    param -= lr * m_hat / (v_hat**0.5 + eps)
    return param


@wrong("optimizers.adamw_decay", "returns the parameter")
def adamw_decay(param, lr, weight_decay):
    param *= 1 - lr * weight_decay
    return param


@wrong("optimizers.clip_grad_norm_", "returns before the given lines")
def clip_grad_norm_(parameters, max_norm):
    gradients = [p.grad.array for p in listed(parameters) if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    for g in gradients:
        g *= min(1, max_norm / (norm + 1e-6))
    return norm


@wrong("optimizers.clip_grad_norm_", "adds the squares up in float32")
def clip_grad_norm_(parameters, max_norm):
    tensors = [p.grad for p in listed(parameters) if p.grad is not None]
    gradients = [tensor.array for tensor in tensors]
    norm = np.sqrt(sum(np.vdot(g, g) for g in gradients))
    for g in gradients:
        g *= min(1, max_norm / (norm + 1e-6))
    for tensor in tensors:
        tensor.version[0] += 1
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@wrong("optimizers.warmup_cosine", "gives a number of NumPy")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return min_lr + (lr - min_lr) * (1 + np.cos(np.pi * done)) / 2


@wrong("optimizers.adam_update", "takes ^ for a power")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad ^ 2)
    param -= lr * (m / (1 - beta1**step)) / (np.sqrt(v / (1 - beta2**step)) + eps)
