"""axe-core finds nothing serious in the pages."""

from __future__ import annotations

import pytest

from browser_pages import MARKS, changes, press

pytestmark = MARKS


def serious(page):
    """What axe-core finds serious: in our own markup and colours, and in Streamlit's markup."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    ours, streamlits = [], []
    for rule in found:
        if rule["impact"] not in ("serious", "critical"):
            continue
        for node in rule["nodes"]:
            # Our components have a shadow root each; the theme's colours are ours, too.
            own = isinstance(node["target"][0], list) or rule["id"] == "color-contrast"
            text = f"{rule['id']}: {node['html'][:160]}"
            (ours if own or "swatches" in node["html"] else streamlits).append(text)
    return ours, streamlits


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["live", "images", "compare", "evaluate", "models"])
def test_axe_finds_nothing_serious_in_our_markup(open_page, path, scheme):
    page = open_page(path)
    page.emulate_media(color_scheme=scheme)
    page.wait_for_timeout(3000)
    ours, streamlits = serious(page)
    print(f"{path} {scheme}, Streamlit's own: {sorted(set(streamlits))}")
    assert not ours


def test_axe_finds_nothing_serious_in_a_run(open_page):
    page = open_page()
    press(page, "Run the demo")
    assert changes(page)
    page.get_by_text("IoU drivable").wait_for()
    ours, _ = serious(page)
    press(page, "Stop")
    press(page, "Close")
    assert not ours
