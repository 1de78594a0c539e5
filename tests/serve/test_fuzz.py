"""The whole API by its own schema: whatever is sent, the answer is as documented and never a fault of the server.

Requests are made by hypothesis and reach the application in this process, without sockets. Making them is most of the
work, so the schema that they are made by leaves out the pattern of readable texts: strings without a pattern are made
in half the time, control characters among them.
"""

from collections import Counter
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import positive_data_acceptance

from rootward.serve.app import Server, create_app
from rootward.serve.runs import ServedRun
from rootward.serve.schema import _PATTERN

STATUSES = {200, 400, 401, 404, 405, 408, 413, 422, 503}


@pytest.fixture
def app(lookup_run, words_run):
    return create_app(Server({"shop": ServedRun.load(lookup_run, "shop"), "words": ServedRun.load(words_run, "words")}))


def fuzz(app, cases):
    """Send so many generated requests, valid ones and others, to every route."""
    told = app.app.openapi()  # kept by the application, which answers with it
    assert len(list(leave_out(told))) >= 10
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    sent = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in schemathesis.GenerationMode:
            sent += fuzz_operation(operation, mode, cases)
    return sent


def leave_out(schema):
    """Take the pattern of readable texts out of a schema, wherever it is; one item for each place."""
    if isinstance(schema, dict) and schema.get("pattern") == _PATTERN["pattern"]:
        yield schema.pop("pattern")
    if isinstance(schema, dict | list):
        for each in schema.values() if isinstance(schema, dict) else schema:
            yield from leave_out(each)


def fuzz_operation(operation, mode, cases):
    """How many requests got each (route, status), or were refused for "control characters"."""
    sent = Counter()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        response = case.call_and_validate(excluded_checks=[positive_data_acceptance])  # ids may be unknown
        assert response.status_code in STATUSES
        assert b"Traceback" not in response.content
        sent[operation.label, response.status_code] += 1
        sent["control characters"] += b"control characters are no text" in response.content

    with suppress(Unsatisfiable):  # a route without parameters takes no wrong ones
        send()
    return sent


def n_requests(sent):
    return sum(n for what, n in sent.items() if what != "control characters")


def test_a_few_generated_requests_of_every_route(app):
    sent = fuzz(app, 15)
    assert n_requests(sent) >= 100
    assert {sent["POST /v1/search", status] > 0 for status in (200, 422)} == {True}


@pytest.mark.slow
def test_ten_thousand_generated_requests(app):
    sent = fuzz(app, 1_000)
    print(n_requests(sent), dict(sent))
    assert n_requests(sent) >= 10_000
    assert sent["control characters"] > 0
    for route in ("POST /v1/search", "GET /v1/search", "GET /v1/complete"):
        assert all(sent[route, status] > 0 for status in (200, 404, 422))
    assert all(sent["GET /v1/nodes/{id}", status] > 0 for status in (404, 422))
