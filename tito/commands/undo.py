"""tito undo: what the last reset, update or undo took away comes back."""

import json

from tito import TitoError, report, workspace


def add_arguments(parser):
    parser.add_argument("number", nargs="?", metavar="NUMBER", help="a snapshot; default: the last")
    parser.add_argument("--list", action="store_true", help="the snapshots that are kept")


def run(args):
    found = workspace.required()
    kept = {folder.name: folder for folder in workspace.snapshots(found)}
    if not kept:
        raise TitoError("there is nothing to undo: no step has taken anything away yet")
    if args.list:
        report.table([_row(folder) for folder in kept.values()])
        return 0
    number = (args.number or list(kept)[-1]).zfill(4)
    if number not in kept:
        raise TitoError(f"there is no snapshot {args.number}: `tito undo --list` shows all")
    files = [found.root / name for name in told(kept[number])["files"]]
    again = workspace.snapshot(found, f"undo {number}", files, keep=kept[number])
    done = workspace.restore(found, kept[number])
    report.say(f"as it was before `tito {done['what']}` ({done['when']}):")
    for name in done["files"]:
        report.say(f"  {name}")
    report.say(f"`tito undo {again.name}` takes this back")
    return 0


def told(folder):
    """What a snapshot says of itself."""
    try:
        return json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TitoError(f"the snapshot {folder} is damaged ({error}): delete it") from None


def _row(folder):
    data = told(folder)
    return (folder.name, data["when"], f"before tito {data['what']}", f"{len(data['files'])} files")
