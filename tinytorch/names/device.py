"""The name of a device: of those that exist there is one, the CPU."""


class device(str):
    """`device("cpu")`: a name with a type and an index. Equal to the text "cpu".

    Raises:
        ValueError: no device has such a name. A name of a GPU may be said; using it is refused.

    >>> device("cpu").type, device("cuda", 1) == "cuda:1"
    ('cpu', True)
    """

    KINDS = ("cpu", "cuda", "mps", "xpu", "meta")

    def __new__(cls, type="cpu", index=None):
        kind, _, number = str(type).partition(":")
        if kind not in cls.KINDS or (number and not number.isdigit()):
            raise ValueError(f"a device is called {', '.join(cls.KINDS)} or cuda:0, not {type!r}")
        number = number if index is None else str(index)
        made = super().__new__(cls, f"{kind}:{number}" if number else kind)
        made.type, made.index = kind, int(number) if number else None
        return made

    def __repr__(self):
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __enter__(self):
        if self.type not in ("cpu", "meta"):
            raise ValueError(f"TinyTorch computes on the CPU only: {self!r} does not exist")

    def __exit__(self, *exception):
        pass
