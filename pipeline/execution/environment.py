"""How a process is set up before it imports anything heavy."""

import logging
import os


def set_up(verbose: bool = False) -> None:
    """Sets logging and threads; the processes that this one starts inherit both.

    Args:
        verbose: show what the libraries log. Without it they are silent unless something breaks.
    """
    verbose = verbose or "FAVOR_VERBOSE" in os.environ
    if verbose:
        os.environ["FAVOR_VERBOSE"] = "1"
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR)
    if not verbose:  # Beam logs every exception that it then raises
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # likewise
    # Threads that spin long while they wait take the cores from the decoder, and from everybody else on the machine;
    # threads that sleep at once double the time of a decoding step of eight windows. So they spin for about 0.1 ms.
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
