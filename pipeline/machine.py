"""What a run ran on."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from favor.placement import choose_device


def machine_facts(device: str) -> dict[str, Any]:
    """Describes this machine.

    Args:
        device: ``auto`` or a torch device.

    Raises:
        FavorError: if there is no such device.
    """
    chosen = choose_device(device)
    on_gpu = chosen.type == "cuda"
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "device": str(chosen),
        "device_name": torch.cuda.get_device_name(chosen) if on_gpu else None,
        "device_memory_bytes": torch.cuda.get_device_properties(chosen).total_memory if on_gpu else None,
    }


def _cpu_name() -> str:
    """Returns what Linux calls the processor, or elsewhere what Python does."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
