"""Starts commands quickly for the tests: everything is imported once, and each command is a process forked from that.

The command is the real ``wheeltapper.cli.main`` in a process of its own: it can be killed, and leaves nothing but what
it wrote. Only the four seconds of imports are saved. Requests and answers are one line of JSON each.
"""

import gc
import importlib
import json
import os
import signal
import sys
from pathlib import Path

PRELOADED = (
    *("wheeltapper.cli", "wheeltapper.reporting.report", "flows.pipeline", "flows.retrain"),
    *("wheeltapper.assets.pump", "wheeltapper.evaluation.vus", "wheeltapper.readings.health.trailing"),
    *("deltalake", "great_expectations", "matplotlib.pyplot", "matplotlib.backends.backend_svg", "pint"),
    *("mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("numba", "numba.cpython.unicode", "numba.np.arrayobj", "numba.np.arraymath", "numba.typed"),
    *("scipy.signal", "scipy.stats", "sklearn.ensemble", "sklearn.decomposition", "alembic.runtime.migration"),
)


def main() -> None:
    """Serve requests until the input ends: start a command, or wait for one."""
    # As in a job that a script starts in the background: tests of Ctrl-C must pass there, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in PRELOADED:
        importlib.import_module(name)
    plugins = importlib.import_module("wheeltapper.plugins")
    for kind in plugins.KINDS:
        for name in plugins.INSTALLED.names(kind):
            plugins.INSTALLED.module(kind, name)
    gc.freeze()  # the collector of a forked process need not look through all that was imported
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = _wait(request["wait"]) if "wait" in request else _start(request)
        print(json.dumps(answer), flush=True)


def _start(request: dict) -> int:
    """Fork, and become the command in the child; return the child's process number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, path in ((1, request["stdout"]), (2, request["stderr"])):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(request["env"])
    sys.argv = ["wheeltapper", *request["arguments"]]
    code = _run()
    Path(request["modules"]).write_text(json.dumps(sorted(sys.modules)))
    os._exit(code)


def _run() -> int:
    code = 0
    try:
        importlib.import_module("wheeltapper.cli").main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _wait(child: int) -> int:
    """Return the exit code of a command; that of one that was killed is negative."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


main()
