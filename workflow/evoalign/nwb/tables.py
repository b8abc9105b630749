"""Tables of generators, raw files and findings of validators."""

from __future__ import annotations

from collections.abc import Mapping

from evoalign.tables import INT, TEXT, column, table

GENERATORS = table(
    "generators",
    column("thread", INT, "", "thread 0 or 1"),
    column("space", TEXT, "", "name of the thread's space"),
    column("latent_dim", INT, "", "length of a latent vector; -1 when unknown"),
    column("weights_sha256", TEXT, "", "checksum of the generator's weights; '' without or when unknown"),
    column("metric", TEXT, "", "image metric of its Hessian frame; '' when none"),
    column("fixed_noise", TEXT, "", "noise kept fixed beside the latents, as 'x y ..'; '' when unknown"),
    column(
        "generator", TEXT, "", "what makes the images: `Space.describe` as 'name: text; ..'; '' when unknown"
    ),
    column("optimiser", TEXT, "", "what proposes the latents, as the closed loop or the sheet names it"),
    column("optimiser_settings", TEXT, "", "its settings as 'name: text; ..'; '' when unknown"),
)

# Text columns of `GENERATORS` that files of before do not have.
NEWER_OF_GENERATORS = ("fixed_noise", "generator", "optimiser", "optimiser_settings")


def described(facts: Mapping[str, str]) -> str:
    """Return facts as columns `generator` and `optimiser_settings` have them; a ';' in a text becomes ','.

    Examples
    --------
    >>> described({"space": "texture", "latent_dim": "24"})
    'latent_dim: 24; space: texture'
    """
    return "; ".join(f"{name}: {text.replace('; ', ', ')}" for name, text in sorted(facts.items()))


RAW_FILES = table(
    "raw_files",
    column("file", TEXT, "", "name of a raw file; with its path where config says nwb.raw: link"),
    column("sha256", TEXT, "", "checksum of its content"),
)

FINDINGS = table(
    "findings",
    column("tool", TEXT, "", "'nwbinspector', 'pynwb' or 'dandi'"),
    column("importance", TEXT, "", "as the tool names it"),
    column("check", TEXT, "", "name of the check"),
    column("location", TEXT, "", "object and path in the file"),
    column("message", TEXT, "", "what was found"),
)
