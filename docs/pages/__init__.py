"""Pages of the manual that are made from the code: settings, sample sheet, tables, commands, messages."""

from __future__ import annotations

from pathlib import Path

from pages import commands, messages, settings, tables

PAGES = {
    "settings": settings.page,
    "sheet": settings.sheet_page,
    "tables": tables.page,
    "command_options": commands.page,
    "messages": messages.page,
}


def write(folder: Path) -> None:
    """Write each page as Markdown; what is there already and the same is left, so that its date stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        target, text = folder / f"{name}.md", page()
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
