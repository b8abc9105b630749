"""Write the tables of docs/reruns.md: what a changed knob, line of code or pin reruns first.

`make schemas` calls it; with the name of a table (`modules` among them) it prints that table.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel

from evoalign import depends
from evoalign.study import Config

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reruns.md"


def own_scripts() -> dict[str, Path]:
    """Rule -> its script, in the order in which the rules are read."""
    includes = re.findall(r'include: "(.+)"', (ROOT / "Snakefile").read_text(encoding="utf-8"))
    text = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in includes)
    found = {}
    for name, body in re.findall(r"^ *rule (\w+):\n((?:(?! *rule \w+:).*\n?)*)", text, flags=re.M):
        if script := re.search(r'"\.\./scripts/(\w+)\.py"', body):
            found[name] = ROOT / f"workflow/scripts/{script[1]}.py"
    return found


def by_knob() -> dict[str, set[str]]:
    """Knob, as `sorting.highpass_hz` -> rules whose scripts may read it."""
    found: dict[str, set[str]] = {
        key: set() for key in _flat(Config().model_dump(mode="json", exclude=set(depends.WHERE)))
    }
    for rule, script in own_scripts().items():
        for key in _flat(depends.knobs([script], Config())):
            found[key].add(rule)
    return found


def by_module() -> dict[str, set[str]]:
    """Module of the library -> rules whose scripts reach a definition of it."""
    found: dict[str, set[str]] = {module: set() for module in _modules()}
    for rule, script in own_scripts().items():
        reached = {module.partition(".")[2] for module, _ in depends.library().reach(script).definitions}
        for module in reached & set(found):
            found[module].add(rule)
    return found


def by_pin() -> dict[str, set[str]]:
    """Pinned package -> rules whose scripts reach it, through other packages among them."""
    lock = depends.read_lock(ROOT / "envs/requirements.lock")
    found: dict[str, set[str]] = {name: set() for name in lock}
    for rule, script in own_scripts().items():
        for name in depends.pins([script], lock):
            found[name].add(rule)
    return found


def by_room() -> dict[str, set[str]]:
    """Room of the library -> rules whose scripts reach a definition in it."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, rules in by_module().items():
        found[module.partition(".")[0]] |= rules
    return dict(found)


TABLES = {"knobs": by_knob, "rooms": by_room, "modules": by_module, "pins": by_pin}
ON_PAGE = ("knobs", "rooms", "pins")


def grouped(found: Mapping[str, Iterable[str]]) -> dict[tuple[str, ...], list[str]]:
    """Rules, in the order of the flow -> what reruns just these first."""
    order = list(own_scripts())
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, rules in found.items():
        groups[tuple(sorted(rules, key=order.index))].append(name)
    return dict(sorted(groups.items(), key=lambda item: [order.index(rule) for rule in item[0]] or [999]))


def table(name: str) -> str:
    """One table of the page, as Markdown."""
    lines = ["| changed | reruns first |", "|---|---|"]
    for rules, names in grouped(TABLES[name]()).items():
        lines.append(f"| {', '.join(f'`{n}`' for n in names)} | {', '.join(rules) or 'nothing'} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its tables as they are now."""
    for name in ON_PAGE:
        before, marker, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = f"{before}{marker}{table(name)}\n{end}{after}"
    return text


def _flat(knobs: Mapping[str, object]) -> list[str]:
    """Keys with the section before them; a plain knob may hold a mapping too."""
    whole = Config()
    return [
        f"{name}.{key}" if key else name
        for name, value in knobs.items()
        for key in (value if isinstance(getattr(whole, name), BaseModel) else [""])
    ]


def _modules() -> list[str]:
    files = sorted(depends.ROOT.rglob("*.py"))
    return [
        ".".join(file.relative_to(depends.ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if file.parent != depends.ROOT or file.stem != "__init__"
    ]


if __name__ == "__main__":
    if sys.argv[1:]:
        print(table(sys.argv[1]))
    else:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
