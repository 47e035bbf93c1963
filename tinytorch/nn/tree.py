"""Methods of PyTorch's Module that no lesson needs; `attach` gives them to the Module of 03."""

import numpy as np

from ..layers import HookHandle, Module, ModuleList, Tree
from ..names.devices import no_gpu
from .course import Parameter


def register_parameter(self, name, param):
    """The same as `self.name = param`, for a name that is computed; None is allowed."""
    if param is not None and not isinstance(param, Parameter):
        raise TypeError(f"{name} should be a Parameter or None, not a {type(param).__name__}")
    setattr(self, name, param)


def register_module(self, name, module):
    """The same as `add_module`."""
    self.add_module(name, module)


def get_submodule(self, target):
    """The part with a full name such as "encoder.0"; AttributeError if there is none."""
    found = self
    for name in filter(None, target.split(".")):
        found = getattr(found, name, None)
        if not isinstance(found, Tree):
            raise AttributeError(f"{type(self).__name__} has no module {target!r}")
    return found


def get_parameter(self, target):
    """The Parameter with a full name such as "encoder.0.weight"; AttributeError if none."""
    path, _, name = target.rpartition(".")
    found = getattr(get_submodule(self, path), name, None)
    if not isinstance(found, Parameter):
        raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
    return found


def get_buffer(self, target):
    """The buffer with a full name; AttributeError if there is none."""
    path, _, name = target.rpartition(".")
    owner = get_submodule(self, path)
    if name not in owner.buffer_names:
        raise AttributeError(f"{type(self).__name__} has no buffer {target!r}")
    return getattr(owner, name)


def half(self):
    """The whole tree in float16."""
    return self.to(np.dtype("float16"))


def bfloat16(self):
    """Refused: NumPy has no such numbers. Raises: TypeError, always."""
    raise TypeError("NumPy has no bfloat16: leave the model in float32")


def compile_in_place(self, *args, **named):
    """`model.compile()`: accepted, and changes nothing."""


def share_memory(self):
    """The module itself: threads share memory anyway."""
    return self


def insert(self, index, module):
    """Put a module before the one of that number."""
    parts = self.children()
    parts.insert(index, module)
    return refilled(self, parts)


def pop(self, index=-1):
    """Take a module out of the list, and return it."""
    parts = self.children()
    taken = parts.pop(index)
    refilled(self, parts)
    return taken


def refilled(modules, parts):
    """A ModuleList with other parts."""
    for name, _ in modules.named_children():
        delattr(modules, name)
    return modules.extend(parts)


def forward_pre_hook(self, hook):
    """Call hook(module, inputs) before each forward; what it returns replaces the inputs.

    Returns:
        A handle whose `remove()` takes the hook away.
    """
    run = self.forward

    def forward(*args, **kwargs):
        changed = hook(self, args)
        if changed is not None:
            args = changed if isinstance(changed, tuple) else (changed,)
        return run(*args, **kwargs)

    handle = PreHook(self, hook)
    handle.before, handle.after = vars(self).get("forward"), forward
    self.forward = forward
    return handle


class PreHook(HookHandle):
    """A hook before forward, to be taken away with `remove()`."""

    def remove(self):
        """Take the hook away; RuntimeError if another came after it and is still there."""
        if vars(self.module).get("forward") is not self.after:
            raise RuntimeError("take away the hooks in the reverse order: the last one first")
        if self.before is None:
            del self.module.forward
        else:
            self.module.forward = self.before


def no_backward_hook(self, hook=None):
    """Refused: modules do not watch gradients. Raises: NotImplementedError, always."""
    told = "look at parameter.grad after backward(), or use retain_grad() on a result"
    raise NotImplementedError(f"a module calls no hooks in backward() here: {told}")


def to_type(self, dst_type):
    """The whole tree in another dtype."""
    return self.to(dst_type)


METHODS = {
    "bfloat16": bfloat16,
    "compile": compile_in_place,
    "cuda": no_gpu,
    "get_buffer": get_buffer,
    "get_parameter": get_parameter,
    "get_submodule": get_submodule,
    "half": half,
    "register_forward_pre_hook": forward_pre_hook,
    "register_full_backward_hook": no_backward_hook,
    "register_module": register_module,
    "register_parameter": register_parameter,
    "share_memory": share_memory,
    "type": to_type,
}


def attach():
    """Give Module and ModuleList these methods; what they have already stays as it is."""
    for owner, methods in ((Module, METHODS), (ModuleList, {"insert": insert, "pop": pop})):
        for name, function in methods.items():
            if not hasattr(owner, name):
                setattr(owner, name, function)
