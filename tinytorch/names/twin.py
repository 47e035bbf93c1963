"""Classes that differ from a class of the course in their constructor alone."""


class Twin(type):
    """The kind of a class that stands for its base: what is an instance of one is of the other."""

    def __instancecheck__(cls, thing):
        twin = vars(cls).get("twin")
        return isinstance(thing, twin) if twin else type.__instancecheck__(cls, thing)

    def __subclasscheck__(cls, other):
        twin = vars(cls).get("twin")
        return issubclass(other, twin) if twin else type.__subclasscheck__(cls, other)
