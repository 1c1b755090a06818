"""Setting up logging and threads of a process, before it imports anything heavy."""

import logging
import os


def set_up(verbose: bool = False) -> None:
    """Sets up logging and threads; child processes inherit both.

    Args:
        verbose: show what the libraries log; otherwise, they log only errors.
    """
    verbose = verbose or "FAVOR_VERBOSE" in os.environ
    if verbose:
        os.environ["FAVOR_VERBOSE"] = "1"
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR)
    if not verbose:  # both log every exception that they then raise
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    # Threads that spin for long while they wait take cores from the decoder and from other processes; threads that
    # sleep immediately double the time of a decoding step of eight windows. So they spin for about 0.1 ms.
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
