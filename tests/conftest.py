"""What every test gets: a skip where a system tool is missing, and the switch that turns skips into failures."""

import os
from collections.abc import Generator

import pytest

import toolbox


# Taken out of the environment, because the service refuses to start with a TRIVIUM_ variable that it does not know.
NO_SKIPS = os.environ.pop("TRIVIUM_NO_SKIPS", "") == "1"


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
    report.longrepr = f"{report.nodeid}: TRIVIUM_NO_SKIPS=1 forbids skips: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test be skipped when skips are forbidden; an expected failure is not a skip."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        fail_instead(report)
        # A failure of the set-up counts as an error; the skipped test itself is what failed.
        report.when = "call"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let no module be skipped either."""
    report = yield
    if NO_SKIPS and report.skipped:
        fail_instead(report)
    return report
