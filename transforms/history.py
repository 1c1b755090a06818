"""What earlier runs have left behind: results that need not be made again, and failures that still stand."""

import dataclasses
import datetime
from collections.abc import Mapping

from transforms.rows import Failure, FailureKey


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """Which failures of earlier runs are tried again.

    Attributes:
        before: those noted before this moment, in seconds since 1970; None for no failure at all.
        max_attempts: how often anything is tried in all.
    """

    before: float | None = None
    max_attempts: int = 3


NO_RETRIES = RetryPolicy()


@dataclasses.dataclass(frozen=True)
class StandingFailure:
    """A failure that nothing has mended since.

    Attributes:
        media_id: what the file was then; a file that was replaced is a new one and is tried in any case.
        attempt: how often it has failed.
        created_at: when it failed last; None in outputs of version 1 of the schema.
    """

    media_id: str
    attempt: int
    created_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class History:
    """What an output held when a process of a run began.

    Attributes:
        done: the ids of all results.
        failed: the failures that stand.
        retry_policy: which of them are tried again.
    """

    done: frozenset[str] = frozenset()
    failed: Mapping[FailureKey, StandingFailure] = dataclasses.field(default_factory=dict)
    retry_policy: RetryPolicy = NO_RETRIES

    def skips(self, media_id: str, span: FailureKey) -> bool:
        """Whether something has failed before and is not tried again."""
        standing = self.failed.get(span)
        if standing is None or standing.media_id != media_id:
            return False
        before = self.retry_policy.before
        if before is None or standing.attempt >= self.retry_policy.max_attempts:
            return True
        return standing.created_at is not None and standing.created_at.timestamp() >= before

    def attempts(self, failure: Failure) -> int:
        """Returns how often the same thing has failed."""
        standing = self.failed.get(failure.span)
        return standing.attempt if standing else 0
