"""Methods of PyTorch's Module that no lesson needs; `attach` gives them to the Module of 03."""

import functools
import sys
import types
import warnings
from collections import UserDict

import numpy as np

from ..layers import HookHandle, Module, ModuleList, Tree, dotted, overlooked
from ..names.custom import register_full_backward_hook  # noqa: F401 - a method, as no_gpu
from ..names.devices import no_gpu  # noqa: F401
from ..tensor import Tensor
from .course import Parameter

core = sys.modules[Tensor.__module__]  # `tinytorch.tensor` is a function
OWNED = core.Parameter, Tree


def register_parameter(self, name, param):
    """The same as `self.name = param`, for a name that is computed; None is allowed."""
    if param is not None and not isinstance(param, Parameter):
        raise TypeError(f"{name} should be a Parameter or None, not a {type(param).__name__}")
    if not isinstance(vars(self).get(name), Parameter):
        need_free(self, name)
    setattr(self, name, param)


def need_free(self, name):
    """Refuse a name that hides another attribute, or that no full name can have."""
    if not name or "." in name or hasattr(self, name):
        told = "a name has no dot" if "." in name else "there is such an attribute already"
        raise KeyError(f"{type(self).__name__} cannot register {name!r}: {told}")


def set_attribute(self, name, value):
    """`self.name = value`; TypeError where a parameter, part or buffer would be lost by mistake."""
    old = vars(self).get(name)
    if name in self.buffer_names or name in vars(self).get("empty_buffers", ()):
        if not (value is None or isinstance(value, Tensor)):
            told = f"is a buffer: assign a Tensor or None, not a {type(value).__name__}"
            raise TypeError(f"{type(self).__name__}.{name} {told}")
        filled(self, name, value)
    elif not (value is None or isinstance(value, OWNED)) and owned(self, name, old):
        word = "Parameter" if isinstance(old, core.Parameter) else "Module"
        told = f"is a {word}: assign a {word} or None, not a {type(value).__name__}"
        raise TypeError(f"{type(self).__name__}.{name} {told}")
    object.__setattr__(self, name, value)


def owned(self, name, old):
    """True if `old` is a parameter or part of this name, which no other kind of value replaces.

    A method may be replaced, and the parameters of the lessons' own modules.
    """
    home = type(self).__module__
    lesson = home.startswith("tinytorch.") and not home.startswith("tinytorch.nn.")
    return isinstance(old, OWNED) and not (lesson or hasattr(type(self), name))


def filled(self, name, value):
    """Note whether a buffer is empty: an empty one is not saved."""
    names, empty = dict(self.buffer_names), dict(vars(self).get("empty_buffers", ()))
    persistent = names.pop(name, None) if name in names else empty.pop(name)
    (empty if value is None else names)[name] = persistent
    vars(self).update(buffer_names=names, empty_buffers=empty)


def delete_attribute(self, name):
    """`del self.name`: a buffer is forgotten as well."""
    object.__delattr__(self, name)
    if name in self.buffer_names:
        self.buffer_names = {n: kept for n, kept in self.buffer_names.items() if n != name}


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
    parts = list(self)
    parts.insert(index, module)
    return refilled(self, parts)


def pop(self, index=-1):
    """Take a module out of the list, and return it."""
    parts = list(self)
    taken = parts.pop(index)
    refilled(self, parts)
    return taken


def refilled(modules, parts):
    """A ModuleList with other parts."""
    for name, _ in list(modules.named_children()):
        delattr(modules, name)
    return modules.extend(parts)


def forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
    """Call hook(module, inputs) before each forward; what it returns replaces the inputs.

    With with_kwargs it is hook(module, inputs, named inputs), and returns both, or None.

    Returns:
        A handle whose `remove()` takes the hook away.
    """
    if "pre_hooks" not in vars(self):
        self.pre_hooks, self.unhooked = [], self.forward
        self.forward = types.MethodType(hooked_forward, self)  # a deep copy calls its own
    handle = PreHook(self, hook)
    handle.with_kwargs = with_kwargs
    self.pre_hooks.insert(0 if prepend else len(self.pre_hooks), handle)
    return handle


def hooked_forward(self, *args, **kwargs):
    """forward, after the hooks before it, which may take themselves away."""
    usual = self.unhooked
    for handle in list(self.pre_hooks):
        if handle.with_kwargs:
            changed = handle.hook(self, args, kwargs)
            args, kwargs = (args, kwargs) if changed is None else changed
        else:
            changed = handle.hook(self, args)
            changed = args if changed is None else changed
            args = changed if isinstance(changed, tuple) else (changed,)
    return usual(*args, **kwargs)


class PreHook(HookHandle):
    """A hook before forward, to be taken away with `remove()`."""

    def remove(self):
        """Take the hook away; after the last one the module has its own forward again."""
        own = vars(self.module)
        if self in own.get("pre_hooks", ()):
            own["pre_hooks"].remove(self)
            if not own["pre_hooks"] and getattr(own["forward"], "__func__", 0) is hooked_forward:
                usual = own.pop("unhooked")
                del own["forward"], own["pre_hooks"]
                if getattr(usual, "__func__", 0) is not type(self.module).forward:
                    own["forward"] = usual  # it had been changed before


def to_type(self, dst_type):
    """The whole tree in another dtype."""
    return self.to(dst_type)


# ---------------------------------------------------------------- lists that next() understands


class Listed(list):
    """A list on which next() works, too, as on PyTorch's iterators: it goes on where it was."""

    rest = None

    def __iter__(self):
        return super().__iter__() if self.rest is None else self.rest

    def __next__(self):
        if self.rest is None:
            self.rest = super().__iter__()
        return next(self.rest)


def own_values(self, kind):
    """The pairs (name, value) of a module's own attributes of a kind."""
    return [(n, v) for n, v in vars(self).items() if isinstance(v, kind)]


def each_once(pairs):
    """Pairs (name, value) with every value once, under its first name."""
    first = {}
    for name, value in pairs:
        first.setdefault(id(value), (name, value))
    return Listed(first.values())


def listed_parts(usual):
    """`modules()` and the like as a `Listed`."""

    def method(self):
        return Listed(usual(self))

    return named_after(method, usual)


def listed_children(usual):
    """`children()`, each once, however many places it has."""

    def children(self):
        return Listed(dict.fromkeys(usual(self)))

    return named_after(children, usual)


# a list of modules goes through all its places, although children() tells each module once
def places(modules):
    """The modules of a list, a shared one at each of its places."""
    return [part for _, part in modules.named_children()]


def count_of(modules):
    """`len(modules)`."""
    return len(places(modules))


def each_of(modules):
    """`iter(modules)`."""
    return iter(places(modules))


def one_of(modules, index):
    """`modules[index]`; of a slice a list of the same kind."""
    found = places(modules)[index]
    return type(modules)().extend(found) if isinstance(index, slice) else found


PLACES = {"__len__": count_of, "__iter__": each_of, "__getitem__": one_of}


def listed_modules(usual):
    """`named_modules`, with PyTorch's arguments."""

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        if isinstance(memo, str):
            memo, prefix = None, memo
        found = usual(self, prefix) if remove_duplicate else all_modules(self, prefix)
        return Listed((name, module) for name, module in found if not memo or module not in memo)

    return named_after(named_modules, usual)


def all_modules(self, prefix):
    """This module and all parts of parts, one with several names under each of them."""
    yield prefix, self
    for name, part in self.named_children():
        yield from all_modules(part, dotted(prefix, name))


def listed_parameters(usual):
    """`named_parameters`, which knows recurse=False: only the module's own."""

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        if recurse and remove_duplicate:
            return Listed(usual(self, prefix))
        parts = all_modules(self, prefix) if recurse else [(prefix, self)]
        found = [(dotted(at, n), p) for at, m in parts for n, p in own_values(m, core.Parameter)]
        return each_once(found) if remove_duplicate else Listed(found)

    return named_after(named_parameters, usual)


def parameters_of(usual):
    """`parameters`, which knows recurse=False, and warns at the caller's line as well."""

    def parameters(self, recurse=True):
        if recurse and (lost := overlooked(self)):
            advice = "a plain list hides what is in it, use ModuleList or nn.ModuleDict"
            warnings.warn(f"{', '.join(lost)} is no part of the model: {advice}", stacklevel=2)
        return (p for _, p in self.named_parameters("", recurse))

    return named_after(parameters, usual)


def listed_buffers(usual):
    """`named_buffers`, which knows recurse=False."""

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        found = usual(self, prefix)
        if not recurse:
            found = [(dotted(prefix, n), getattr(self, n)) for n in self.buffer_names]
        return each_once(found) if remove_duplicate else Listed(found)

    return named_after(named_buffers, usual)


def buffers_of(usual):
    """`buffers`, which knows recurse=False."""

    def buffers(self, recurse=True):
        return Listed(b for _, b in self.named_buffers("", recurse))

    return named_after(buffers, usual)


def zero_grad_of(usual):
    """`zero_grad`, which knows set_to_none=False: zeros instead of None."""

    def zero_grad(self, set_to_none=True):
        if set_to_none:
            usual(self)
        for p in self.parameters():
            if p.grad is not None:
                p.grad.zero_()

    return named_after(zero_grad, usual)


def register_buffer_of(usual):
    """`register_buffer`, which takes None: an empty place, which is not saved until it is filled.

    KeyError: the name is one of another attribute.
    """

    def register_buffer(self, name, tensor, persistent=True):
        if name not in self.buffer_names and name not in vars(self).get("empty_buffers", ()):
            need_free(self, name)
        if tensor is None:
            vars(self)[name] = None
            self.buffer_names = {**self.buffer_names, name: persistent}
            filled(self, name, None)
        else:
            usual(self, name, tensor, persistent)

    return named_after(register_buffer, usual)


def forward_hook_of(usual):
    """`register_forward_hook` with PyTorch's further arguments."""

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        if always_call:
            raise ValueError("always_call=True: a hook is not called where forward failed")
        if with_kwargs:
            told, last = hook, {}
            note = lambda module, args, kwargs: last.update(kwargs=kwargs)  # noqa: E731
            hook = lambda module, args, out: told(module, args, last["kwargs"], out)  # noqa: E731
        handle = usual(self, hook)
        if with_kwargs:
            before, remove = self.register_forward_pre_hook(note, with_kwargs=True), handle.remove

            def both():
                before.remove()
                remove()

            handle.remove = both  # what it saw last is forgotten, too
        if prepend:
            self.forward_hooks = (handle, *self.forward_hooks[:-1])
        return handle

    return named_after(register_forward_hook, usual)


def state_dict_of(usual):
    """`state_dict`, which knows keep_vars=, and what `get_extra_state` says of a module."""

    def state_dict(self, prefix="", *, destination=None, keep_vars=False):
        if hasattr(self, "_save_to_state_dict"):
            told = "nobody calls it here: write get_extra_state and set_extra_state"
            raise NotImplementedError(f"{type(self).__name__} has _save_to_state_dict, {told}")
        found = usual(self, prefix)
        if keep_vars:
            found = {n: at(self, n.removeprefix(prefix)) if isinstance(t, Tensor) else t
                     for n, t in found.items()}  # fmt: skip
        if hasattr(self, "get_extra_state"):
            found[f"{prefix}_extra_state"] = self.get_extra_state()
        if destination is None:
            return found
        destination.update(found)
        return destination

    return named_after(state_dict, usual)


def at(module, path):
    """What a module of the tree has under a full name."""
    return functools.reduce(getattr, path.split("."), module)


def load_state_dict_of(usual):
    """`load_state_dict`, which hands `set_extra_state` what `get_extra_state` had said.

    Raises:
        ValueError: assign=True, or a module without set_extra_state.
    """

    def load_state_dict(self, state_dict, strict=True, assign=False):
        if assign:
            told = "numbers are copied into the model here: leave it out"
            raise ValueError(f"load_state_dict: assign=True is not supported, {told}")
        parts = [(dotted(p, "_extra_state"), m) for p, m in self.named_modules()]
        owners = {name: m for name, m in parts if hasattr(m, "get_extra_state")}
        if not owners and type(self).state_dict is Module.state_dict:
            return usual(self, state_dict, strict)
        if mute := [name for name, m in owners.items() if not hasattr(m, "set_extra_state")]:
            raise ValueError(f"{mute[0]}: its module has get_extra_state, but no set_extra_state")
        if strict and (missing := [name for name in owners if name not in state_dict]):
            raise ValueError(f"the state lacks {missing[0]}, which get_extra_state adds to it")
        whole = Module.state_dict(self)
        own = {n: t for n, t in whole.items() if isinstance(t, Tensor) and n not in owners}
        vars(self)["state_dict"] = lambda: own  # numbers only, for the lesson's own function
        try:
            beside = whole.keys() - own.keys()
            keys = usual(self, {n: t for n, t in state_dict.items() if n not in beside}, strict)
        finally:
            del vars(self)["state_dict"]
        for name, module in owners.items():
            if name in state_dict:
                module.set_extra_state(state_dict[name])
        return keys

    return named_after(load_state_dict, usual)


def named_after(method, usual):
    """The method with the name and the docstring of the one it widens."""
    method.__name__, method.__qualname__ = usual.__name__, usual.__qualname__
    method.__doc__, method.widens = usual.__doc__, usual
    return method


WIDER = {  # method of Tree or Module -> what makes the one with PyTorch's arguments
    "children": listed_children,
    "named_children": listed_parts,
    "modules": listed_parts,
    "named_modules": listed_modules,
    "named_parameters": listed_parameters,
    "parameters": parameters_of,
    "named_buffers": listed_buffers,
    "buffers": buffers_of,
    "zero_grad": zero_grad_of,
    "state_dict": state_dict_of,
    "load_state_dict": load_state_dict_of,
    "register_buffer": register_buffer_of,
    "register_forward_hook": forward_hook_of,
}


def get_name(self):
    """The name of the class."""
    return type(self).__name__


class Part(UserDict):
    """The parameters, buffers or parts of a module by name; what is written here it gets, too."""

    def __init__(self, module, values, put):
        self.module, self.data, self.put = module, dict(values), put

    def __setitem__(self, name, value):
        self.put(self.module, name, value)
        self.data[name] = value

    def __delitem__(self, name):
        del self.data[name]
        delattr(self.module, name)


def own_buffers(self):
    """The pairs (name, buffer) of a module's own buffers."""
    return [(name, getattr(self, name)) for name in self.buffer_names]


PROPERTIES = {
    "_parameters": lambda self: Part(self, own_values(self, core.Parameter), setattr),
    "_buffers": lambda self: Part(self, own_buffers(self), type(self).register_buffer),
    "_modules": lambda self: Part(self, self.named_children(), setattr),
}


def delete(self, index):
    """Take a module out of the list: `del modules[0]`."""
    parts = list(self)
    del parts[index]
    refilled(self, parts)


def extended(self, modules):
    """`modules += others`."""
    return self.extend(modules)


def together(self, modules):
    """`modules + others`: a new list."""
    return type(self)().extend([*self, *modules])


def copied(self, memo):
    """A deep copy of a Parameter: without the gradient, as PyTorch's."""
    memo[id(self)] = fresh = core.Parameter(self.detach().clone(), self.requires_grad)
    return fresh


def attach():
    """Give what Module and ModuleList have already PyTorch's arguments, and some properties.

    The methods above they have from the start, each loaded when it is first used: see
    `names.OF_MODULES`.
    """
    Module.__setattr__, Module.__delattr__ = set_attribute, delete_attribute
    core.Parameter.__deepcopy__ = copied
    for name, method in PLACES.items():
        setattr(ModuleList, name, method)
    for owner in (Tree, Module):
        for name, widen in WIDER.items():
            usual = vars(owner).get(name)
            if usual is not None and not hasattr(usual, "widens"):
                setattr(owner, name, widen(usual))
    for name, part in PROPERTIES.items():
        if not hasattr(Module, name):
            setattr(Module, name, property(part))
