"""One file per sub-command: `add_arguments(parser)` and `run(args)`, which gives the exit code."""
