"""tito undo: what the last reset or update took away comes back; again, and the one before."""

import json

from tito import TitoError, learner, report, workspace
from tito.files import dumps, write


def add_arguments(parser):
    parser.add_argument("number", nargs="?", metavar="NUMBER", help="a snapshot; default: the last")
    parser.epilog = f"The last {workspace.KEPT} such steps are kept."
    parser.add_argument("--list", action="store_true", help="the snapshots that are kept")


def run(args):
    found = workspace.required()
    kept = {folder.name: folder for folder in workspace.snapshots(found)}
    if not kept:
        raise TitoError("there is nothing to undo: no step has taken anything away yet")
    if args.list:
        report.table([_row(folder) for folder in kept.values()])
        return 0
    number = (args.number or _last(kept)).zfill(4)
    if number not in kept:
        raise TitoError(f"there is no snapshot {args.number}: `tito undo --list` shows all")
    files = [found.root / name for name in told(kept[number])["files"]]
    again = workspace.snapshot(found, f"undo {number}", files, keep=kept[number])
    done = workspace.restore(found, kept[number])
    write(kept[number] / "snapshot.json", dumps({**done, "undone": True}))
    for module in found.written:
        if module.notebook in files:
            learner.refresh(module)
    report.say(f"as it was before `tito {done['what']}` ({done['when']}):")
    for name, existed in done["files"].items():
        report.say(f"  {name}{'' if existed else ': it was not there, and is removed again'}")
    report.say(f"`tito undo {again.name}` takes this back")
    return 0


def _last(kept):
    """The number of the last step that was not undone yet.

    Raises:
        TitoError: all were.
    """
    for number in reversed(kept):
        data = told(kept[number])
        if not data.get("undone") and not data["what"].startswith(("undo ", "export ")):
            return number
    raise TitoError("all steps are undone: `tito undo --list` shows what was kept of them")


def told(folder):
    """What a snapshot says of itself."""
    try:
        return json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TitoError(f"the snapshot {folder} is damaged ({error}): delete it") from None


def _row(folder):
    data = told(folder)
    count = f"{len(data['files'])} file{'s' * (len(data['files']) > 1)}"
    state = "undone" if data.get("undone") else ""
    return (folder.name, data["when"], f"before tito {data['what']}", count, state)
