"""Numba's tables of types and functions, which it fills when a process calls its first compiled function.

The starter of a run (`evoalign.pipeline.starter`) loads this module, so that they are filled once.
"""

from numba.core.registry import cpu_target

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
