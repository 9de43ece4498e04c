"""The ratios of a run, ours over the other's, and what we want of them."""

from collections.abc import Mapping

from tools.bench.contenders import Sample
from tools.bench.measure import COLD, TWO_THREADS, Results, engine_run
from tools.bench.worker import LITE, RESNET

# At most, but of LEAST at least; `make bench` says in the terminal which are met.
LIMITS = {
    "start_vs_2017": 0.28,
    "lite0_start_vs_2017": 0.23,
    "cold_start_vs_warm": 1.5,
    "lite0_cold_start_vs_warm": 1.5,
    "warm_float32_vs_2017": 0.18,
    "warm_int8_vs_2017": 0.07,
    "inference_float32_vs_onnxruntime": 1.05,
    "inference_int8_vs_onnxruntime": 0.35,
    "inference_int8_vs_onnxruntime_int8": 0.90,
    "inference_int8_vs_openvino_int8": 0.90,
    "lite0_float32_vs_onnxruntime": 1.0,
    "lite0_int8_vs_onnxruntime_int8": 0.85,
    "start_vs_today": 0.55,
    "warm_float32_vs_today": 0.93,
    "warm_int8_vs_today": 0.32,
    "lite0_warm_int8_vs_today": 0.20,
    "memory_vs_today": 0.8,
    "preprocess_12mp_vs_full": 0.30,
    "non_inference_ms": 2.0,
    "lite0_photograph_non_inference_ms": 3.2,
    "non_inference_share": 0.15,
    "memory_float32_mb": 340,
    "lite0_memory_float32_mb": 260,
    "batch_float32_vs_inference_two_vcpu": 0.9,
    "batch_int8_vs_inference_two_vcpu": 0.9,
}
LEAST = frozenset({"batch_float32_vs_inference_two_vcpu", "batch_int8_vs_inference_two_vcpu"})


def is_met(name: str, value: float) -> bool:
    """Whether ``value`` keeps to its limit."""
    limit = LIMITS[name]
    return value >= limit if name in LEAST else value <= limit


def ratios(results: Results) -> dict[str, float]:
    """The ratios of medians of one run; ms and MB where the name says so."""
    start, warm, photograph, warm_2 = (
        _medians(samples)
        for samples in (
            results.starts,
            results.requests["100 KB"],
            results.requests["234 KB"],
            results.requests[TWO_THREADS],
        )
    )
    resnet, lite = (_medians(results.engines[engine_run(name, 1, 1)]) for name in (RESNET, LITE))
    rest = _medians(results.not_inference_ms["100 KB"])
    values = {
        "start_vs_2017": start["ours float32"] / start["2017"],
        "lite0_start_vs_2017": start["ours Lite0 float32"] / start["2017"],
        "warm_float32_vs_2017": warm["ours float32"] / warm["2017"],
        "warm_int8_vs_2017": warm["ours int8"] / warm["2017"],
        "warm_float32_vs_2017_two_threads": warm_2["ours float32"] / warm_2["2017"],
        "warm_int8_vs_2017_two_threads": warm_2["ours int8"] / warm_2["2017"],
        "inference_float32_vs_onnxruntime": resnet["ours float32"] / resnet["onnxruntime float32"],
        "inference_int8_vs_onnxruntime": resnet["ours int8"] / resnet["onnxruntime float32"],
        "inference_int8_vs_onnxruntime_int8": resnet["ours int8"] / resnet["onnxruntime int8"],
        "inference_int8_vs_openvino_int8": resnet["ours int8"] / _openvino_int8(resnet),
        "lite0_float32_vs_onnxruntime": lite["ours float32"] / lite["onnxruntime float32"],
        "lite0_int8_vs_onnxruntime_int8": lite["ours int8"] / lite["onnxruntime int8"],
        "lite0_int8_vs_openvino_int8": lite["ours int8"] / _openvino_int8(lite),
        "start_vs_today": start["ours float32"] / start["today"],
        "warm_float32_vs_today": photograph["ours float32"] / photograph["today"],
        "warm_int8_vs_today": photograph["ours int8"] / photograph["today"],
        "lite0_warm_int8_vs_today": photograph["ours Lite0 int8"] / photograph["today"],
        "memory_vs_today": results.peak_mb["ours float32"] / results.peak_mb["today"],
        "preprocess_12mp_vs_full": (
            results.preparation["ours"].median / results.preparation["whole"].median
        ),
        "non_inference_ms": rest["ours int8"],
        "lite0_photograph_non_inference_ms": (
            results.not_inference_ms["234 KB"]["ours Lite0 int8"].median
        ),
        "non_inference_share": rest["ours float32"] / warm["ours float32"],
        "memory_float32_mb": results.peak_mb["ours float32"],
        "lite0_memory_float32_mb": results.peak_mb["ours Lite0 float32"],
    }
    for precision in ("float32", "int8"):
        name = f"ours {precision}"
        alone = results.engines[engine_run(RESNET, 8, 2)][name].median / 8 / 1000
        rate = results.batches["two vCPU"][name].median
        values[f"batch_{precision}_vs_inference_two_vcpu"] = rate * alone
    if results.cold_starts:
        cold = _medians(results.cold_starts)
        values["cold_start_vs_warm"] = cold[COLD[0]] / start[COLD[0]]
        values["lite0_cold_start_vs_warm"] = (
            cold["ours Lite0 float32"] / start["ours Lite0 float32"]
        )
    return {name: round(value, 3) for name, value in values.items()}


def _medians(samples: Mapping[str, Sample]) -> dict[str, float]:
    return {name: sample.median for name, sample in samples.items()}


def _openvino_int8(medians: Mapping[str, float]) -> float:
    """The better one of OpenVINO's two int8 networks."""
    return min(ms for name, ms in medians.items() if name.startswith("OpenVINO int8"))
