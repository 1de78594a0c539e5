"""`rootward search`: what a person asks, and what they see."""

import json

import pytest

from rootward.encoders import DualEncoder


def test_the_nearest_answer_comes_first_and_right_ones_are_marked(rootward, plain_run):
    result = rootward("search", plain_run, "flip-flops", "-k", "6")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines[2:6]] == ["flip-flops", "sandals", "shoes", "footwear"]
    assert [line.split()[2] for line in lines[2:6]] == ["0", "1", "2", "3"]
    assert all(line.endswith("✓") for line in lines[2:6])
    assert set(lines[6]) == {"-"}
    assert not any("✓" in line for line in lines[7:])
    assert lines[-1] == "4 of 4 right answers"


def test_missing_answers_are_counted(rootward, plain_run):
    assert "2 of 4 right answers, 2 missing" in rootward("search", plain_run, "flip-flops", "-k", "2").stdout


def test_only_the_answer_set_is_shown_with_a_threshold(rootward, plain_run):
    def found(*flags):
        line = json.loads(rootward("search", plain_run, "flip-flops", "--json", *flags).stdout)
        return [document["id"] for document in line["documents"]]

    assert found("--threshold", "auto") == ["flip-flops", "sandals", "shoes", "footwear"]
    assert found("--threshold", "auto", "-k", "2") == ["flip-flops", "sandals"]
    assert found("--threshold", "99") == []
    assert len(found("--threshold", "-99")) == 12
    assert sorted(found("--threshold", "auto", "--by-score")) == sorted(found("--threshold", "auto"))


def test_names_and_synonyms_find_the_query(rootward, run):
    result = rootward("search", run, "trainers", "-k", "3")
    assert result.stdout.splitlines()[0] == "sneakers: Sneakers, trainers, sporty"
    assert "Sneakers" in result.stdout.splitlines()[2]


def test_several_meanings_show_the_first_and_tell_the_others(rootward, run):
    result = rootward("search", run, "sporty", "-k", "2")
    assert result.stdout.startswith("running shoes")
    assert "'sporty' also means sneakers; search for the id" in result.stdout
    assert json.loads(rootward("search", run, "sporty", "--json").stdout)["others"] == ["sneakers"]


def test_queries_come_from_standard_input_and_go_out_as_json_lines(rootward, run):
    result = rootward("search", run, "-", "--json", "-k", "3", stdin="boots\n\ntrainers\n")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["text"], line["query"]) for line in lines] == [("boots", "boots"), ("trainers", "sneakers")]
    assert lines[0]["exact"] is True
    assert lines[0]["documents"][0] == {
        "rank": 1,
        "id": "boots",
        "name": "Boots",
        "score": lines[0]["documents"][0]["score"],
        "accepted": True,
        "relevant": True,
        "hops": 0,
    }


def test_quiet_shows_the_answers_alone(rootward, run):
    loud, quiet = (rootward("search", run, "sporty", "-k", "2", *flags).stdout for flags in ([], ["--quiet"]))
    assert loud.startswith(quiet)
    assert "also means" in loud
    assert "right answers" in loud
    assert quiet.splitlines()[-1].split()[1] == "sneakers"


def test_several_texts_are_answered_one_after_the_other(rootward, plain_run):
    text = rootward("search", plain_run, "boots", "sandals", "-k", "1").stdout
    assert [block.splitlines()[0] for block in text.split("\n\n")] == ["boots", "sandals"]


def test_a_model_without_pairs_is_searched_without_marks(rootward, plain_run):
    DualEncoder.load(plain_run).save("bare")
    result = rootward("search", "bare", "boots", "-k", "1")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["rank", "id", "score"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sandal"], "Did you mean 'sandals'"),
        (["sandals", "-k", "0"], "Invalid value for '--k'"),
        (["sandals", "--threshold", "high"], "auto or a score"),
        (["-"], "no query on standard input"),
        ([], "Missing argument"),
        (["SANDALS"], "Did you mean 'sandals'"),
    ],
)
def test_what_the_user_got_wrong_ends_with_2(rootward, plain_run, arguments, message):
    result = rootward("search", plain_run, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_of_several_queries_an_unknown_one_has_a_line_of_its_own_and_the_others_are_answered(rootward, run):
    result = rootward("search", run, "-", "--json", "-k", "1", stdin="boots\n\nsandalz\ntrainers\n")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["text"] for line in lines] == ["boots", "sandalz", "trainers"]
    assert ["error" in line for line in lines] == [False, True, False]
    assert lines[1]["error"].startswith("Line 3: Nothing is called 'sandalz'")
    assert lines[2]["documents"][0]["id"] == "sneakers"
    assert (result.exit_code, result.stderr) == (0, "1 of 3 queries have no answer.\n")


def test_a_person_reads_the_message_in_the_place_of_the_answer(rootward, plain_run):
    result = rootward("search", plain_run, "boots", "sandal", "shoes", "-k", "1")
    heads = [block.splitlines()[0] for block in result.stdout.split("\n\n")]
    assert heads == ["boots", "Query 2: No query 'sandal' among 12. Did you mean 'sandals'?", "shoes"]
    assert result.exit_code == 0


def test_a_batch_of_unknown_queries_ends_with_2_and_still_tells_each(rootward, plain_run):
    for stdin in ("nope\nneither\n", "nope\n"):
        result = rootward("search", plain_run, "-", "--json", stdin=stdin)
        assert result.exit_code == 2
        assert [json.loads(line)["query"] for line in result.stdout.splitlines()] == stdin.split()


def test_a_line_that_is_no_text_spoils_no_other_and_a_mark_of_byte_order_is_no_letter(rootward, plain_run):
    result = rootward("search", plain_run, "-", "--json", "-k", "1", stdin=b"\xef\xbb\xbfboots\nsh\xf6es\nsandals\r\n")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["query"] for line in lines] == ["boots", "sh\ufffdes", "sandals"]
    assert lines[1]["error"] == "Line 2: byte 3, 0xf6, is no utf-8; needed one query a line, as text."


def test_a_long_query_is_cut_where_a_message_echoes_it(rootward, plain_run):
    result = rootward("search", plain_run, "x" * 5_000)
    assert result.exit_code == 2
    assert f"'{'x' * 80}'..." in result.stderr
    assert len(result.stderr) < 200
