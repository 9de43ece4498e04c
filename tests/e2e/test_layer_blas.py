"""The BLAS and LAPACK of MXNet's layer, against NumPy and against the wheel's OpenBLAS."""

import ctypes
import functools
import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sam_build
from elftools.elf.elffile import ELFFile
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
WHEELS = [Path(path) for path in sys.path if path.endswith("site-packages")]
MXNET = sam_build.LAYERS["MxnetLayer"] / "python" / "mxnet"
ROW_MAJOR, PLAIN, TRANSPOSED, LOWER, UNIT, LEFT, RIGHT = 101, 111, 112, 122, 132, 141, 142
UPPER, ANY = 121, 131

Array = NDArray[Any]
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Every operator that reaches the library, with what its result must be: the largest relative error.
OPERATORS = """
import json, sys
import numpy as np
from classifier.model.lean_mxnet import mx

nd, linalg = mx.nd, mx.nd.linalg
errors = {}
for dtype in ("float32", "float64"):
    for n in (1, 3, 16, 65):
        rng = np.random.default_rng(n)
        A, B = rng.normal(size=(2, 2, n, n))
        W = rng.normal(size=(2, n, n + 4))
        S = A @ A.transpose(0, 2, 1) + n * np.eye(n)
        T = np.tril(A) / n + 2 * np.eye(n)
        G = A / n + 2 * np.eye(n)
        a, b, w, s, t, g = (nd.array(x, dtype=dtype) for x in (A, B, W, S, T, G))
        one = np.eye(n)
        def check(name, result, expected):
            error = np.abs(result - expected).max() / max(1, np.abs(expected).max())
            errors[f"{dtype} {name}"] = max(float(error), errors.get(f"{dtype} {name}", 0))
        turn = lambda x: x.transpose(0, 2, 1)
        get = lambda x: x.asnumpy().astype(np.float64)
        for ta, tb in ((0, 0), (0, 1), (1, 0), (1, 1)):
            product = (turn(A) if ta else A) @ (turn(B) if tb else B)
            options = {"transpose_a": ta, "transpose_b": tb}
            check("gemm", get(linalg.gemm(a, b, s, alpha=0.7, beta=0.3, **options)), 0.7 * product + 0.3 * S)
            check("gemm2", get(linalg.gemm2(a, b, **options)), product)
            check("batch_dot", get(nd.batch_dot(a, b, **options)), product)
            check("dot", get(nd.dot(a[0], b[0], **options)), product[0])
        check("dot of vectors", get(nd.dot(a[0, 0], b[0, 0])), A[0, 0] @ B[0, 0])
        check("khatri_rao", get(nd.khatri_rao(a[0], b[0]))[:n], A[0, 0] * B[0])
        root = get(linalg.potrf(s))
        check("potrf", root @ turn(root), S)
        check("potri", get(linalg.potri(linalg.potrf(s))) @ S, one)
        for right, transpose, lower in ((0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0), (1, 0, 0)):
            triangle, value = (T, t) if lower else (turn(T), t.transpose((0, 2, 1)))
            factor = turn(triangle) if transpose else triangle
            options = {"rightside": right, "transpose": transpose, "lower": lower}
            times = lambda x: x @ factor if right else factor @ x
            check("trmm", get(linalg.trmm(value, b, **options)), times(B))
            check("trsm", times(get(linalg.trsm(value, b, **options))), B)
        check("syrk", get(linalg.syrk(w)), W @ turn(W))
        check("syrk", get(linalg.syrk(w, transpose=True)), turn(W) @ W)
        q, l = map(get, linalg.gelqf(w))
        check("gelqf", q @ turn(q) if q.shape[1] == n else turn(q) @ q, one)
        check("gelqf", l @ q if l.shape == A.shape else q @ l, W)
        vectors, values = map(get, linalg.syevd(s))
        check("syevd", turn(vectors) * values[:, None] @ vectors, S)
        check("syevd", values, np.linalg.eigvalsh(S))
        check("inverse", get(linalg.inverse(g)) @ G, one)
        check("det", get(linalg.det(g)) / np.linalg.det(G), 1)
        check("slogdet", get(linalg.slogdet(g)[1]), np.linalg.slogdet(G)[1])
        x = nd.array(rng.normal(size=(1, 4, 9, 9)), dtype=dtype)
        kernel = nd.array(rng.normal(size=(n, 4, 3, 3)), dtype=dtype)
        offset = nd.zeros((1, 18, 7, 7), dtype=dtype)
        options = {"kernel": (3, 3), "num_filter": n, "no_bias": True}
        windows = np.lib.stride_tricks.sliding_window_view(get(x)[0], (3, 3), (1, 2))
        expected = np.einsum("cyxij,kcij->kyx", windows, get(kernel))
        check("convolution", get(nd.Convolution(x, kernel, **options))[0], expected)
        check("deformable", get(nd.contrib.DeformableConvolution(x, offset, kernel, **options))[0], expected)
print(json.dumps(errors))
"""  # noqa: E501


@functools.cache
def library() -> ctypes.CDLL:
    return ctypes.CDLL(str(MXNET / "libopenblas.so.0"))


def call(name: str, dtype: type, *arguments: object) -> None:
    """A routine of CBLAS or LAPACK; ``{}`` is the type's letter, a float a scalar of the type."""
    scalar = ctypes.c_float if dtype is np.float32 else ctypes.c_double
    by_reference = name.endswith("_")

    def converted(value: object) -> object:
        if isinstance(value, np.ndarray):
            return value.ctypes.data_as(ctypes.c_void_p)
        if isinstance(value, float):
            return scalar(value)
        if isinstance(value, int):
            return ctypes.byref(ctypes.c_int(value)) if by_reference else value
        return value

    letter = "s" if dtype is np.float32 else "d"
    getattr(library(), name.format(letter))(*map(converted, arguments))


def random(*shape: int, dtype: type, seed: int = 0) -> Array:
    matrix: Array = np.asfortranarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))
    return matrix


def tolerance(dtype: type) -> float:
    return 2000 * float(np.finfo(dtype).eps)


def symbols(file: Path, *, undefined: bool) -> set[str]:
    with file.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".dynsym")
        return {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol.name and (symbol["st_shndx"] == "SHN_UNDEF") == undefined
        }


def test_library_has_what_mxnet_takes_and_no_more() -> None:
    wheel = next(path / "mxnet" for path in WHEELS if (path / "mxnet").is_dir())
    openblas = symbols(wheel / "libopenblas.so.0", undefined=False)
    taken = symbols(MXNET / "libmxnet.so", undefined=True) & openblas
    assert len(taken) == 40
    assert symbols(MXNET / "libopenblas.so.0", undefined=False) == taken
    assert not taken & symbols(wheel / "libgfortran.so.3", undefined=False)


def test_every_function_that_mxnet_takes_is_there() -> None:
    """The function binds each when it is first called, so its start-up would not notice."""
    load = "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], os.RTLD_NOW)"
    command = [sys.executable, "-c", load, str(MXNET / "libmxnet.so")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_operators_are_as_right_as_with_the_wheel() -> None:
    ours, theirs = (
        json.loads(sam_build.python(OPERATORS, paths=paths))
        for paths in (sam_build.PATHS, [ROOT / "src", *WHEELS])
    )
    assert ours.keys() == theirs.keys()
    assert len(ours) == 2 * 18
    for name, error in ours.items():
        assert error < (3e-5 if name.startswith("float32") else 1e-12), name
        assert error < 10 * theirs[name] + (2e-6 if name.startswith("float32") else 1e-13), name


@TYPES
def test_products_are_right_at_every_edge_of_a_tile_whatever_c_held(dtype: type) -> None:
    sizes = [*range(1, 20), 48, 65, 130]
    for m, n, k in itertools.product(sizes, sizes, (1, 3, 8, 17, 65, 300)):
        a, b = random(m, k, dtype=dtype), random(k, n, dtype=dtype)
        expected = a.astype(np.float64) @ b
        for left, right in itertools.product((PLAIN, TRANSPOSED), repeat=2):
            first = np.ascontiguousarray(a if left == PLAIN else a.T)
            second = np.ascontiguousarray(b if right == PLAIN else b.T)
            c = np.full((m, n), np.nan, dtype)
            call("cblas_{}gemm", dtype, ROW_MAJOR, left, right, m, n, k, 1.0, first, first.shape[1],
                 second, second.shape[1], 0.0, c, n)  # fmt: skip
            error = np.abs(c - expected).max()
            assert error < tolerance(dtype), (m, n, k, left, right)


@TYPES
@pytest.mark.parametrize("name", ["trmm", "trsm"])
def test_triangular_products_and_solutions_are_right_at_every_edge(name: str, dtype: type) -> None:
    sizes = [*range(1, 10), 17, 65]
    flags = [(LEFT, RIGHT), (UPPER, LOWER), (PLAIN, TRANSPOSED), (ANY, UNIT)]
    for m, n in itertools.product(sizes, sizes):
        for side, half, turned, diagonal in itertools.product(*flags):
            size = m if side == LEFT else n
            square = np.ascontiguousarray(random(size, size, dtype=dtype) / size)
            square += 2 * np.eye(size, dtype=dtype)
            triangle = (np.triu if half == UPPER else np.tril)(square.astype(np.float64))
            if diagonal == UNIT:
                np.fill_diagonal(triangle, 1)
            factor = triangle if turned == PLAIN else triangle.T
            before = np.ascontiguousarray(random(m, n, dtype=dtype, seed=1))
            after = before.copy()
            call("cblas_{}" + name, dtype, ROW_MAJOR, side, half, turned, diagonal, m, n, 1.0,
                 square, size, after, n)  # fmt: skip
            start, end = (before, after) if name == "trmm" else (after, before)
            product = factor @ start if side == LEFT else start @ factor
            case = (m, n, side, half, turned, diagonal)
            assert np.abs(product - end).max() < tolerance(dtype) * max(1, np.abs(start).max()), (
                case
            )


@TYPES
@pytest.mark.parametrize("trans", [b"N", b"T"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (90, 30), (30, 90)])
@pytest.mark.parametrize("scale", [1.0, "tiny"])
def test_least_squares_are_numpys(
    shape: tuple[int, int], trans: bytes, scale: float | str, dtype: type
) -> None:
    factor = 1.0 if scale == 1.0 else float(np.finfo(dtype).tiny) * 1e3
    m, n = shape
    a = random(m, n, dtype=dtype) * dtype(factor)
    rows, unknowns = (m, n) if trans == b"N" else (n, m)
    b = np.zeros((max(shape), 4), dtype, order="F")
    b[:rows] = random(rows, 4, dtype=dtype, seed=1) * dtype(factor)
    operator = (a if trans == b"N" else a.T).astype(np.float64) / factor
    expected = np.linalg.lstsq(operator, b[:rows] / factor, rcond=None)[0]
    work, info = np.zeros(64 * 100, dtype), np.full(1, 9, np.int32)
    call(
        "{}gels_", dtype, trans, m, n, 4, a.copy(order="F"), m, b, max(shape), work, len(work), info
    )
    assert info[0] == 0
    np.testing.assert_allclose(b[:unknowns], expected, atol=10 * tolerance(dtype))


@TYPES
@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (5, 3), (3, 5), (40, 40), (90, 20), (20, 90)])
@pytest.mark.parametrize(
    ("u_job", "vt_job"),
    [jobs for jobs in itertools.product("ASON", repeat=2) if jobs != ("O", "O")],
)
def test_singular_vectors_give_the_matrix_back(
    shape: tuple[int, int], u_job: str, vt_job: str, dtype: type
) -> None:
    (m, n), k = shape, min(shape)
    matrix = random(m, n, dtype=dtype)
    a, s = matrix.copy(order="F"), np.zeros(k, dtype)
    u, vt = np.zeros((m, m), dtype, order="F"), np.zeros((n, n), dtype, order="F")
    work, info = np.zeros(max(3 * k + max(shape), 5 * k), dtype), np.full(1, 9, np.int32)
    call("{}gesvd_", dtype, u_job.encode(), vt_job.encode(), m, n, a, m, s, u, m, vt, n, work,
         len(work), info)  # fmt: skip
    assert info[0] == 0
    expected = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(s, expected, atol=tolerance(dtype))
    left = {"A": u, "S": u[:, :k], "O": a[:, :k], "N": None}[u_job]
    right = {"A": vt, "S": vt[:k], "O": a[:k], "N": None}[vt_job]
    if left is not None:
        np.testing.assert_allclose(left.T @ left, np.eye(left.shape[1]), atol=tolerance(dtype))
    if right is not None:
        np.testing.assert_allclose(right @ right.T, np.eye(len(right)), atol=tolerance(dtype))
    if left is not None and right is not None:
        np.testing.assert_allclose(left[:, :k] * s @ right[:k], matrix, atol=tolerance(dtype))


@TYPES
@pytest.mark.parametrize("n", [1, 5, 63, 64, 65, 150])
@pytest.mark.parametrize("columns", [1, 10, 64])
def test_inverse_times_the_matrix_is_one(n: int, columns: int, dtype: type) -> None:
    matrix = random(n, n, dtype=dtype) + np.eye(n, dtype=dtype) * n
    a, pivots, info = matrix.copy(order="F"), np.zeros(n, np.int32), np.full(1, 9, np.int32)
    call("{}getrf_", dtype, n, n, a, n, pivots, info)
    work = np.zeros(n * columns, dtype)
    call("{}getri_", dtype, n, a, n, pivots, work, len(work), info)
    assert info[0] == 0
    np.testing.assert_allclose(a @ matrix, np.eye(n), atol=tolerance(dtype))


@TYPES
@pytest.mark.parametrize("half", [b"L", b"U"])
def test_positive_definite_system_is_solved(half: bytes, dtype: type) -> None:
    root = random(30, 30, dtype=dtype)
    matrix = np.asfortranarray(root @ root.T + 30 * np.eye(30, dtype=dtype))
    b, info = random(30, 3, dtype=dtype, seed=1), np.full(1, 9, np.int32)
    x = b.copy(order="F")
    call("{}posv_", dtype, half, 30, 3, matrix.copy(order="F"), 30, x, 30, info)
    assert info[0] == 0
    np.testing.assert_allclose(matrix @ x, b, atol=tolerance(dtype))


def test_singular_and_indefinite_matrices_are_reported() -> None:
    singular = np.asfortranarray(np.diag([1.0, 0.0, 2.0]))
    pivots, work, info = np.zeros(3, np.int32), np.zeros(9), np.zeros(1, np.int32)
    call("{}getrf_", np.float64, 3, 3, singular, 3, pivots, info)
    call("{}getri_", np.float64, 3, singular, 3, pivots, work, 9, info)
    assert info[0] == 2
    indefinite = np.asfortranarray(np.diag([1.0, -1.0, 2.0]))
    call("{}posv_", np.float64, b"L", 3, 1, indefinite, 3, np.ones(3), 3, info)
    assert info[0] == 2


def test_routines_run_side_by_side() -> None:
    """The translation of LAPACK had static variables, which threads would share."""

    def decompose(seed: int) -> Array:
        matrix = random(60, 40, dtype=np.float64, seed=seed)
        s, u, vt = np.zeros(40), np.zeros((60, 60), order="F"), np.zeros((40, 40), order="F")
        work, info = np.zeros(10_000), np.zeros(1, np.int32)
        whole = np.zeros(8 * 40, np.int32)
        call("{}gesdd_", np.float64, b"S", 60, 40, matrix.copy(order="F"), 60, s, u, 60, vt, 40,
             work, len(work), whole, info)  # fmt: skip
        result: Array = u[:, :40] * s @ vt - matrix
        return result

    errors: list[float] = []

    def work(seed: int) -> None:
        errors.extend(float(np.abs(decompose(seed)).max()) for _ in range(100))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 400
    assert max(errors) < 1e-12
