"""What every test gets: Hypothesis' profiles, a skip where a system tool is missing, and the option `--no-skips`."""

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

import toolbox


# No law is tried against a clock: a slow machine breaks none of them. CI runs with --hypothesis-profile=thorough.
settings.register_profile("quick", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=100)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that CI sets."""
    parser.addoption("--no-skips", action="store_true", help="make a skipped test a failure")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tools are not installed."""
    for mark in item.iter_markers("tool"):
        for name in mark.args:
            if toolbox.find(name) is None:
                pytest.skip(toolbox.missing(name))


def fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn the report of a skip into that of a failure which gives the skip's reason."""
    reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: --no-skips forbids skips: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test be skipped when skips are forbidden; an expected failure is not a skip."""
    report = yield
    if report.skipped and item.config.getoption("no_skips") and not hasattr(report, "wasxfail"):
        fail_instead(report)
        # A failure of the set-up counts as an error; the skipped test itself is what failed.
        report.when = "call"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let no module be skipped either."""
    report = yield
    if report.skipped and collector.config.getoption("no_skips"):
        fail_instead(report)
    return report
