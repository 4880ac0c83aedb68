"""Metrics as Prometheus reads them: `exposition.py METRICS DASHBOARD`, both of them files.

All that the dashboard asks for has to be there.
"""

import json
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

from facts import check_facts, fact, same

with open(sys.argv[1]) as file:
    FAMILIES = {family.name: family for family in text_string_to_metric_families(file.read())}
SAMPLES = [sample for family in FAMILIES.values() for sample in family.samples]

LABELS = {
    "teal_requests": {"method", "strategy", "outcome", "grpc_status"},
    "teal_request_duration_seconds": {"method", "strategy"},
    "teal_rejected": set(),
    "teal_notices": set(),
    "teal_notices_untouched": set(),
    "teal_queries_in_flight": {"strategy"},
    "teal_phase": {"phase"},
    "teal_active_strategy": {"strategy"},
    "teal_switches": {"result"},
    "teal_switch_duration_seconds": set(),
    "teal_drain_abandoned": set(),
    "teal_upstream_connections": {"upstream"},
    "teal_upstream_errors": {"upstream", "kind"},
}


# These come with --etcd alone; a test of the crate looks for them.
WITH_ETCD = re.compile(r"teal_(instance|etcd|lookups|waiting)")


def total(name, **labels):
    return float(sum(sample.value for sample in SAMPLES
                     if sample.name == name and labels.items() <= sample.labels.items()))


@fact
def every_metric_has_its_labels_and_a_description():
    for name, labels in LABELS.items():
        family = FAMILIES[name]
        assert family.documentation, name
        assert family.samples, name
        for sample in family.samples:
            same(set(sample.labels) - {"le"}, labels, f"{sample}")


@fact
def a_histogram_counts_what_the_counter_counts():
    counted = total("teal_requests_total")
    assert counted > 0
    same(total("teal_request_duration_seconds_count"), counted)
    same(total("teal_request_duration_seconds_bucket", le="+Inf"), counted)
    assert total("teal_request_duration_seconds_sum") > 0


@fact
def refused_calls_are_counted_twice_over_and_the_same():
    assert total("teal_rejected_total") > 0
    same(total("teal_requests_total", outcome="rejected"), total("teal_rejected_total"))
    same(total("teal_requests_total", outcome="rejected", grpc_status="UNKNOWN"), total("teal_rejected_total"))


@fact
def one_phase_and_one_strategy_are_the_present_ones():
    same((total("teal_phase"), total("teal_active_strategy")), (1.0, 1.0))
    same((total("teal_phase", phase="STABLE"), total("teal_active_strategy", strategy="green")), (1.0, 1.0))


@fact
def the_switch_that_timed_out_is_counted():
    same((total("teal_switches_total"), total("teal_switches_total", result="timed_out")), (1.0, 1.0))
    same(total("teal_switch_duration_seconds_count"), 1.0)
    same(total("teal_drain_abandoned_total"), 1.0)


@fact
def methods_that_nobody_knows_share_one_name():
    methods = {sample.labels["method"] for sample in FAMILIES["teal_requests"].samples}
    assert "other" in methods, methods
    assert not [method for method in methods if "nothing" in method.lower()], methods


@fact
def the_dashboard_asks_for_what_is_there():
    with open(sys.argv[2]) as file:
        panels = json.load(file)["panels"]
    names = {name for panel in panels for target in panel["targets"]
             for name in re.findall(r"\b(?:teal|process)_\w+", target["expr"])}
    assert len(names) > 12, names
    names = {name for name in names if not WITH_ETCD.match(name)}
    same(sorted(names - {sample.name for sample in SAMPLES}), [])


if __name__ == "__main__":
    check_facts()
