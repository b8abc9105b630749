"""A display that watches a folder and speaks in lines."""

import json
import socket
import threading

import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.loop import line_display, zeromq_display
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.interfaces import Presentation, Round, ToShow
from evoalign.loop.journal import read_journal
from evoalign.loop.line_display import LineDisplay
from evoalign.loop.settings import Evolve
from evoalign.loop.simulated import plan_round


def client_of_lines(port, folder, seed, is_interrupted=False):
    """Show from the tables of the folder, and tell in lines; once the connection breaks."""

    def connected():
        connection = socket.create_connection(("127.0.0.1", port), 20)
        return connection, connection.makefile("r", encoding="utf-8")

    connection, answers = connected()
    question, shown = 0, []

    def ask(kind, **fields):
        nonlocal question
        question += 1
        line = json.dumps({"version": 1, "kind": kind, "id": question, **fields}) + "\n"
        connection.sendall(line[:9].encode())
        connection.sendall(line[9:].encode())
        answer = json.loads(answers.readline())
        assert answer["id"] == question
        return answer

    while (answer := ask("ask", shown=len(shown)))["kind"] != "end":
        block, number = answer["block"], answer["round"]
        table = pd.read_csv(folder / f"block{block:03d}_round{number}.tsv", sep="\t")
        assert table["name"].tolist() == [image["name"] for image in answer["images"]]
        images = [ToShow(row.name, row.file, "") for row in table.itertuples(index=False)]
        before = answer["before"] and Presentation(**answer["before"])
        for presentation in plan_round(Round(block, number, images, answer["first"]), before, seed):
            shown.append(presentation)
            assert ask("shown", presentation=presentation.as_record())["next"] == len(shown)
            if is_interrupted and len(shown) == 5:
                connection.sendall(b"no json\n")
                connection.close()
                connection, answers = connected()
        ask("round_end", block=block, round=number, shown=len(shown))
    connection.close()


def settings_of(folder, display):
    return Evolve.model_validate(
        {
            "session": "lines",
            "subject": "Model",
            "folder": str(folder),
            "seed": 3,
            "n_blocks": 2,
            "references": 1,
            "threads": [{"space": "texture", "images": 4}, {"space": "object", "images": 4}],
            "display": display,
            "min_free_mb": 1,
        }
    )


def test_an_evolution_over_lines_is_the_one_within_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(zeromq_display, "END_S", 0.5)
    run_evolution(settings_of(tmp_path / "within", {}))
    ports = []
    create_server = socket.create_server

    def noted(address):
        server = create_server(address)
        ports.append(server.getsockname()[1])
        shower = threading.Thread(
            target=client_of_lines, args=(ports[-1], tmp_path / "lines/rounds", 3, True), daemon=True
        )
        shower.start()
        return server

    monkeypatch.setattr(line_display.socket, "create_server", noted)
    run_evolution(settings_of(tmp_path / "lines", {"transport": "lines", "address": "127.0.0.1:0"}))
    of_both = [
        [
            record
            for record in read_journal(tmp_path / name / JOURNAL)
            if record["kind"] in ("shown", "scored")
        ]
        for name in ("lines", "within")
    ]
    assert of_both[0] == of_both[1]


def test_an_address_that_others_can_reach_is_refused(tmp_path):
    with pytest.raises(InputError, match="other machines can reach"):
        LineDisplay("0.0.0.0:5578", tmp_path)
    with pytest.raises(InputError, match="cannot be used"):
        LineDisplay("192.0.2.1:5578", tmp_path, loopback_only=False)
