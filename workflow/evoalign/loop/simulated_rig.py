"""A whole rig without hardware: a display without a screen, and a simulated NSP whose model unit sees it.

``python -m evoalign.loop.simulated_rig config/evolve_cerebus.yaml`` asks the server for images over
ZeroMQ, as a display does, and sends the model unit's spikes and the event words as an NSP does.
Its clock stands still while it waits for images: what it sends depends on the seed alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from evoalign.loop.addresses import endpoint
from evoalign.loop.client import DisplayClient, Shower
from evoalign.loop.interfaces import Presentation, Recorded, Round
from evoalign.loop.program import add_network, exit_status
from evoalign.loop.settings import Evolve, load_evolve
from evoalign.loop.simulated import AFTER_S, ModelRecorder, plan_round
from evoalign.loop.simulated_nsp import NspFaults, SimulatedNsp
from evoalign.simulate.schedule import IMAGE_S
from evoalign.spaces.registry import get_space
from evoalign.study import Config, load_config

LEDGER = "shown.jsonl"


def rig_shower(settings: Evolve, nsp: SimulatedNsp, speed: float) -> Shower:
    """Return a display that, while it shows, lets a simulated NSP send what the model unit answers.

    Parameters
    ----------
    settings : Evolve
        Of the evolution.
    nsp : SimulatedNsp
    speed : float
        Seconds of the rig in a second; 0 = without waiting.
    """
    study = load_config(settings.study) if settings.study else Config()
    spaces = [get_space(thread.space, study.spaces, device=study.device) for thread in settings.threads]
    model = ModelRecorder(settings, spaces)

    def show(
        request: Round, before: Presentation | None, of_round: Sequence[Presentation]
    ) -> Iterable[Presentation]:
        planned = plan_round(request, before, settings.seed)
        placeholder = before or planned[0]
        recorded = model.take(request, [placeholder] * request.first + planned)
        at_s = -1.0
        for position, presentation in enumerate(planned):
            onset_s = float(model.recording_s([presentation.onset_s])[0])
            stop_s = onset_s + (AFTER_S if position + 1 == len(planned) else IMAGE_S)
            if position < len(of_round):
                nsp.skip(stop_s)
            else:
                part = _between(recorded, at_s, stop_s)
                if at_s < 0 and request.first:
                    nsp.skip(float(model.recording_s([placeholder.onset_s])[0]) + AFTER_S)
                nsp.play(part.words, part.spikes, stop_s, speed)
                yield presentation
            at_s = stop_s

    return show


def _between(recorded: Recorded, start_s: float, stop_s: float) -> Recorded:
    """Part of a recording after one time and up to another."""
    words, spikes = (
        frame[(frame["time_s"] > start_s) & (frame["time_s"] <= stop_s)]
        for frame in (recorded.words, recorded.spikes)
    )
    return Recorded(pd.DataFrame(words), pd.DataFrame(spikes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a rig without hardware until the evolution has ended."""
    parser = argparse.ArgumentParser(
        description="A display and an NSP without hardware, for evoalign evolve."
    )
    parser.add_argument("config", help="settings of the evolution, as for evoalign evolve")
    parser.add_argument(
        "--ledger", help="file that keeps what was shown; by default in the evolution's folder"
    )
    add_network(parser, "rig")
    parsed = parser.parse_args(arguments)

    def run() -> None:
        settings = load_evolve(parsed.config)
        recorder = settings.recorder
        faults = NspFaults(parsed.loss, parsed.reorder, settings.seed)
        nsp = SimulatedNsp(endpoint(recorder.address), endpoint(recorder.local_address), faults)
        ledger = parsed.ledger or Path(settings.folder) / LEDGER
        client = DisplayClient(settings.display.address, ledger, rig_shower(settings, nsp, parsed.speed))
        try:
            client.run()
        finally:
            client.close()
            nsp.close()

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
