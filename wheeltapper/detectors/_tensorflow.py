"""The door to TensorFlow: opened quietly, without the GPU, and giving the same numbers every time."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wheeltapper.errors import ConfigError

ONE_AT_A_TIME = threading.Lock()
"""To be held while a network is trained: TensorFlow's own state is shared by the whole process, and one training at a
time keeps each as if it were alone."""

_OPENING = threading.Lock()
_CHATTER = re.compile(rb"^(WARNING: All log messages before absl|[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d [\d:.]+: [IWE] )")


def open_tensorflow() -> tuple[Any, Any]:
    """Return the modules ``tensorflow`` and ``keras``, imported without a word on the screen.

    A network of a few hundred weights is slower on a GPU than on the processor, differs from GPU to GPU, and would
    make TensorFlow take all of the GPU's memory; so GPUs are left alone, unless the caller has set TensorFlow up
    before.

    Raises
    ------
    ConfigError
        If Keras was already imported with another backend.
    """
    # Keras 3.15 asks TensorFlow 2.21 for arrays in a way that NumPy 2 will drop; nothing that a user could change.
    warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning, r"keras\.")
    with _OPENING:
        is_first = "tensorflow" not in sys.modules
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if "keras" not in sys.modules:
            os.environ["KERAS_BACKEND"] = "tensorflow"
        with _without_chatter() if is_first else _as_it_is():
            import keras
            import tensorflow as tf

            if keras.backend.backend() != "tensorflow":
                raise ConfigError(
                    f"the autoencoder needs Keras with backend tensorflow, but Keras runs on {keras.backend.backend()} "
                    "in this process. Unset KERAS_BACKEND, or set it to tensorflow."
                )
            tf.get_logger().setLevel("ERROR")
            if is_first:
                tf.config.set_visible_devices([], "GPU")
            tf.config.experimental.enable_op_determinism()
            tf.zeros(1)  # the first operation sets up the devices, which is the last thing that it talks about
    return tf, keras


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back the process's error stream, then pass on all of it but TensorFlow's greetings.

    Since TensorFlow 2.18 no setting silences them (tensorflow/tensorflow#100442): they are written by C++ before
    any setting is read, straight to file descriptor 2.
    """
    try:
        screen = os.dup(2)
    except OSError:  # a service without an error stream: nobody to disturb
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)
            os.close(screen)
