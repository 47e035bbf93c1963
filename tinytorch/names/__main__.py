"""How many of the names that tutorials use are here: `python -m tinytorch.names`.

The lists are ranked by how often seven teaching code bases use a name (656 files). Each name is
looked up where a program would find it. With `--torch`, PyTorch's own public names are counted
too; PyTorch must be installed for that.
"""

import argparse
import importlib
import sys

from .. import console
from . import REASONS

TIERS = {
    "A (100 files and more)": """
        Tensor.to Tensor.item Tensor.mean Tensor.sum Tensor.backward Tensor.float Tensor.unsqueeze
        Tensor.reshape Tensor.squeeze Tensor.tolist Tensor.cpu Tensor.max Tensor.detach
        Tensor.transpose Tensor.view Tensor.argmax nn.Module nn.Module.parameters nn.Module.eval
        nn.Module.train nn.Linear nn.Sequential nn.Parameter tensor manual_seed zeros no_grad
        arange cat float32 ones randn inference_mode stack testing.assert_close
        optim.Optimizer.step optim.Optimizer.zero_grad device cuda.is_available""",
    "B (30 to 99)": """
        Tensor.numpy nn.Module.state_dict nn.Module.load_state_dict save load Tensor.flatten
        Tensor.size Tensor.norm Tensor.pow Tensor.softmax Tensor.numel Tensor.clone
        nn.Module.register_buffer randint rand triu exp log sqrt abs min std var clamp any all
        Tensor.masked_fill Tensor.masked_fill_ topk zeros_like ones_like tanh from_numpy
        Tensor.contiguous allclose where inf optim.SGD optim.Adam optim.AdamW nn.ReLU nn.Embedding
        nn.Dropout nn.ModuleList nn.Flatten nn.init.normal_ nn.init.zeros_ nn.init.ones_
        nn.init.constant_ nn.init.uniform_ nn.init.xavier_uniform_ nn.init.xavier_normal_
        nn.init.kaiming_uniform_ nn.init.kaiming_normal_ nn.Module.register_forward_hook
        nn.Module.named_parameters nn.utils.clip_grad_norm_ nn.functional.cross_entropy
        nn.functional.relu nn.functional.silu transformers.GPT.generate""",
    "C (9 to 29)": """
        nn.MSELoss nn.CrossEntropyLoss log_softmax permute multinomial Generator nn.LayerNorm
        nn.GELU nn.Sigmoid nn.Tanh full eye linspace randperm split chunk gather tril cumsum
        optim.lr_scheduler.LambdaLR optim.lr_scheduler.StepLR utils.data.DataLoader
        nn.functional.scaled_dot_product_attention""",
}
ROOMS = {  # where PyTorch keeps names -> the same place here
    "torch": "", "torch.Tensor": "Tensor", "torch.nn": "nn", "torch.nn.functional": "nn.functional",
    "torch.nn.Module": "nn.Module", "torch.nn.init": "nn.init", "torch.optim": "optim",
    "torch.optim.lr_scheduler": "optim.lr_scheduler", "torch.utils.data": "utils.data",
}  # fmt: skip


def found(path):
    """What stands under a dotted name of the package.

    Raises:
        AttributeError, ImportError: there is nothing.
    """
    thing = importlib.import_module("tinytorch")
    for name in filter(None, path.split(".")):
        thing = getattr(thing, name)
    return thing


def is_here(path):
    """True if the dotted name leads to something."""
    try:
        return found(path) is not None
    except (AttributeError, ImportError):
        return False


def missing_of(paths):
    """The dotted names that lead nowhere."""
    return [path for path in paths if not is_here(path)]


def report(rows):
    """Print a line per list, the names that are missing below it; returns how many are."""
    total = 0
    for title, paths in rows:
        missing = missing_of(paths)
        total += len(missing)
        here = len(paths) - len(missing)
        print(f"{title:28} {here:4} of {len(paths):4}  {here / max(len(paths), 1):6.1%}")
        if missing and len(missing) <= 12:
            print("  missing:", ", ".join(missing))
    return total


def of_torch():
    """PyTorch's own public functions, classes and methods, room by room.

    Raises:
        ImportError: PyTorch is not installed.
    """
    importlib.import_module("torch")
    for title, ours in ROOMS.items():
        room = importlib.import_module("torch")
        for name in title.split(".")[1:]:
            room = getattr(room, name)
        names = [n for n in dir(room) if n[0] != "_" and callable(getattr(room, n, None))]
        yield title, [f"{ours}.{name}" if ours else name for name in names]


def main(argv=None):
    """Print the figures; -> 0 if no name of the tiers is missing, else 1; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m tinytorch.names", description=__doc__)
    parser.add_argument("--torch", action="store_true", help="count PyTorch's own names, too")
    wanted = parser.parse_args(argv)
    importlib.import_module("numpy")  # without it no name leads anywhere, which is no finding
    print("names that tutorials use, each looked up:")
    total = report((f"tier {tier}", names.split()) for tier, names in TIERS.items())
    print(f"left out on purpose, with a reason: {len(REASONS)}")
    if wanted.torch:
        print("PyTorch's public callables, most of which no tutorial uses:")
        try:
            report(of_torch())
        except ImportError:
            print("PyTorch is not installed: leave --torch out", file=sys.stderr)
            return 2
    return 1 if total else 0


if __name__ == "__main__":
    console.run(main)
