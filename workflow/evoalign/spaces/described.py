"""What made the images of a session, as NWB keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from evoalign import tables
from evoalign.nwb.tables import GENERATORS, described
from evoalign.spaces.interface import Space


def generators_table(spaces: Sequence[Space], metrics: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return `GENERATORS` of a session whose images these spaces have rendered.

    Parameters
    ----------
    spaces : sequence of Space
        Of thread 0, 1, ..
    metrics : mapping of str to str, optional
        Space -> image metric of its Hessian frame.
    """
    rows = []
    for thread, space in enumerate(spaces):
        description = space.describe()
        fixed = description.get("fixed_noise", "none")
        rows.append(
            {
                "thread": thread,
                "space": space.name,
                "latent_dim": space.latent_dim,
                "weights_sha256": description.get("weights_sha256", ""),
                "metric": (metrics or {}).get(space.name, ""),
                "fixed_noise": "" if fixed == "none" else fixed,
                "generator": described(description),
                "optimiser": "",
                "optimiser_settings": "",
            }
        )
    if not rows:
        return tables.empty(GENERATORS)
    return tables.conform(pd.DataFrame(rows), GENERATORS)
