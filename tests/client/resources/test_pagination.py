"""Lists read to their end, from servers that do with their pages what they like."""

from __future__ import annotations

import itertools
import random
import tracemalloc

import pytest

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.pagination import PAUSES_S, DigestSet, Paginator, RecordIterator

MAX_REQUESTS = 400


def rows(count, start=0):
    return [{"id": f"id-{number}", "n": number} for number in range(start, start + count)]


class Server:
    """Pages of a list, as documented; each test changes what it is about."""

    def __init__(self, records, cap=1000):
        self.records = list(records)
        self.cap = cap
        self.asked = []
        self.change = lambda page, number: page

    def __call__(self, request):
        start, count = int(request.query["startIndex"]), int(request.query["count"])
        self.asked.append(start)
        assert len(self.asked) < MAX_REQUESTS, "an endless loop"
        page = self.records[start : start + min(count, self.cap)]
        response = {
            "startIndex": start,
            "totalResults": len(self.records),
            "itemsPerPage": len(page),
            "Resources": page,
        }
        return self.change(response, len(self.asked))


def read(server, page_size=100, warned=None, slept=None, **filters):
    paginator = Paginator("list_todos", filters, page_size=page_size)
    warned = [] if warned is None else warned
    slept = [] if slept is None else slept
    records = RecordIterator(server, paginator, warn=warned.append, clock=Clock(sleep=slept.append))
    return [record["n"] for record in records]


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (254, 3)])
def test_a_list_is_read_page_by_page_and_no_page_too_many(count, requests):
    server, warned = Server(rows(count)), []
    assert read(server, warned=warned) == list(range(count))
    assert len(server.asked) == requests
    assert warned == []


def test_a_page_is_asked_for_when_its_first_record_is_needed():
    server = Server(rows(250))
    listing = RecordIterator(server, Paginator("list_todos", page_size=100), warn=pytest.fail)
    assert (server.asked, listing.total) == ([], None)
    next(listing)
    assert (server.asked, listing.total) == ([0], 250)
    list(itertools.islice(listing, 100))
    assert server.asked == [0, 100]


@pytest.mark.parametrize("cap", [1, 7, 99])
def test_a_server_that_gives_fewer_than_asked_for_is_followed(cap):
    server = Server(rows(150), cap=cap)
    assert read(server) == list(range(150))
    assert server.asked == list(range(0, 150, cap))


def test_a_server_that_gives_more_than_asked_for_loses_nothing():
    server = Server(rows(50))
    server.change = lambda page, number: {**page, "Resources": server.records[page["startIndex"] :]}
    assert read(server, page_size=10) == list(range(50))
    assert server.asked == [0]


def test_filters_and_size_stand_in_each_request():
    seen = []
    server = Server(rows(3))
    read(lambda call: (seen.append(dict(call.query)), server(call))[1], page_size=2, agentId="a1")
    assert seen == [
        {"agentId": "a1", "count": "2", "startIndex": "0"},
        {"agentId": "a1", "count": "2", "startIndex": "2"},
    ]


def test_a_list_may_count_its_records_from_one():
    server, starts = Server(rows(250)), []

    def send(request):
        starts.append(int(request.query["startIndex"]))
        return {"totalResults": 250, "Resources": server.records[starts[-1] - 1 :][:100]}

    paginator = Paginator("list_todos", page_size=100, first_index=1)
    assert len(list(RecordIterator(send, paginator, warn=pytest.fail))) == 250
    assert starts == [1, 101, 201]


@pytest.mark.parametrize("seed", range(20))
def test_pages_that_begin_too_early_lose_nothing(seed):
    chance = random.Random(seed)
    server = Server(rows(400))
    early = iter([0, *(chance.choice([0, 1, 60]) for _ in range(3)), *itertools.repeat(0, 50)])

    def change(page, number):
        start = max(page["startIndex"] - next(early), 0)
        return {**page, "Resources": server.records[start : start + 100]}

    server.change = change
    assert read(server) == list(range(400))


@pytest.mark.parametrize("later", [(260, 260), (251, 400), (250, 252)])
def test_a_total_that_grows_is_followed(later):
    server = Server(rows(250))

    def change(page, number):
        if number in (1, 2):
            server.records += rows(later[number - 1] - len(server.records), start=len(server.records))
        return page

    server.change = change
    assert read(server) == list(range(later[1]))


def test_a_total_that_is_too_high_ends_with_a_warning():
    server, warned = Server(rows(150)), []
    server.change = lambda page, number: {**page, "totalResults": 170}
    assert read(server, warned=warned) == list(range(150))
    assert len(warned) == 1
    assert "20 of the 170 announced records never came" in warned[0]


@pytest.mark.parametrize("total", [None, "many", -1, True, 1.5])
def test_without_a_total_the_list_ends_at_an_empty_page(total):
    server = Server(rows(200))
    server.change = lambda page, number: {**page, "totalResults": total}
    assert read(server) == list(range(200))
    assert server.asked == [0, 100, 200]


def test_a_total_may_be_text():
    server = Server(rows(200))
    server.change = lambda page, number: {**page, "totalResults": "200"}
    assert read(server) == list(range(200))
    assert server.asked == [0, 100]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("times", [1, 2])
def test_an_empty_page_in_the_middle_is_asked_for_again(number, times):
    server, warned, slept = Server(rows(250)), [], []
    server.change = lambda page, at: {**page, "Resources": []} if number <= at < number + times else page
    assert read(server, warned=warned, slept=slept) == list(range(250))
    assert warned == []
    assert slept == list(PAUSES_S[:times])


def test_a_page_that_stays_empty_is_passed_over_and_counted():
    server, warned = Server(rows(350)), []
    server.change = lambda page, number: {**page, "Resources": []} if page["startIndex"] == 100 else page
    assert read(server, warned=warned) == [*range(100), *range(200, 350)]
    assert server.asked == [0, 100, 100, 100, 200, 300]
    assert len(warned) == 1
    assert "1 page stayed empty or repeated" in warned[0]
    assert "100 of the 350 announced records never came" in warned[0]


def test_a_list_whose_pages_all_stay_empty_ends_soon():
    server, warned = Server(rows(100_000)), []
    server.change = lambda page, number: {**page, "Resources": []} if page["startIndex"] >= 100 else page
    assert read(server, warned=warned) == list(range(100))
    assert len(server.asked) < 15
    assert "99,900 of the 100,000 announced records never came" in warned[0]


def test_a_repeated_page_is_asked_for_again_and_its_records_come_once():
    server, warned = Server(rows(250)), []
    server.change = lambda page, number: {**page, "Resources": server.records[:100]} if number == 2 else page
    assert read(server, warned=warned) == list(range(250))
    assert server.asked == [0, 100, 100, 200]
    assert len(warned) == 1
    assert "100 records came more than once" in warned[0]


@pytest.mark.parametrize("total", [250, None, 10**9])
def test_a_server_that_knows_one_page_only_is_left_soon(total):
    server, warned = Server(rows(250)), []
    server.change = lambda page, number: {**page, "Resources": server.records[:100], "totalResults": total}
    assert read(server, warned=warned) == list(range(100))
    assert len(server.asked) < 15
    assert len(warned) == 1


def test_records_that_move_back_because_others_come_in_front_are_read_once():
    server, warned = Server(rows(250)), []

    def change(page, number):
        if number < 3:
            server.records = [*rows(5, start=1000 * number), *server.records]
        return page

    server.change = change
    found = read(server, warned=warned)
    assert sorted(found) == list(range(250))
    assert "records came more than once" in warned[0]


def test_a_list_that_shrinks_in_front_loses_none_of_the_others():
    server, warned = Server(rows(500)), []

    def change(page, number):
        if number == 2:
            server.records = server.records[30:]
        return page

    server.change = change
    assert sorted(read(server, warned=warned)) == list(range(500))
    assert "never came" not in "".join(warned)


@pytest.mark.parametrize("left", [0, 1, 150])
def test_a_list_that_shrinks_below_where_we_are_ends(left):
    server = Server(rows(500))

    def change(page, number):
        if number == 3:
            del server.records[left:]
        return page

    server.change = change
    assert read(server) == list(range(300))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_removed_while_reading_all_that_stays_is_read_once(seed):
    chance = random.Random(seed)
    server = Server(rows(400), cap=chance.choice([13, 50, 100]))

    def change(page, number):
        for _ in range(chance.choice([0, 0, 1, 5, 40])):
            if server.records:
                server.records.pop(chance.randrange(len(server.records)))
        return page

    server.change = change
    found = read(server)
    assert len(found) == len(set(found))
    assert {one["n"] for one in server.records} <= set(found)


@pytest.mark.parametrize("seed", range(60))
def test_no_server_makes_the_reading_endless_or_a_record_come_twice(seed):
    chance = random.Random(seed)
    server, warned = Server(rows(300)), []

    def change(page, number):
        if chance.random() < 0.3:
            start = chance.randrange(400)
            page = {**page, "Resources": server.records[start : start + chance.choice([0, 1, 50, 100])]}
        if chance.random() < 0.3:
            page = {**page, "totalResults": chance.choice([0, 10, 299, 300, 1000, None])}
        return page

    server.change = change
    found = read(server, page_size=50, warned=warned)
    assert len(found) == len(set(found))
    assert len(warned) <= 1


class TestIds:
    """What a record is told apart by."""

    def read(self, records, warned):
        paginator = Paginator("list_todos", page_size=100)
        return list(RecordIterator(Server(records), paginator, warn=warned.append, clock=Clock(sleep=pytest.fail)))

    @pytest.mark.parametrize("name", ["id", "_id"])
    def test_it_may_be_called_either_way_and_be_a_number(self, name):
        records, warned = [{name: 1, "a": 1}, {name: "1", "a": 2}, {name: 2}], []
        assert self.read(records, warned) == [{name: 1, "a": 1}, {name: 2}]
        assert "1 record came more than once" in warned[0]

    @pytest.mark.parametrize("nameless", [{}, {"id": None}, {"id": ""}, {"id": ["x"]}])
    def test_without_one_the_content_counts_and_is_said(self, nameless):
        records, warned = [{**nameless, "a": 1}, {**nameless, "a": 2}, {**nameless, "a": 1}], []
        assert [one["a"] for one in self.read(records, warned)] == [1, 2]
        assert "3 records had no id" in warned[0]


@pytest.mark.parametrize(
    "answer", [None, [], "x", {}, {"Resources": None}, {"Resources": {"a": 1}}, {"Resources": [1, 2]}]
)
class TestNoPage:
    """An answer that is JSON and no page of a list."""

    def test_it_is_asked_for_again(self, answer):
        server, slept = Server(rows(250)), []
        server.change = lambda page, number: answer if number in (2, 3) else page
        assert read(server, slept=slept) == list(range(250))
        assert slept == list(PAUSES_S)

    def test_again_and_again_it_is_an_error_that_a_retry_may_mend(self, answer):
        server = Server(rows(250))
        server.change = lambda page, number: answer if number > 1 else page
        with pytest.raises(MaestroQADataError, match="no list of Resources, 3 times") as caught:
            read(server)
        assert caught.value.retryable
        assert server.asked == [0, 100, 100, 100]


def test_an_id_is_new_once():
    seen = DigestSet()
    ids = [f"{number:017x}" for number in range(20_000)]
    assert all(seen.add(one) for one in ids)
    assert not any(seen.add(one) for one in ids)
    assert all(one in seen for one in ids)
    assert "another" not in seen


def test_a_hundred_thousand_ids_take_little_more_than_a_megabyte():
    tracemalloc.start()
    seen = DigestSet()
    for number in range(100_000):
        seen.add(f"{number * 7919:017x}")
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 1_500_000


def test_the_last_ids_are_known_however_many_have_come():
    seen = DigestSet(generation=1000)
    ids = [str(number) for number in range(10_000)]
    for one in ids:
        seen.add(one)
    assert not any(seen.add(one) for one in ids[-1000:])
    assert ids[0] not in seen


def test_a_mark_found_across_two_others_is_no_find():
    seen = DigestSet()
    # Every place in the memory holds many marks, so that the borders between them are searched too.
    assert all(seen.add(f"a{number}") for number in range(10_000))
    assert not any(f"b{number}" in seen for number in range(10_000))


def test_half_a_pair_of_surrogates_is_an_id_like_any_other():
    seen = DigestSet()
    assert [seen.add("\ud800"), seen.add("\ud800"), seen.add("\ud801")] == [True, False, True]
