from __future__ import annotations

import tracemalloc

from airflow_provider_maestroqa.client.resources.digest_set import DigestSet


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
