"""tito status: the map of a workspace. It reads files only, and never runs a learner's code."""

from tito import learner, report, workspace
from tito.progress import Progress

STALE = ("stale", "not exported", "changed by hand")


def add_arguments(parser):
    parser.add_argument("module", nargs="?", metavar="NN", help="the exercises of one module")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args):
    found = workspace.required()
    module = found.module(args.module) if args.module else None
    report.quiet(args.json)
    told = summary(found)
    if args.json:
        report.json(told)
    elif module:
        _say_module(found, told, module)
    else:
        _say(found, told)
    return 0


def summary(found):
    """All that status shows, as data."""
    progress = Progress(found)
    modules = {module.label: _module(found, progress, module) for module in found.written}
    return {
        "workspace": str(found.root),
        "modules": modules,
        "milestones": progress.data["milestones"],
        "hints": sum(progress.data["hints"].values()),
        "gave_up": [n for n, how in progress.data["solutions"].items() if how == "gave up"],
        "next": _next(modules, progress.data.get("last")),
    }


def _module(found, progress, module):
    entry = found.manifest.get(module.name, {"yours": [], "edited": []})
    words, passed = module.words(), set(progress.passed(module))
    exercises = {}
    for name, told in words["exercises"].items():
        exercise = f"{module.name}.{name}"
        state = "passed" if exercise in passed else "yours" if name in entry["yours"] else "blank"
        exercises[exercise] = told | {"state": state, "hints": progress.hints(exercise)}
        if progress.gave_up(exercise):
            exercises[exercise]["points"] = 0
    states = [told["state"] for told in exercises.values()]
    return {
        "name": module.name,
        "title": words["title"],
        "total": len(states),
        "passed": states.count("passed"),
        "yours": len(states) - states.count("blank"),
        "blank": states.count("blank"),
        "points": sum(e["points"] for e in exercises.values() if e["state"] == "passed"),
        "of_points": sum(told["points"] for told in words["exercises"].values()),
        "edited": entry["edited"],
        "export": learner.state(module),
        "exercises": {
            name: {key: told[key] for key in ("state", "stars", "points", "hints")}
            for name, told in exercises.items()
        },
    }


def _next(modules, last):
    """The module to go on with: the last one, one after it, else the first unfinished."""
    names = [m["name"] for m in modules.values()]
    start = names.index(last) if last in names else 0
    unfinished = [m["name"] for m in modules.values() if m["passed"] < m["total"]]
    ahead = [name for name in names[start:] if name in unfinished]
    return next(iter(ahead + unfinished), None)


def next_module(found):
    """The first module in which something is left to do; the first one if nothing is."""
    told = summary(found)
    return found.module(told["next"]) if told["next"] else found.written[0]


def next_exercise(found):
    """The id of the exercise to go on with; the very first one if nothing is left."""
    told, module = summary(found), next_module(found)
    exercises = told["modules"][module.label]["exercises"]
    return next((n for n, e in exercises.items() if e["state"] != "passed"), next(iter(exercises)))


def stale(found):
    """The labels of modules whose exported file is not what their notebook says."""
    return [module.label for module in found.written if learner.state(module) in STALE]


def _say(found, told):
    report.say(f"workspace {found.root}\n")
    rows = [
        (
            label,
            m["title"],
            f"{m['passed']} of {m['total']}",
            str(m["yours"] - m["passed"] or ""),
            str(m["blank"] or ""),
            f"{m['points']}/{m['of_points']}",
            "" if m["export"] in ("in step", "untouched") else m["export"],
        )
        for label, m in told["modules"].items()
    ]
    header = ("module", "title", "passed", "not passed", "given", "points", "export")
    report.table(rows, header, spare=header.index("title"))
    report.say()
    for label, m in told["modules"].items():
        if m["edited"]:
            report.say(f"{label}: {changed(m['name'], m['edited'])}")
    reached = ", ".join(_reached(*item) for item in told["milestones"].items()) or "none yet"
    report.say(f"milestones reached: {reached}; hints taken: {told['hints']}")
    if told["gave_up"]:
        report.say(f"solutions shown before you passed (no points): {', '.join(told['gave_up'])}")
    if old := [label for label, m in told["modules"].items() if m["export"] in STALE]:
        report.say(f"newer than what was exported: {', '.join(old)} (tito test {old[0][:2]})")
    if new := [label for label, m in told["modules"].items() if m["export"] == "new"]:
        report.say(f"new in the course: {', '.join(new)} (tito update brings it)")
    if gone := [label for label, m in told["modules"].items() if m["export"] == "gone"]:
        kept = "".join(exported(found, found.module(label)) for label in gone)
        report.say(f"gone: {', '.join(gone)} (tito start {gone[0][:2]} writes a blank one{kept})")
    report.say(f"next: {advice(found, told)}")


def changed(module, names):
    """Given code that the learner changed, and how the course's own comes back."""
    names = list(dict.fromkeys(name.partition("#")[0] for name in names))
    back = f"tito reset {module}.{names[0]}"
    return f"given code that you changed: {', '.join(names)} ({back} gives it back)"


def exported(found, module):
    """Where the last export of a module still is; nothing if there is none."""
    there = module.exported.is_file()
    return f"; what you exported last is in {found.relative(module.exported)}" if there else ""


def _reached(name, told):
    """A milestone, and whose modules it ran on."""
    yours = ", ".join(told.get("mix", {}).get("yours", {}))
    return f"{name} ({f'your {yours}' if yours else 'all given'})"


def advice(found, told):
    """What comes next, in a few words."""
    if told["next"] is None:
        return "all that there is has passed; tito milestone list"
    module = found.module(told["next"])
    number = f"{module.number:02d}"
    return f"{next_exercise(found)}      (tito start {number}, then tito test {number})"


def _say_module(found, told, module):
    here = told["modules"][module.label]
    report.say(f"workspace {found.root}\n\n{module.label}: {here['title']} ({here['export']})")
    words = {"passed": "passed", "yours": "yours, not passed", "blank": "blank: given"}
    rows = [
        ("  " + name, words[e["state"]], "*" * e["stars"], _count(e["points"], "point"), _hints(e))
        for name, e in here["exercises"].items()
    ]
    report.table(rows)
    if here["edited"]:
        report.say(f"  {changed(module.name, here['edited'])}")
    for words in learner.unread(module):
        report.say(f"  {words}")


def _hints(told):
    return f"{_count(told['hints'], 'hint')} taken" if told["hints"] else ""


def _count(number, word):
    return f"{number} {word}{'s' * (number != 1)}"
