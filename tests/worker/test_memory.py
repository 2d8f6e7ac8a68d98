"""What fits: contexts, layouts and layers by numbers, and the memory that a machine's files say is free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.system import free_memory
from modelhub.kernels.worker.memory import GOOD_CONTEXT, DoesNotFit, Fit, Net, fit, layers_that_fit, needs, token_bytes

GB = 1 << 30
# An 8B model: 32 layers, 8 heads of keys and values, 128 wide; 128 kB a token with f16.
EIGHT = Net(32, 4096, 32, 8, 128, 128, 128_256, 5 * GB, 131_072)
TINY = Net(2, 64, 4, 2, 16, 16, 512, 1 << 20, 512)


def fitted(net: Net = EIGHT, host: int | None = 64 * GB, gpus: list[int] | None = None, **params: Any) -> Fit:
    return fit(net, load_params(**params).to_dict(), host, gpus or [], quantised=True)


def refusal(**given: Any) -> str:
    with pytest.raises(DoesNotFit) as caught:
        fitted(**given)
    return str(caught.value)


def test_what_a_token_takes() -> None:
    """Keys and values of every layer, by their types; what llama.cpp said it allocates for 1.1B: 22,528 bytes."""
    assert token_bytes(Net(22, 2048, 32, 4, 64, 64, 32000, 1, 8192), "f16", "f16") == 176 * 2**20 // 8192
    assert token_bytes(EIGHT, "f16", "f16") == 131_072
    assert token_bytes(EIGHT, "q8_0", "q8_0") == 131_072 * 34 // 64
    assert token_bytes(EIGHT, "q4_0", "f16") == 65_536 * 18 // 64 + 65_536
    assert token_bytes(Net(2, 64, 4, 0, 16, 16, 512, 1, 512), "f16", "f16") == 1  # a recurrent model has none


@pytest.mark.parametrize(
    ("free", "layer", "kv", "layers", "fitting"),
    [(10 * GB, GB, 0, 33, 10), (10 * GB, GB, GB, 33, 5), (100 * GB, GB, GB, 33, 33), (GB - 1, GB, 0, 33, 0),
     (0, 1, 1, 9, 0), (-GB, GB, 0, 33, 0), (5, 0, 0, 3, 3)],
)  # fmt: skip
def test_layers_that_fit(free: int, layer: int, kv: int, layers: int, fitting: int) -> None:
    """As many whole layers as go in with their part of the context, never more than there are."""
    assert layers_that_fit(free, layer, kv, layers) == fitting


def test_a_context_is_cut_to_what_fits_and_said() -> None:
    """The trained context where there is room; with less memory less of it, in whole steps, and a line about it."""
    whole = fitted(host=1000 * GB)
    assert (whole.context, whole.note) == (131_072, "")
    cut = fitted(host=16 * GB)
    assert cut.context % 256 == 0 and 2048 < cut.context < 131_072
    assert cut.note == f"context {cut.context:,} of 131,072: what fits in memory"
    assert fitted(host=32 * GB).context > cut.context
    assert fitted(host=16 * GB, cache_type_k="q8_0", cache_type_v="q8_0").context > 1.5 * cut.context
    assert fitted(net=TINY).note == ""
    assert fitted(host=16 * GB, context=4096).note == ""


def test_a_context_that_cannot_be_had_is_refused_with_what_can() -> None:
    """The line says what it takes, what is there and what to type; that much then fits."""
    said = refusal(context=100_000_000)
    most = int(said.rpartition("-c ")[2])
    assert "100,000,000 tokens takes" in said and f"about {most:,} fit" in said
    assert fitted(context=most).context == most
    assert "for each slot" in refusal(context=131_072, kv_unified=False)
    assert "weights take 5.4 GB" in refusal(host=5 * GB, context=2048, mmap=False)
    assert fitted(host=None, context=100_000_000).context == 100_000_000  # a system that says nothing refuses nothing


def test_shared_cells() -> None:
    """Shared: one whole context and, within a limit, room for more; never more than a context a slot."""
    assert fitted(net=TINY, slots=4, kv_unified=True).cells == 4 * 512
    big = fitted(context=8192, host=64 * GB)
    assert (big.kv_unified, big.cells) == (True, 8192)
    middle = fitted(context=1024, kv_unified=True)
    assert middle.cells == 1024 * 3  # 128 kB a token: two more contexts of 1,024 are 256 MB
    assert fitted(context=1024, kv_unified=True, host=11 * GB // 2, mmap=False).cells == 1024  # no room for more


def test_separate_cells() -> None:
    """Separate: each slot has a whole context of its own, padded as llama.cpp pads it; the context is cut for all."""
    apart = fitted(net=TINY, slots=4, context=300, kv_unified=False)
    assert (apart.kv_unified, apart.context, apart.cells) == (False, 300, 4 * 512)
    assert fitted(host=16 * GB, kv_unified=False, slots=16).context < fitted(host=16 * GB, slots=16).context


def test_the_layout_is_chosen_by_size() -> None:
    """Where every slot's own context is small they are separate; a long one is shared."""
    assert fitted(net=TINY).kv_unified is False
    assert fitted(context=8192).kv_unified is True
    assert fitted(net=TINY, kv_unified=True).kv_unified is True


def test_on_a_gpu_as_many_layers_as_fit() -> None:
    """All of them where there is room, some where there is less, none where there is none; the rest in memory."""
    assert fitted(gpus=[80 * GB]).gpu_layers == 33
    some = fitted(gpus=[4 * GB], context=4096)
    assert 0 < some.gpu_layers < 33
    assert some.gpu_layers < fitted(gpus=[4 * GB, 2 * GB], context=4096).gpu_layers < 33
    assert fitted(gpus=[256 << 20]).gpu_layers == 0
    assert fitted(gpus=[80 * GB], gpu_layers=0).gpu_layers == 0
    assert fitted(gpus=[]).gpu_layers == fitted(gpus=[], gpu_layers=20).gpu_layers == 0
    assert fitted(gpus=[0]).gpu_layers == 33  # it does not say what is free: llama.cpp is left to try
    assert fitted(gpus=[80 * GB], gpu_layers=99).gpu_layers == 33


def test_on_a_gpu_the_context_follows_its_memory() -> None:
    """A model that lies on the GPU whole has the context that fits there beside it, whatever the machine has."""
    assert fitted(gpus=[80 * GB], host=8 * GB).context == 131_072
    assert fitted(gpus=[12 * GB], host=64 * GB).context < 131_072
    assert fitted(gpus=[80 * GB], host=8 * GB).ubatch == 512
    assert fitted(gpus=[80 * GB], ubatch=64).ubatch == 64


def test_large_weights_on_a_cpu_have_flash_attention() -> None:
    """Where they share the context; small ones, and sequences with contexts of their own, do without."""
    large, small = fitted(context=512, slots=2), fitted(TINY)
    assert (large.flash, large.kv_unified, large.ubatch) == (True, True, 128)
    assert (small.flash, small.kv_unified, small.ubatch) == (False, False, 128)
    for asked in ({"kv_unified": False}, {"flash_attn": "off"}):
        found = fitted(context=512, slots=2, **asked)
        assert (found.flash, found.kv_unified, found.ubatch) == (False, False, 64)
    assert fitted(TINY, flash_attn="on").flash and fitted(TINY, cache_type_v="q8_0").flash


def test_layers_that_do_not_fit_are_refused() -> None:
    """More layers than the GPU holds are refused with how many it holds; that many then fit."""
    said = refusal(gpus=[4 * GB], gpu_layers=33, context=4096)
    most = int(said.split("at most ")[1].split()[0])
    assert "33 layers" in said and said.endswith("type --gpu-layers auto")
    assert fitted(gpus=[4 * GB], gpu_layers=most, context=4096).gpu_layers == most


def test_the_file_is_mapped_where_it_pays() -> None:
    """Not for quantised weights on a CPU, which would be kept twice, unless they are greater than the memory."""
    plain = load_params().to_dict()
    assert fit(EIGHT, plain, 64 * GB, [], quantised=True).mmap is False
    assert fit(EIGHT, plain, 64 * GB, [], quantised=False).mmap is True
    assert fit(EIGHT, plain, 64 * GB, [80 * GB], quantised=True).mmap is True
    assert fitted(host=4 * GB, context=2048).mmap is True
    assert fitted(mmap=True).mmap is True and fitted(mmap=False).mmap is False


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text + "\n")


def test_free_memory(tmp_path: Path) -> None:
    """What the system has, or the container is allowed, whichever is less; files' pages can be had back."""
    assert free_memory(tmp_path) is None
    write(tmp_path, "proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 1000000 kB")
    assert free_memory(tmp_path) == 1_024_000_000
    write(tmp_path, "proc/self/cgroup", "0::/box")
    write(tmp_path, "sys/fs/cgroup/box/memory.max", "max")
    write(tmp_path, "sys/fs/cgroup/memory.max", "900000000")
    write(tmp_path, "sys/fs/cgroup/memory.current", "500000000")
    write(tmp_path, "sys/fs/cgroup/memory.stat", "anon 5\nactive_file 20000000\ninactive_file 90000000")
    assert free_memory(tmp_path) == 500_000_000
    write(tmp_path, "proc/self/cgroup", "7:memory:/box")
    write(tmp_path, "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "300000000")
    write(tmp_path, "sys/fs/cgroup/memory/box/memory.usage_in_bytes", "299000000")
    write(tmp_path, "sys/fs/cgroup/memory/box/memory.stat", "total_inactive_file 4000000")
    assert free_memory(tmp_path) == 5_000_000


NETS = {"8B": EIGHT, "tiny": TINY, "wide": Net(16, 2048, 16, 16, 128, 128, 50_000, 2 * GB, 32_768)}
ASKED: list[dict[str, Any]] = [
    {}, {"context": 4096}, {"context": 65_536}, {"mmap": False}, {"mmap": True}, {"kv_unified": False, "slots": 4},
    {"cells": 16_384}, {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}, {"context": 4096, "gpu_layers": 7},
]  # fmt: skip


@pytest.mark.parametrize("params", ASKED, ids=repr)
@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_what_is_needed_is_enough_and_no_more(net: Net, quantised: bool, params: dict[str, Any]) -> None:
    """With what is wanted free it is loaded as it should be, with what is least at all; with less it is refused."""
    load = load_params(**params).to_dict()
    wanted = params.get("context", 0) or min(net.trained_context, GOOD_CONTEXT)
    for kind, other in (("host", {"allowance": None}), ("budget", {"host": 1000 * GB})):
        key = "host" if kind == "host" else "allowance"
        need = needs(net, load, **{"host": 0, "gpus": [], "quantised": quantised, key: 0, **other})[kind]
        assert need["free"] == 0

        def got(free: int | None, key: str = key, other: dict[str, Any] = other) -> Fit:
            return fit(net, load, **{"host": 0, "gpus": [], "quantised": quantised, key: free, **other})

        whole = got(need["wanted"])
        assert whole.context >= wanted and whole.mmap == (params.get("mmap", not quantised))
        assert got(need["least"]).context >= min(wanted, 2048)
        try:
            less = got((need["least"] or 0) * 97 // 100 - 1024)
        except DoesNotFit:
            continue
        assert kind == "host" and quantised and "mmap" not in params and less.mmap  # what cannot be read is mapped


@pytest.mark.parametrize("params", [{}, {"context": 4096}, {"gpu_layers": 9}, {"gpu_layers": 33, "context": 4096}])
def test_what_is_needed_on_a_gpu(params: dict[str, Any]) -> None:
    """With what is wanted free on the GPU all layers that were asked for go there; automatic ones need not."""
    load = load_params(**params).to_dict()
    need = needs(EIGHT, load, 64 * GB, [1 * GB], True)["gpu"]
    reserve = 1 * GB - (need["free"] or 0)
    assert fit(EIGHT, load, 64 * GB, [(need["wanted"] or 0) + reserve], True).gpu_layers == params.get("gpu_layers", 33)
    assert (need["least"] == 0) == ("gpu_layers" not in params)
    assert needs(EIGHT, load, 64 * GB, [0], True)["gpu"]["free"] is None  # a GPU that does not say
    assert needs(EIGHT, load, 64 * GB, [], True)["gpu"]["free"] is None
    # What is on the GPU is not wanted of the machine's memory.
    on_gpu = needs(EIGHT, load, 64 * GB, [100 * GB], True)["host"]["wanted"] or 0
    of_all = needs(EIGHT, load, 64 * GB, [], True)["host"]["wanted"] or 0
    assert on_gpu < of_all or (on_gpu == of_all and params == {"gpu_layers": 9})  # its context is a share of all


def test_an_allowance_counts_mapped_weights() -> None:
    """Within a budget weights count whether they are mapped or not; what does not fit names the budget."""
    assert fit(EIGHT, load_params(context=4096).to_dict(), 64 * GB, [], False).mmap
    with pytest.raises(DoesNotFit, match=r"weights take 5.4 GB and the memory budget leaves 4.3 GB for it"):
        fit(EIGHT, load_params(context=4096).to_dict(), 64 * GB, [], False, 4 * GB)
    with pytest.raises(DoesNotFit, match=r"leaves 0\.0 MB"):
        fit(EIGHT, load_params().to_dict(), 64 * GB, [], True, -GB)
    some = fit(EIGHT, load_params().to_dict(), 64 * GB, [], True, 7 * GB)
    assert 2048 <= some.context < fit(EIGHT, load_params().to_dict(), 64 * GB, [], True).context
