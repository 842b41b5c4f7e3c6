"""The store against a dict, in short; in full: `make torture`."""

from hypothesis.stateful import run_state_machine_as_test

import storemodel
from cluster import Cluster
from storemodel import Store


def test_a_store_is_a_dict_in_either_kind_of_database(cluster: Cluster) -> None:
    Store.cluster = cluster
    before = Store.counted
    run_state_machine_as_test(Store, settings=storemodel.bounds(4, 25))
    assert Store.counted - before > 30
