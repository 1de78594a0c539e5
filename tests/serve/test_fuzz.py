"""The whole API by its own schema: whatever is sent, the answer is as documented and never a fault of the server."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import positive_data_acceptance

from rootward.serve.app import Server, create_app
from rootward.serve.runs import ServedRun

STATUSES = {200, 400, 401, 404, 405, 408, 413, 422, 503}


@pytest.fixture
def app(lookup_run, words_run):
    return create_app(Server({"shop": ServedRun.load(lookup_run, "shop"), "words": ServedRun.load(words_run, "words")}))


def fuzz(app, cases):
    """Send so many generated requests, valid ones and others, to every route."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in schemathesis.GenerationMode:
            sent += fuzz_operation(operation, mode, cases)
    return sent


def fuzz_operation(operation, mode, cases):
    sent = 0

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
        nonlocal sent
        sent += 1
        response = case.call_and_validate(excluded_checks=[positive_data_acceptance])  # ids may be unknown
        assert response.status_code in STATUSES
        assert b"Traceback" not in response.content

    with suppress(Unsatisfiable):  # a route without parameters takes no wrong ones
        send()
    return sent


def test_a_few_generated_requests_of_every_route(app):
    assert fuzz(app, 15) >= 100


@pytest.mark.slow
def test_ten_thousand_generated_requests(app):
    assert fuzz(app, 800) >= 10_000
