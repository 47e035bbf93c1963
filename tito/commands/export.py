"""tito export: from notebooks to the package, checked and whole."""

from pathlib import Path

from tito import TitoError, UsageError, course, export, learner, report, unforeseen, workspace


def add_arguments(parser):
    add_modules(parser)
    parser.add_argument("--json", action="store_true", help="in a workspace: print JSON")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a file of the package is not what its notebook gives",
    )


def add_modules(parser, more=""):
    """The arguments that choose modules, shared with `tito test`."""
    words = f"a module: 1, 01, tensor or 01_tensor{more}"
    parser.add_argument("modules", nargs="*", metavar="NN", help=words)
    parser.add_argument("--all", action="store_true", help="every module that has a notebook")


def run(args):
    if found := workspace.find():
        return learners(found, args)
    found = course.authors()
    whole = args.all or (args.check and not args.modules and not _here(found))
    modules = chosen(found, args.modules, whole)
    if args.check:
        return check(found, modules, whole)
    return build(found, modules, whole)


def chosen(found, tokens, whole):
    """The modules that the command line means.

    Raises:
        UsageError: it names none and the working directory is in none, or it says both.
        TitoError: a name is unknown, or nothing is written yet.
    """
    if whole and tokens:
        raise UsageError("name modules or say --all, not both")
    if whole:
        if not found.written:
            raise TitoError(f"there is no notebook yet in {found.root / 'modules'}")
        return found.written
    if tokens:
        return list(dict.fromkeys(found.module(token) for token in tokens))
    if here := _here(found):
        return [found.module(here.name)]
    raise UsageError("which module? Name one (01, tensor), say --all, or stand in its folder")


def _here(found):
    return found.module_around(Path.cwd())


def build(found, modules, whole=False):
    """Export modules, and say of each whether its file changed."""
    for module, text in export.texts(found, modules, whole).items():
        done = "written" if export.write(module, text) else "unchanged"
        report.say(f"{found.relative(module.exported)} {done}")
    return 0


def check(found, modules, whole):
    """Say which exported files are not what their notebooks give."""
    off = 0
    for module, text in export.texts(found, modules, whole).items():
        if not export.in_step(module, text):
            off += 1
            state = "differs from" if module.exported.exists() else "is missing, unlike"
            names = [found.relative(path) for path in (module.exported, module.notebook)]
            report.say(f"{names[0]} {state} {names[1]}: run `tito export {module.number:02d}`")
    if not off:
        report.say(f"{len(modules)} of {len(modules)} files in step with their notebooks")
    return 1 if off else 0


# -- in a workspace
def learners(found, args):
    """Export notebooks of a workspace, and say what in each is yours and what is given."""
    modules = list(found.asked(args.modules, args.all))
    if args.check:
        return learners_check(found, modules)
    report.quiet(args.json)
    told, code = {}, 0
    for module in modules:
        try:
            with unforeseen(module):
                exported = learner.run(module)
        except TitoError as error:  # the other modules are exported all the same
            report.complain(error)
            told[module.label], code = {"error": str(error)}, error.code
            continue
        told[module.label] = exported.entry | {"changed": exported.changed}
        say(module, exported)
    if args.json:
        report.json(told)
    return code


def learners_check(found, modules):
    """Say which exported files are older than their notebooks; write nothing."""
    code = 0
    for module in modules:
        state = learner.state(module)
        if state == "in step" and not export.in_step(module, learner.mixed(module).text):
            state = "stale"
        by_hand = state == "changed by hand"
        file = module.exported if by_hand else module.notebook
        report.say(f"{found.relative(file)}: {state}{', not in the notebook' * by_hand}")
        code = code if state in ("in step", "untouched") else 1
    return code


def say(module, exported):
    """What an export made: the file, what is the learner's in it, and what looks odd."""
    entry = exported.entry
    done = "written" if exported.changed else "unchanged"
    total = len(entry["yours"]) + len(entry["given"])
    report.say(
        f"{module.course.relative(module.exported)} {done}: "
        f"{len(entry['yours'])} of {total} exercises yours, {len(entry['given'])} given"
    )
    odd = {
        "edited": "given code that you changed",
        "restored": "given code that was deleted, and came back",
        "unknown": "used, but defined in no cell that begins with `#| export`",
    }
    for key, words in odd.items():
        if entry[key]:
            names = dict.fromkeys(name.partition("#")[0] for name in entry[key])
            report.say(f"  {words}: {', '.join(names)}", style="yellow")
    for name, advice in entry["missing"].items():
        report.say(f"  {name}: {advice}", style="yellow")
    for note in entry.get("notes", ()):
        report.say(f"  {note}", style="yellow")
