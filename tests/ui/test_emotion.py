import pytest
from conftest import serving  # noqa: F401  (this folder's)
from playwright.sync_api import expect

CODE = """
import panel as pn
from camels.apps.emotion import EmotionApp
pn.serve({'emotion': lambda: EmotionApp()}, port=0, show=False)
"""


@pytest.fixture(scope="module")
def url():
    with serving("-u", "-c", CODE) as u:
        yield u + "/emotion"


def test_a_pasted_text_becomes_sentences_with_faces(page, url):
    page.set_viewport_size(dict(width=1280, height=720))
    page.goto(url)
    expect(page.locator(".segment")).to_have_count(4, timeout=30000)
    box, button = page.get_by_label("Text"), page.get_by_role("button", name="Read")
    box.fill("This is <b>wonderful</b>, thank you so much! I am really sad that you must go.")
    box.blur()
    button.click()
    expect(page.locator(".segment")).to_have_count(2, timeout=15000)
    expect(page.locator(".segment").first).to_contain_text("<b>wonderful</b>")
    expect(page.locator(".segment img").nth(1)).to_have_attribute("alt", "sadness")
    expect(page.locator("pre.tagged")).to_contain_text("[sadness:")
    assert all(page.locator(".segment img").evaluate_all("o => o.map(i => i.naturalWidth === 96)"))
    box.fill("   ")
    box.blur()
    button.click()
    expect(page.get_by_role("status").first).to_contain_text("no text", timeout=10000)
    expect(page.locator(".segment")).to_have_count(2)
