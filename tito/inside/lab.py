"""JupyterLab in this process; Ctrl-C while it still starts is no page of traceback.

`python -m tito.inside.lab FLAG...`: the flags are JupyterLab's.
"""

import runpy
import sys

if __name__ == "__main__":
    try:
        runpy.run_module("jupyterlab", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(130)
