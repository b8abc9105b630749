"""Read a session from an NWB file."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path

from hdmf.build.errors import ConstructError
from pynwb import NWBFile

from evoalign.errors import InputError
from evoalign.nwb.artefacts import read_artefacts
from evoalign.nwb.backends import reader
from evoalign.nwb.contents import SessionContents, check_contents
from evoalign.nwb.electrodes import read_electrodes
from evoalign.nwb.envelope import read_envelope
from evoalign.nwb.external import read_external
from evoalign.nwb.integrity import check_integrity
from evoalign.nwb.metadata import read_metadata
from evoalign.nwb.names import HINT, MADE_BY, METADATA_TABLE
from evoalign.nwb.settings import Nwb
from evoalign.nwb.sheet_row import as_row, check_row
from evoalign.nwb.spiking import read_units
from evoalign.nwb.stimuli import read_stimuli
from evoalign.nwb.version import check_version
from evoalign.sheet import Session


def read_nwb(
    path: str | PathLike[str], settings: Nwb | None = None, session: Session | None = None
) -> SessionContents:
    """Read all that the pipeline needs of a session from its NWB file.

    Parameters
    ----------
    path : path
        An ``.nwb`` file or an ``.nwb.zarr`` folder; of one that this pipeline did not write, spikes and
        presentations are read, see `read_external`.
    settings : Nwb, optional
        Names of tables and columns in files of other tools.
    session : Session, optional
        Row of the sample sheet: the session's name, and what files of other tools lack.

    Returns
    -------
    SessionContents
        Images are loaded when asked for; continuous data stay in the file.

    Raises
    ------
    InputError
        The file is missing, damaged, no NWB, or lacks an object or a column:
        file and path in it are named; or its row of the sample sheet says otherwise
        (`check_row`, `as_row`).
    """
    with opened(path) as nwb:
        if "misc" not in nwb.processing or METADATA_TABLE not in nwb.processing["misc"].data_interfaces:
            if str(nwb.source_script or "").startswith(MADE_BY):
                raise InputError("the table is missing", f"{path}, /processing/misc/{METADATA_TABLE}", HINT)
            return read_external(nwb, str(path), settings or Nwb(), session)
        if session and session.latent_tables:
            raise InputError(
                "the file holds the session's own latents",
                f"{path}; sample sheet, session {session.session}, column latents",
                "leave the cell empty: tables of latents are for NWB files of other tools",
            )
        contents = {
            **read_metadata(nwb, str(path)),
            **read_electrodes(nwb, str(path)),
            **read_units(nwb, str(path)),
            **read_artefacts(nwb, str(path)),
            **read_envelope(nwb, str(path)),
            **read_stimuli(nwb, str(path)),
        }
        start = nwb.timestamps_reference_time.astimezone(dt.UTC)
        zone = (settings or Nwb()).time_zone
        check_row(session, contents["metadata"].subject, start, str(path), zone)
        try:
            checked = check_contents(SessionContents(start=start, **contents))
        except InputError as error:
            raise InputError(error.what, f"{path} ({error.where})", HINT) from error
        return as_row(checked, session, str(path))


@contextmanager
def opened(path: str | PathLike[str]) -> Iterator[NWBFile]:
    """Open an NWB file for reading; whatever is wrong with it is an InputError.

    Raises
    ------
    InputError
        Naming the file, and the path in it where that is known.
    """
    path = Path(path)
    check_integrity(path)
    check_version(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ExitStack() as open_files:
            try:
                io = reader(path)
                open_files.callback(io.close)
                nwb = io.read()
            except ConstructError as error:
                raise _not_as_the_schema(error, path) from error
            except Exception as error:  # HDF5 and hdmf raise almost anything on damaged bytes
                raise InputError(f"no readable NWB file: {_reason(error)}", f"{path}, /", HINT) from error
            open_files.pop_all()
        try:
            yield nwb
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the file cannot be read: {_reason(error)}", f"{path}, /", HINT) from error
        finally:
            io.close()


def _not_as_the_schema(error: ConstructError, path: Path) -> InputError:
    """Name the object of which pynwb can make nothing, without all that lies in it."""
    place = str(error.args[0].path).removeprefix("root") or "/"
    reason = str(error.args[-1]).rsplit("due to: ", 1)[-1].splitlines()[0][:300]
    hint = "pynwb cannot read this object either: write it as the NWB schema says, or give an undamaged file"
    return InputError(f"no readable NWB file: {reason}", f"{path}, {place}", hint)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
