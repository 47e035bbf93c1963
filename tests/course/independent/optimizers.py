"""Module 07, solved by a reader who had only the blanked notebook."""


@solution("optimizers.sgd_update")
def sgd_update(param, grad, lr):
    param -= lr * grad


@solution("optimizers.Optimizer.zero_grad")
def zero_grad(self, set_to_none=True):
    if not set_to_none:
        raise ValueError("zero_grad makes gradients None: zeros would still move by momentum")
    for p in self.in_order():
        p.grad = None


@solution("optimizers.momentum_update")
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    velocity *= momentum
    velocity += grad
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


@solution("optimizers.adam_update")
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-08):
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    param -= lr * m_hat / (np.sqrt(v_hat) + eps)


@solution("optimizers.adamw_decay")
def adamw_decay(param, lr, weight_decay):
    param *= 1 - lr * weight_decay


@solution("optimizers.clip_grad_norm_")
def clip_grad_norm_(parameters, max_norm):
    if not max_norm >= 0:
        raise ValueError(f"max_norm is a length, at least 0, not {max_norm}")
    tensors = [p.grad for p in listed(parameters) if p.grad is not None]
    gradients = [tensor.array for tensor in tensors]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    scale = min(1, max_norm / (norm + 1e-6))
    for g in gradients:
        g *= scale
    for tensor in tensors:
        tensor.version[0] += 1  # as in step(): it was written into
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


@solution("optimizers.warmup_cosine")
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    if min(step, warmup_steps, total_steps) < 0:
        raise ValueError(f"steps count from 0: {step=}, {warmup_steps=}, {total_steps=}")
    falling_steps = max(1, total_steps - warmup_steps)
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1, (step - warmup_steps) / falling_steps)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2
