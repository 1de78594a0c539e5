"""The HTTP application over the shoe shop: answers that can be said aloud, and what is refused."""

import asyncio
import json
import threading
import time

import httpx
import pytest
from starlette.testclient import TestClient

import rootward as rw
from rootward.classification import Classifier
from rootward.serve.app import Server, create_app
from rootward.serve.limits import Gate, Limits
from rootward.serve.metrics import Metrics
from rootward.serve.runs import MOST_DOCUMENTS, Question, ServedRun, _without_folders
from rootward.serve.work import SearchThreads
from serve.conftest import shop, trained
from shoes import EDGES


@pytest.fixture(scope="module")
def runs(lookup_run, words_run):
    return {"shop": ServedRun.load(lookup_run, "shop"), "words": ServedRun.load(words_run, "words")}


@pytest.fixture
def client(runs):
    with TestClient(create_app(Server(dict(runs)))) as client:
        yield client


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A run that learnt from labelled texts: "leather boot" is boots."""
    words = {"boots": "leather winter ankle hiking rubber work", "sandals": "beach summer strap open pool cork"}
    kinds = {"boots": "boot", "sandals": "sandal"}
    labels = [
        (f"{one} {two} {kinds[node]}", node)
        for node, some in words.items()
        for one in some.split()
        for two in some.split()
        if one < two
    ]
    pairs = shop().pairs(labels=rw.Labels(*map(tuple, zip(*labels, strict=True))))
    out = tmp_path_factory.mktemp("served") / "labelled"
    settings = rw.Settings(progress=False)
    Classifier.fit(pairs, recipe=rw.recipes.decoupled(steps=60), dim=16, out=out, settings=settings)
    return ServedRun.load(out, "labelled")


def ids_of(response):
    assert response.status_code == 200, response.text
    return [[document["id"] for document in result["documents"]] for result in response.json()["results"]]


def error_of(response, status):
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    return response.json()["error"]


# -- answers -----------------------------------------------------------------------------------------------------------


def test_a_text_gets_the_node_and_everything_above_it(client):
    response = client.post("/v1/search", json={"texts": ["jandals"], "threshold": "auto", "k": 4})
    body = response.json()
    assert (body["run"], body["generation"]) == ("shop", 1)
    (result,) = body["results"]
    assert (result["text"], result["query"], result["node"]) == ("jandals", "flip-flops", "flip-flops")
    assert (result["unseen"], result["nothing_fits"], result["missing"]) == (False, False, [])
    accepted = [each for each in result["documents"] if each["accepted"]]
    assert [each["id"] for each in accepted] == ["flip-flops", "sandals", "shoes", "footwear"]
    assert [each["hops"] for each in accepted] == [0, 1, 2, 3]
    assert accepted[0]["path"] == ["footwear", "shoes", "sandals", "flip-flops"]
    assert accepted[0]["ancestors"] == ["sandals", "shoes", "footwear"]
    assert body["names"]["sandals"] == "Sandals"
    assert ["flip-flops", "sandals"] in body["edges"]
    assert ["footwear", "shoes"] not in body["edges"]


def test_documents_that_were_considered_follow_the_answer_set_as_not_accepted(client):
    response = client.post("/v1/search", json={"texts": ["rain boots", "flip-flops"], "threshold": "auto", "k": 6})
    for result, n_right in zip(response.json()["results"], (3, 4), strict=True):
        assert [each["accepted"] for each in result["documents"]] == [True] * n_right + [False] * (6 - n_right)
        assert [each["rank"] for each in result["documents"]] == [1, 2, 3, 4, 5, 6]
    whole = client.post("/v1/search", json={"texts": ["flip-flops"], "threshold": "auto", "k": 1})
    assert ids_of(whole) == [["flip-flops", "sandals", "shoes", "footwear"]]


def test_a_number_as_threshold_takes_all_that_score_as_much(client):
    everything = client.post("/v1/search", json={"texts": ["boots"], "threshold": -5})
    assert len(ids_of(everything)[0]) == 12
    assert everything.json()["results"][0]["threshold"] == -5
    nothing = client.post("/v1/search", json={"texts": ["boots"], "threshold": 5, "k": 2}).json()["results"][0]
    assert nothing["nothing_fits"]
    assert [each["accepted"] for each in nothing["documents"]] == [False, False]


def test_right_answers_that_are_not_returned_are_named(client):
    result = client.post("/v1/search", json={"texts": ["flip-flops"], "k": 2}).json()["results"][0]
    assert [each["id"] for each in result["documents"]] == ["flip-flops", "sandals"]
    assert result["missing"] == ["shoes", "footwear"]


def test_get_and_post_give_the_same(client):
    query = {"q": "Rain Boots", "k": 3, "threshold": "auto", "above": "rain boots", "levels": "0..1", "hops": 1}
    body = {"texts": ["Rain Boots"], "k": 3, "threshold": "auto", "above": "rain boots", "levels": [0, 1], "hops": 1}
    found = client.get("/v1/search", params=query)
    assert found.json() == client.post("/v1/search", json=body).json()
    assert ids_of(found) == [["boots"]]


def test_filters(client):
    assert set(ids_of(client.get("/v1/search", params={"q": "boots", "below": "sandals"}))[0]) == {
        "sandals",
        "flip-flops",
        "hiking sandals",
    }
    assert set(ids_of(client.get("/v1/search", params={"q": "boots", "levels": "1..1"}))[0]) == {"shoes", "boots"}
    assert "give below or above" in error_of(client.get("/v1/search", params={"q": "boots", "hops": 1}), 422)["message"]
    assert "slippers" in error_of(client.get("/v1/search", params={"q": "boots", "below": "slippers"}), 422)["message"]
    assert "3 to 1" in error_of(client.get("/v1/search", params={"q": "boots", "levels": "3..1"}), 422)["message"]


def test_a_text_without_an_answer_keeps_the_others(client):
    response = client.post("/v1/search", json={"texts": ["boots", "boot", "sandals"], "k": 1})
    assert ids_of(response) == [["boots"], [], ["sandals"]]
    assert "Did you mean 'Boots'" in response.json()["results"][1]["error"]
    assert "error" not in response.json()["results"][0]


def test_without_explain_answers_are_short(client):
    body = client.post("/v1/search", json={"texts": ["boots"], "k": 1, "explain": False}).json()
    assert "edges" not in body
    assert "path" not in body["results"][0]["documents"][0]


def test_unseen_texts_of_a_text_tower(client):
    result = client.get("/v1/search", params={"q": "summer flip-flops", "run": "words", "k": 2}).json()["results"][0]
    assert result["unseen"]
    assert result["documents"][0]["id"] == "flip-flops"
    assert "missing" not in result


def test_a_run_of_labelled_texts_names_the_node_with_its_probability(labelled):
    with TestClient(create_app(Server({"labelled": labelled}))) as client:
        body = {"texts": ["rubber work boot", "xyzzy"], "threshold": "auto", "k": 4}
        boot, nothing = client.post("/v1/search", json=body).json()["results"]
        assert boot["node"] == "boots"
        assert 0.4 < boot["probability"] <= 1
        assert [each["id"] for each in boot["documents"] if each["accepted"]] == ["boots", "footwear"]
        assert (nothing["node"], nothing["probability"], nothing["nothing_fits"]) == (None, 0.0, True)
        assert not any(each["accepted"] for each in nothing["documents"])
        assert len(nothing["documents"]) == 4
        assert not any("probability" in each for each in nothing["documents"])  # they hold for texts that fit
        assert boot["documents"][0]["probability"] > 0.4
        card = client.get("/v1/runs/labelled").json()
        assert card["labelled"]
        assert card["figures"]["nodes"]["kind"] == "held-out"
        assert card["figures"]["nodes"]["accuracy"] > 80


def test_a_number_as_threshold_of_a_labelled_run_reads_each_text_once(labelled, monkeypatch):
    def ids(documents):
        return {each["id"] for each in documents}

    read, texts = [], ["rubber work boot", "xyzzy", "summer strap sandal"]
    own = Classifier.read
    monkeypatch.setattr(Classifier, "read", lambda self, some: read.extend(some) or own(self, some))
    for threshold in (0.3, "auto"):
        read.clear()
        boot, nothing, sandal = labelled.search(texts, Question(k=5, threshold=threshold))
        assert read == texts
        accepted = [each["id"] for each in boot["documents"] if each["accepted"]]
        assert accepted == ["boots", "footwear"]
        assert {each["id"] for each in sandal["documents"] if each["accepted"]} == {"sandals", "shoes", "footwear"}
        assert len(boot["documents"]) == len(ids(boot["documents"])) == 5
        assert nothing["nothing_fits"]
    everything = labelled.search(["rubber work boot"], Question(k=1, threshold=0.0))[0]
    assert ids(everything["documents"]) >= {"boots", "sandals", "shoes", "footwear"}


def test_a_card_does_not_say_in_which_folder_of_the_machine_a_source_was():
    said = {
        "wordnet": "wordnet",
        "edges:/home/me/secret/shop.csv": "edges:shop.csv",
        "runs/shop/": "shop",
        "edges:C:\\data\\shop.csv": "edges:shop.csv",
        "hp.obo": "hp.obo",
    }
    assert {source: _without_folders(source) for source in said} == said
    assert _without_folders(None) is None


def test_a_node_of_a_long_id_is_found(tmp_path):
    long = "x" * 4_000
    run = ServedRun.load(trained(tmp_path / "long", tree=shop([*EDGES, (long, "boots")])), "long")
    with TestClient(create_app(Server({"long": run}))) as client:
        assert client.get(f"/v1/nodes/{long}").json()["parents"][0]["id"] == "boots"
        assert set(ids_of(client.post("/v1/search", json={"texts": ["boots"], "below": long}))[0]) == {long}
        assert "4096" in error_of(client.get(f"/v1/nodes/{'x' * 4_097}"), 422)["message"]


def test_answers_have_the_fields_that_openapi_tells(client):
    from rootward.serve import schema  # noqa: PLC0415

    for body in ({"texts": ["flip-flops", "nonsense"], "threshold": "auto"}, {"texts": ["boots"], "explain": False}):
        schema.SearchResponse.model_validate(client.post("/v1/search", json=body).json())
    schema.ModelCard.model_validate(client.get("/v1/runs/shop").json())
    schema.Node.model_validate(client.get("/v1/nodes/sandals").json())


# -- runs and nodes ----------------------------------------------------------------------------------------------------


def test_runs_and_their_cards_say_which_queries_figures_are_of(client):
    listed = client.get("/v1/runs").json()["runs"]
    assert [(run["name"], run["documents"], run["tower"]) for run in listed] == [
        ("shop", 12, "lookup"),
        ("words", 12, "static"),
    ]
    card = client.get("/v1/runs/shop").json()
    assert card["figures"]["kind"] == "trained"
    assert card["figures"]["recall"] == pytest.approx(100)
    assert [each["n"] for each in card["figures"]["by_distance"]] == [12, 12, 9, 4]
    assert any("trained on; none were held out" in remark for remark in card["remarks"])
    assert "Did you mean 'shop'" in error_of(client.get("/v1/runs/shopp"), 404)["message"]


def test_a_node_with_two_parents(client):
    node = client.get("/v1/nodes/kids' sneakers").json()
    assert {parent["id"] for parent in node["parents"]} == {"sneakers", "kids' shoes"}
    assert (node["name"], node["depth"], node["children"], node["n_children"]) == ("Kids' Sneakers", 3, [], 0)
    assert [each["distance"] for each in node["ancestors"]] == [1, 1, 2, 3]
    shoes = client.get("/v1/nodes/shoes").json()
    assert [child["id"] for child in shoes["children"]] == ["sneakers", "sandals", "kids' shoes"]
    assert client.get("/v1/nodes/flip-flops").json()["synonyms"] == ["thongs", "jandals"]
    error_of(client.get("/v1/nodes/slippers"), 404)


def test_completion_by_names_synonyms_and_ids(client):
    def complete(q, **more):
        return [each["id"] for each in client.get("/v1/complete", params={"q": q, **more}).json()["suggestions"]]

    assert complete("s") == ["shoes", "sandals", "sneakers"]
    assert complete("JAN") == ["flip-flops"]
    assert complete("hiking ", limit=1) == ["hiking boots"]
    assert complete("x") == []


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"texts": []}',
        b'{"texts": "boots"}',
        b'{"texts": [""]}',
        b'{"texts": ["  "]}',
        b'{"texts": ["a\\u0000b"]}',
        b'{"texts": ["\\ud800"]}',
        b'{"texts": ["boots"], "k": NaN}',
        b'{"texts": ["boots"], "threshold": NaN}',
        b'{"texts": ["boots"], "threshold": Infinity}',
        b'{"texts": ["boots"], "threshold": 1e999}',
        b'{"texts": ["boots"], "threshold": "often"}',
        b'{"texts": ["boots"], "k": 0}',
        b'{"texts": ["boots"], "k": 1.5}',
        b'{"texts": ["boots"], "k": true}',
        b'{"texts": ["boots"], "k": 1' + b"0" * 5_000 + b"}",
        b'{"texts": ["boots"], "levels": [1]}',
        b'{"texts": ["boots"], "levels": [-1, 2]}',
        b'{"texts": ["boots"], "colour": "red"}',
        b'{"texts": ["boots"], "run": "\\ud800"}',
        b'{"texts": ["boots"], "below": "\\u0007"}',
        b'{"texts": ["boots"], "below": "\\ud83d"}',
        b"[" * 100_000,
        json.dumps({"texts": ["x" * 2_001]}).encode(),
        json.dumps({"texts": ["boots"] * 257}).encode(),
        json.dumps({"texts": ["boots"], "k": MOST_DOCUMENTS + 1}).encode(),
        json.dumps({"texts": ["boots"] * 200, "k": 1_000}).encode(),
    ],
)
def test_bad_bodies_are_refused_with_a_reason(client, body):
    response = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/search",
        "/v1/search?q=",
        "/v1/search?q=%00",
        "/v1/search?q=boots&k=1e3",
        f"/v1/search?q=boots&k={'9' * 5_000}",
        "/v1/search?q=boots&threshold=nan",
        "/v1/search?q=boots&levels=1-2",
        "/v1/nodes/%01",
        "/v1/complete?q=b&limit=51",
    ],
)
def test_bad_parameters_are_refused_with_a_reason(client, path):
    assert error_of(client.get(path), 422)["message"]


def test_unknown_paths_and_methods_have_errors_of_the_same_form(client):
    error_of(client.get("/v1/nothing"), 404)
    error_of(client.get("/.env"), 404)
    error_of(client.get("/static/../app.py"), 404)
    error_of(client.delete("/v1/search"), 405)


def test_bodies_are_refused_before_they_are_read(runs):
    with TestClient(create_app(Server(dict(runs), Limits(body_bytes=1_000)))) as client:
        error_of(client.post("/v1/search", content=b"x" * 1_001), 413)

        def parts():
            for _ in range(4):
                yield b"x" * 400
            pytest.fail("the whole body was read")

        async def send():
            received = iter(parts())
            sent = []

            async def receive():
                return {"type": "http.request", "body": next(received), "more_body": True}

            async def reply(message):
                sent.append(message)

            gate = create_app(Server(dict(runs), Limits(body_bytes=1_000)))
            await gate({"type": "http", "method": "POST", "path": "/v1/search", "headers": []}, receive, reply)
            return sent[0]["status"]

        assert asyncio.run(send()) == 413


def test_a_token_is_needed_where_there_is_one(runs):
    with TestClient(create_app(Server(dict(runs)), token="correct horse")) as client:
        assert error_of(client.get("/v1/runs"), 401)["code"] == "unauthorized"
        for wrong in ("Bearer wrong", "correct horse", "Basic correct horse", "Bearer ", ""):
            error_of(client.get("/v1/runs", headers={"Authorization": wrong}), 401)
        error_of(client.get("/metrics"), 401)
        assert client.get("/v1/runs", headers={"Authorization": "Bearer correct horse"}).status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200


def test_the_page_has_strict_headers(client):
    response = client.get("/")
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


# -- load --------------------------------------------------------------------------------------------------------------


class SlowRun:
    """Answers when it is told to; counts its calls."""

    name, generation = "slow", 1

    def __init__(self):
        self.go, self.calls = threading.Event(), []

    def search(self, texts, question):
        self.calls.append(list(texts))
        assert self.go.wait(10)
        return [{"text": text, "documents": []} for text in texts]

    def names_and_edges(self, results):
        return {"names": {}, "edges": []}


def test_more_than_the_limit_is_shed_before_work_and_health_still_answers():
    slow = SlowRun()
    app = create_app(Server({"slow": slow}, Limits(in_flight=3)))

    async def load():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            work = [asyncio.create_task(client.get(f"/v1/search?q=text{i}")) for i in range(3)]
            while not slow.calls or app._working < 3:
                await asyncio.sleep(0.01)
            began = time.perf_counter()
            shed = await client.get("/v1/search?q=more")
            assert (await client.get("/healthz")).status_code == 200
            assert b"rootward_shed_total 1.0" in (await client.get("/metrics")).content
            assert time.perf_counter() - began < 2
            slow.go.set()
            return shed, [(await each).status_code for each in work]

    shed, answered = asyncio.run(load())
    assert error_of(shed, 503)["code"] == "overloaded"
    assert int(shed.headers["retry-after"]) >= 1
    assert answered == [200, 200, 200]
    assert slow.calls == [["text0"], ["text1", "text2"]]  # those that waited were searched together


def test_a_request_that_takes_too_long_gets_503_and_its_place_is_free_again():
    slow = SlowRun()
    app = create_app(Server({"slow": slow}, Limits(in_flight=1, seconds=0.2)))
    with TestClient(app) as client:
        late = client.get("/v1/search?q=text")
        assert error_of(late, 503)["code"] == "timeout"
        assert "retry-after" in late.headers
        slow.go.set()
        assert client.get("/v1/search?q=text").status_code == 200


def test_waiting_requests_with_other_questions_are_searched_apart(runs):
    async def both():
        threads = SearchThreads(1)
        texts = ["boots", "flip-flops", "sandals"] * 4
        questions = [Question(k=1 + i % 2) for i in range(12)]
        work = [threads.search(runs["shop"], [text], q) for text, q in zip(texts, questions, strict=True)]
        return texts, questions, [json.loads(each) for each in await asyncio.gather(*work)]

    for text, question, answer in zip(*asyncio.run(both()), strict=True):
        assert answer["results"] == runs["shop"].search([text], question)


def test_a_fault_in_one_request_does_not_reach_those_searched_with_it():
    class Broken(SlowRun):
        def search(self, texts, question):
            if "boots" in texts:
                raise RuntimeError("a fault")
            return [{"text": text, "documents": []} for text in texts]

    async def three():
        threads, broken = SearchThreads(1), Broken()
        work = [threads.search(broken, [text], Question()) for text in ("sandals", "boots", "shoes")]
        return await asyncio.gather(*work, return_exceptions=True)

    outcomes = asyncio.run(three())
    assert [type(each).__name__ for each in outcomes] == ["bytes", "RuntimeError", "bytes"]


def test_a_new_run_is_taken_over_between_two_requests(runs, lookup_run):
    server = Server({"shop": runs["shop"]})
    with TestClient(create_app(server)) as client:
        assert client.get("/v1/search?q=boots").json()["generation"] == 1
        server.take_over(ServedRun.load(lookup_run, "shop", 2))
        assert client.get("/v1/search?q=boots").json()["generation"] == 2
        assert 'rootward_generation{run="shop"} 2.0' in client.get("/metrics").text


def test_the_gate_lets_other_protocols_through():
    async def lifespan():
        passed = []

        async def app(scope, receive, send):
            passed.append(scope["type"])

        await Gate(app, Limits(), None, Metrics())({"type": "lifespan"}, None, None)
        return passed

    assert asyncio.run(lifespan()) == ["lifespan"]
