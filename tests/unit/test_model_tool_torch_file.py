"""Reading .pth files: both formats, written here from their description, and hostile ones."""

import io
import pickle
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tools.errors import ToolError
from tools.model.torch_file import read_pth

TYPES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}
MAGIC = 0x1950A86A20F9469CFC6C


class Global:
    """Pickled as a reference to ``module.name``, which need not exist."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Pickled as a call of a global, as tensors are."""

    def __init__(self, function: Global, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


class Storage:
    """Pickled as a persistent id."""

    def __init__(self, array: np.ndarray, key: str, *, count: int | None = None) -> None:
        self.array, self.key, self.count = array, key, array.size if count is None else count


class Pickler(pickle._Pickler):
    """Python's own in Python, which can be taught what ``torch.save`` writes."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)

    def __init__(self, file: io.BytesIO, *, view_metadata: bool = False) -> None:
        super().__init__(file, protocol=2)
        self._extra = (None,) if view_metadata else ()

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Storage):
            return None
        kind = Global("torch", TYPES[value.array.dtype.str[1:]])
        return ("storage", kind, value.key, "cpu", value.count, *self._extra)

    def save_global_reference(self, value: Global) -> None:
        self.write(b"c" + f"{value.module}\n{value.name}\n".encode())

    def save_call(self, value: Call) -> None:
        self.save(value.function)
        self.save(value.arguments)
        self.write(pickle.REDUCE)

    dispatch[Global] = save_global_reference
    dispatch[Call] = save_call


def tensor(array: np.ndarray, key: str) -> Call:
    strides = tuple(step // array.itemsize for step in array.strides)
    return view(Storage(array, key), 0, array.shape, strides)


def view(storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Call:
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, size, stride, False, OrderedDict())


def storages(tree: Any) -> list[Storage]:
    if isinstance(tree, Mapping):
        return [found for value in tree.values() for found in storages(value)]
    if isinstance(tree, Call):
        return [found for value in tree.arguments for found in storages(value)]
    return [tree] if isinstance(tree, Storage) else []


def pickled(tree: Any, **options: bool) -> bytes:
    file = io.BytesIO()
    Pickler(file, **options).dump(tree)
    return file.getvalue()


def zipped(tree: Any, **options: Any) -> bytes:
    data = tree if isinstance(tree, bytes) else pickled(tree)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
        for storage in storages(tree):
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())
    return file.getvalue()


def streamed(tree: Any) -> bytes:
    data = tree if isinstance(tree, bytes) else pickled(tree, view_metadata=True)
    system = {"protocol_version": 1001, "little_endian": True}
    parts = [pickled(MAGIC), pickled(1001), pickled(system), data]
    parts.append(pickled([storage.key for storage in storages(tree)]))
    for storage in storages(tree):
        parts += [struct.pack("<q", storage.array.size), storage.array.tobytes()]
    return b"".join(parts)


Writer = Callable[[Any], bytes]
both = pytest.mark.parametrize("write", [zipped, streamed])
WEIGHT = np.arange(6, dtype="<f4").reshape(2, 3) - 2.5


@both
def test_tensors_of_every_type_become_float32(write: Writer) -> None:
    arrays = {dtype: WEIGHT.astype(f"<{dtype}") for dtype in TYPES}
    tree = OrderedDict(
        (name, tensor(array, str(i))) for i, (name, array) in enumerate(arrays.items())
    )
    read = read_pth(write(tree))
    assert list(read) == list(TYPES)
    for name, array in read.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, arrays[name])


@both
def test_views_of_one_storage(write: Writer) -> None:
    storage = Storage(WEIGHT.ravel(), "0")
    read = read_pth(write({"transposed": view(storage, 0, (3, 2), (1, 3))}))
    np.testing.assert_array_equal(read["transposed"], WEIGHT.T)
    read = read_pth(write({"behind": view(storage, 4, (2,), (1,))}))
    np.testing.assert_array_equal(read["behind"], WEIGHT.ravel()[4:])
    read = read_pth(write({"scalar": view(storage, 5, (), ())}))
    assert read["scalar"] == WEIGHT[1, 2]


@both
def test_a_state_dict_among_other_things(write: Writer) -> None:
    parameter = Global("torch._utils", "_rebuild_parameter")
    tree = {
        "epoch": 3,
        "state_dict": {"w": Call(parameter, tensor(WEIGHT, "0"), True, OrderedDict())},
    }
    np.testing.assert_array_equal(read_pth(write(tree))["w"], WEIGHT)


@both
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "__import__"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("collections", "OrderedDict.fromkeys"),
        ("pickle", "loads"),
    ],
)
def test_a_pickle_that_asks_for_more_than_tensors_is_refused(
    write: Writer, module: str, name: str, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    data = write({"w": tensor(WEIGHT, "0"), "x": Call(Global(module, name), f"touch {mark}")})
    with pytest.raises(ToolError, match=f"it asks for {module}.{name}"):
        read_pth(data)
    assert not mark.exists()


def test_the_attack_is_a_real_one(tmp_path: Path) -> None:
    """The same pickle acts in a reader that does not watch out: the tests above show something."""
    mark = tmp_path / "mark"
    pickle.loads(pickled(Call(Global("os", "system"), f"touch {mark}")))
    assert mark.exists()


@both
def test_an_instance_of_a_class_is_refused(write: Writer) -> None:
    with pytest.raises(ToolError, match=r"more than tensors \(NEWOBJ\)"):
        read_pth(write(pickle.dumps(Namespace(w=1), protocol=2)))


def test_a_zip_bomb_is_refused() -> None:
    bomb = zipped({"w": tensor(np.zeros(10**7, "<f4"), "0")}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10**5
    with pytest.raises(ToolError, match="compressed"):
        read_pth(bomb)


def test_entries_that_share_their_bytes_are_refused() -> None:
    """A bomb without compression: the directory names the same bytes again and again."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled({"w": tensor(WEIGHT, "0")}))
        archive.writestr("archive/data/0", bytes(10_000))
        archive.filelist += [archive.getinfo("archive/data/0")] * 50
    with pytest.raises(ToolError, match="more than the file is long"):
        read_pth(file.getvalue())


@both
def test_a_memo_without_bound_is_refused(write: Writer) -> None:
    far = b"\x80\x02K\x01r\xff\xff\xff\x7f."  # 1, remembered as number 2,147,483,647
    with pytest.raises(ToolError, match=r"not one that torch\.save wrote"):
        read_pth(write(far))


@both
@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (10**9, 10**9), (0, 0)),
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (0, (2, 3), (4, 1)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 3), (1,)),
        (0, (2.0,), (1,)),
        (6, (), ()),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    write: Writer, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    data = write({"w": view(Storage(WEIGHT.ravel(), "0"), offset, size, stride)})
    with pytest.raises(ToolError, match=r"a tensor (has an odd shape|is larger than its storage)"):
        read_pth(data)


@both
@pytest.mark.parametrize("count", [5, 7, 10**15])
def test_a_storage_of_another_length_is_refused(write: Writer, count: int) -> None:
    data = write({"w": view(Storage(WEIGHT.ravel(), "0", count=count), 0, (2,), (1,))})
    with pytest.raises(ToolError, match="storage 0"):
        read_pth(data)


@both
def test_a_file_cut_anywhere_is_refused(write: Writer) -> None:
    whole = write({"w": tensor(WEIGHT, "0")})
    for length in range(len(whole)):
        with pytest.raises(ToolError):
            read_pth(whole[:length])


@both
@pytest.mark.parametrize(
    "tree", [3, {}, {"w": 3}, {"w": {"inner": 1}}, {1: tensor(WEIGHT, "0")}, []]
)
def test_what_is_no_state_dict_is_refused(write: Writer, tree: Any) -> None:
    with pytest.raises(ToolError, match="state_dict"):
        read_pth(write(tree))


def test_big_endian_numbers_are_refused() -> None:
    data = streamed({"w": tensor(WEIGHT, "0")})
    with pytest.raises(ToolError, match="big-endian"):
        read_pth(data.replace(b"\x88", b"\x89", 1))  # True, that it is little-endian
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", pickled({"w": tensor(WEIGHT, "0")}))
        archive.writestr("a/byteorder", "big")
    with pytest.raises(ToolError, match="big-endian"):
        read_pth(file.getvalue())


def test_a_zip_of_something_else_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ToolError, match=r"no data\.pkl"):
        read_pth(file.getvalue())


def test_random_damage_never_raises_anything_else() -> None:
    random = np.random.default_rng(0)
    for write in (zipped, streamed):
        whole = write({"w": tensor(WEIGHT, "0"), "b": tensor(WEIGHT[0], "1")})
        for _ in range(500):
            data = bytearray(whole)
            for _ in range(random.integers(1, 4)):
                data[random.integers(len(data))] = random.integers(256)
            try:
                read = read_pth(bytes(data))
            except ToolError:
                continue
            assert all(array.dtype == np.float32 for array in read.values())


@both
@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", "ema"])
def test_a_state_dict_in_a_larger_checkpoint_is_read(write: Writer, wrapper: str) -> None:
    data = write({"epoch": 3, wrapper: {"w": tensor(WEIGHT, "0")}})
    np.testing.assert_array_equal(read_pth(data)["w"], WEIGHT)


@both
def test_state_dict_under_an_unusual_name_is_named(write: Writer) -> None:
    data = write({"epoch": 3, "student": {"w": tensor(WEIGHT, "0")}})
    with pytest.raises(ToolError, match=r"its state_dict is under 'student'; .*\['student'\]"):
        read_pth(data)
