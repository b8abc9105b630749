"""A headless Chromium, for tests that skip themselves without one."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api

    with sync_api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def reveal(page):
    """Open everything in a report's page, and wait until its figures are inflated and decoded."""
    page.evaluate(
        """async () => { document.querySelectorAll('details').forEach(part => part.open = true);
        const packed = () => document.querySelector('script[type="application/gzip"], [aria-busy]');
        while (packed()) await new Promise(requestAnimationFrame);
        const images = [...document.querySelectorAll('main img')];
        images.forEach(image => image.loading = 'eager');
        await Promise.all(images.map(image => image.decode())); }"""
    )
