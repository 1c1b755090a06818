"""The history of earlier runs: results that need not be computed again, and unresolved failures."""

import dataclasses
import datetime
from collections.abc import Mapping

from transforms.rows import Failure, FailureKey


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """Which failures of earlier runs are retried.

    Attributes:
        before: failures recorded before this time, in seconds since 1970, are retried; None retries none.
        max_attempts: the maximum number of attempts in total.
    """

    before: float | None = None
    max_attempts: int = 3


NO_RETRIES = RetryPolicy()


@dataclasses.dataclass(frozen=True)
class StandingFailure:
    """A failure that has not been resolved since.

    Attributes:
        media_id: id of the file when it failed; a file that was replaced has a new id and is always tried.
        attempt: number of failed attempts.
        created_at: time of the last failure; None in outputs of schema 1.
    """

    media_id: str
    attempt: int
    created_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class History:
    """The contents of an output when a process of a run started.

    Attributes:
        done: the ids of all results.
        failed: the unresolved failures.
        retry_policy: which of them are retried.
    """

    done: frozenset[str] = frozenset()
    failed: Mapping[FailureKey, StandingFailure] = dataclasses.field(default_factory=dict)
    retry_policy: RetryPolicy = NO_RETRIES

    def skips(self, media_id: str, span: FailureKey) -> bool:
        """Returns whether a file or window has failed before and is not to be retried."""
        standing = self.failed.get(span)
        if standing is None or standing.media_id != media_id:
            return False
        before = self.retry_policy.before
        if before is None or standing.attempt >= self.retry_policy.max_attempts:
            return True
        return standing.created_at is not None and standing.created_at.timestamp() >= before

    def attempts(self, failure: Failure) -> int:
        """Returns how often the same file or window has failed."""
        standing = self.failed.get(failure.span)
        return standing.attempt if standing else 0
