"""Searches in a few threads, those of several waiting requests in one call."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rootward.errors import InputError
from rootward.serve.runs import Question, ServedRun

MOST_IN_A_CALL = 64
"""Texts of several requests that are searched in one call."""


@dataclass(eq=False)
class _Job:
    run: ServedRun
    texts: Sequence[str]
    question: Question
    done: asyncio.Future[bytes] = field(repr=False)


class SearchThreads:
    """Runs searches in threads, off the event loop.

    A search by product of matrices takes hardly longer for several texts than for one, so requests that wait for a free
    thread, with equal questions to the same run, are searched together. A request that was cancelled while it waited
    takes no work.

    Args:
        n: how many threads.
        searched: is told how many texts each call searched.
    """

    def __init__(self, n: int, searched: Callable[[int], object] = lambda _: None) -> None:
        self._searched = searched
        self._threads = ThreadPoolExecutor(n, thread_name_prefix="search")
        self._free, self._waiting = n, deque[_Job]()

    async def search(self, run: ServedRun, texts: Sequence[str], question: Question) -> bytes:
        """The answer to a request as JSON: the run, its generation, and what `ServedRun.search` gives.

        Raises:
            InputError: as `ServedRun.search`.
        """
        job = _Job(run, texts, question, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._start()
        return await job.done

    def close(self) -> None:
        """Wait for what runs; start nothing more."""
        self._threads.shutdown(cancel_futures=True)

    def _start(self) -> None:
        while self._free and self._waiting:
            first = self._waiting.popleft()
            if first.done.done():
                continue
            jobs, n, later = [first], len(first.texts), deque[_Job]()
            for job in self._waiting:
                if job.done.done():
                    continue
                if job.run is first.run and job.question == first.question and n + len(job.texts) <= MOST_IN_A_CALL:
                    jobs.append(job)
                    n += len(job.texts)
                else:
                    later.append(job)
            self._waiting = later
            self._free -= 1
            self._searched(n)
            work = asyncio.get_running_loop().run_in_executor(self._threads, _search, jobs)
            work.add_done_callback(partial(self._deliver, jobs))

    def _deliver(self, jobs: list[_Job], work: asyncio.Future[list[bytes | Exception]]) -> None:
        self._free += 1
        self._start()
        for job, outcome in zip(jobs, work.result(), strict=True):
            if job.done.done():
                continue
            if isinstance(outcome, Exception):
                job.done.set_exception(outcome)
            else:
                job.done.set_result(outcome)


def json_bytes(value: Any) -> bytes:
    """JSON without NaN; a lone surrogate that a source had becomes a question mark."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _search(jobs: list[_Job]) -> list[bytes | Exception]:
    """The answer to each job, or what went wrong with it; an error of several jobs is looked for in each by itself."""
    run, question = jobs[0].run, jobs[0].question
    answers: list[bytes | Exception] = []
    try:
        found = iter(run.search([text for job in jobs for text in job.texts], question))
        for job in jobs:
            results = [next(found) for _ in job.texts]
            more = run.names_and_edges(results) if question.explain else {}
            answers.append(json_bytes({"run": run.name, "generation": run.generation, "results": results, **more}))
    except InputError as error:
        return [error for _ in jobs]
    except Exception as error:
        return [error] if len(jobs) == 1 else [_search([job])[0] for job in jobs]
    return answers
