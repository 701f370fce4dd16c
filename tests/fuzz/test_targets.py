"""Every fuzz target gets a few hundred hostile inputs, always the same ones, and raises nothing."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fuzz.flow_strategies import damaged_flows
from fuzz.json_strategies import ANYTHING, BODIES, FLOWS, HARS, REQUESTS, SCHEMAS, SETTINGS, mutated
from fuzz.seeds import EXCHANGES, seeds
from fuzz.targets import TARGETS

FIXED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)

pytestmark = pytest.mark.slow
# What is made for each target besides mutants of real input.
MADE = {
    "flow": FLOWS,
    "engine": REQUESTS,
    "body": BODIES,
    "schema": SCHEMAS,
    "config": SETTINGS,
    "har": HARS,
    "flow_file": damaged_flows(EXCHANGES),
    "expectation": SCHEMAS.map(lambda data: data.partition(b"\n\n")[0]),
}


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_a_way_in(name: str) -> None:
    @FIXED
    @given(mutated(list(seeds(name))) | MADE.get(name, ANYTHING))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()
