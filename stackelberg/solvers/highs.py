"""HiGHS without its greeting, which its first instance prints on the process's standard output."""

import functools
import os


@functools.cache
def silence_greeting() -> None:
    """Make the first HiGHS instance of this process with standard output closed off, so that none prints again.

    The greeting comes from compiled code and would mix with JSON on standard output and with notebook cells.
    """
    import highspy

    try:
        saved = os.dup(1)
    except OSError:  # there is no standard output to keep clean
        return
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.close(sink)
        highspy.Highs()
    finally:
        os.dup2(saved, 1)
        os.close(saved)
