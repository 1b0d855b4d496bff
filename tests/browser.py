"""Headless Chromium for tests of pages: Debian's, driven by Playwright."""

import contextlib
import os
import shutil

import pytest

ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
ARGUMENTS += ("--no-first-run", "--disable-quic")
GPU_OF_SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
GPU_OF_SOFTWARE += ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
"""For WebGL 2 and WebGPU on a machine without a GPU."""


@contextlib.contextmanager
def chromium(*further):
    """A browser for a `with` block; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    os.environ.setdefault("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *further])
        yield browser
        browser.close()
