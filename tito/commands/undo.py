"""tito undo: what the last reset or update took away comes back; again, and the one before.

What was written since stays where it is. Only a step that is named by its number is undone whole.
"""

import contextlib

from tito import TitoError, learner, report, workspace
from tito.files import dumps, write
from tito.update import merge
from tito.workspace import told


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
    both = {} if args.number else _with_later_work(found, kept[number])
    files = [found.root / name for name in told(kept[number])["files"]]
    again = workspace.snapshot(found, f"undo {number}", files, keep=kept[number])
    done = workspace.restore(found, kept[number], both)
    _settle({folder.name: folder for folder in workspace.snapshots(found)}, number)
    for module in found.written:
        if module.notebook in files:
            learner.refresh(module)
    report.say(f"as it was before `tito {done['what']}` ({done['when']}):")
    for name, existed in done["files"].items():
        stays = "; what you wrote there since stays" if name in both else ""
        report.say(f"  {name}{stays if existed else ': it was not there, and is removed again'}")
    report.say(f"`tito undo {again.name}` takes this back")
    return 0


def _with_later_work(found, folder):
    """{name: text} of files that were changed since a step: as before it, with these changes.

    Raises:
        TitoError: a file cannot have both.
    """
    step, both = told(folder), {}
    for name, existed in step["files"].items():
        now, before, after = found.root / name, folder / name, folder / workspace.AFTER / name
        if not (now.is_file() and after.is_file()) or _same(now, after, before):
            continue  # nothing was written since, or an older tito kept no copy to tell
        done = _merged(after, now, before) if existed and name.startswith("modules/") else None
        if done is None or done.conflicts:
            where = f" in {', '.join(done.conflicts)}" if done else ""
            raise TitoError(
                f"you changed {name} since `tito {step['what']}`{where}, so it stays as it is: "
                f"`tito undo {folder.name}` writes it as it was before, and keeps a copy of yours"
            )
        both[name] = done.text
    return both


def _same(now, *others):
    """True if a file has the content of one of the others that are there."""
    return now.read_bytes() in [other.read_bytes() for other in others if other.is_file()]


def _merged(after, now, before):
    """The Merge of what a step changed back and what was written since; None if there is none."""
    try:
        return merge(*(path.read_text("utf-8-sig") for path in (after, now, before)))
    except (ValueError, LookupError, TypeError, AttributeError):  # one of them is no notebook
        return None


def _last(kept):
    """The number of the last step that was not undone yet.

    Raises:
        TitoError: all were.
    """
    for number in reversed(kept):
        if not told(kept[number]).get("undone") and workspace.is_step(kept[number]):
            return number
    raise TitoError("all steps are undone: `tito undo --list` shows what was kept of them")


def _settle(kept, number):
    """Note whether a step is undone by now; if it undid one itself, so is that one or not."""
    step, undone = told(kept[number]), any(_undoes(folder, number) for folder in kept.values())
    write(kept[number] / "snapshot.json", dumps(step | {"undone": undone}))
    before = step["what"].removeprefix("undo ")
    if before in kept:
        _settle(kept, before)


def _undoes(folder, number):
    """True if a snapshot is of the undoing of a step, and that was not undone itself."""
    with contextlib.suppress(TitoError):  # it is another one that is damaged
        step = told(folder)
        return step["what"] == f"undo {number}" and not step.get("undone")
    return False


def _row(folder):
    data = told(folder)
    count = f"{len(data['files'])} file{'s' * (len(data['files']) > 1)}"
    state = "undone" if data.get("undone") else ""
    return (folder.name, data["when"], f"before tito {data['what']}", count, state)
