"""A million images in dollars, from prices that are easy to reckon with."""

import pytest

from tools.bench import cost

PRICES = cost.Prices(
    date="2026-01",
    region="nowhere",
    lambda_gb_second=0.001,
    lambda_million_requests=1,
    rest_api_million_requests=10,
    http_api_million_requests=5,
    s3_million_gets=2,
    s3_million_puts=20,
    sqs_million_requests=10,
    eventbridge_million_events=3,
    logs_gb=4,
)


def test_a_million_is_time_memory_and_what_each_request_costs() -> None:
    # 10 ms a million times, of half a gigabyte: 5,000 GB s. 1,500 bytes of log: 1.5 GB.
    assert cost.million(PRICES, ms=10, memory_mb=512) == pytest.approx(
        {"function URL": 12, "HTTP API": 17, "REST API": 22, "batches": 7, "uploads": 42}
    )


@pytest.mark.parametrize(("memory_mb", "ms"), [(884.5, 40), (1769, 20), (3008, 20), (3538, 12)])
def test_time_follows_the_vcpus(memory_mb: int, ms: float) -> None:
    measured = cost.Measured({1: 20, 2: 12}, peak_mb=200)
    assert cost.duration_ms(measured, memory_mb) == pytest.approx(ms)


def test_measured_time_with_part_of_a_vcpu_is_taken() -> None:
    measured = cost.Measured({1: 20, 2: 12}, peak_mb=200, ms_by_mb={512: 75})
    assert cost.duration_ms(measured, 512) == 75
    assert cost.duration_ms(measured, 1024) == pytest.approx(20 * 1769 / 1024)


def test_each_network_has_a_row_for_each_size_that_holds_it() -> None:
    measured = {
        "float32": cost.Measured({1: 20, 2: 12}, peak_mb=400),
        "int8": cost.Measured({1: 8, 2: 5}, peak_mb=200),
    }
    rows = cost.table(PRICES, measured).splitlines()[2:]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| float32", "1,024", "35"],
        ["| float32", "1,769", "20"],
        ["| float32", "3,538", "12"],
        ["| int8", "512", "28"],
        ["| int8", "1,024", "14"],
        ["| int8", "1,769", "8"],
        ["| int8", "3,538", "5"],
    ]
