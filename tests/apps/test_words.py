"""No string of a stranger reaches the browser as Markdown, and no path of the server."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

from app_pages import button, said

pytest.importorskip("streamlit")

from dashboard_pages import words
from dashboard_pages.settings import Settings

EVIL = "![x](http://127.0.0.1:9/x.png) $y$ `z` :red[r] <b>.png"


def test_nothing_in_a_text_is_markup():
    text = words.plain(EVIL)
    assert r"\!\[x\]\(http\:\/\/127\.0\.0\.1" in text
    assert all(mark not in text.replace("\\" + mark, "") for mark in "![]()$`:<>*_")
    assert said(text) == EVIL


def test_a_text_is_one_line_and_no_icon():
    assert words.plain("a\n# b") == r"a \# b"
    assert ":material/" not in said(words.plain(":material/error:"))


def test_a_file_name_with_markup_is_shown_as_it_is(open_page):
    page = open_page("images")
    picture = cv2.imencode(".png", np.full((32, 48, 3), 120, np.uint8))[1].tobytes()
    sent = [(EVIL, picture, "image/png"), ("broken.png", b"x", "image/png")]
    page.file_uploader(key="images-sent").set_value(sent).run()
    assert not page.exception
    for element in [*page.warning, *page.markdown, *page.subheader, *page.caption]:
        assert "![x](" not in element.value


def test_a_model_card_with_markup_is_shown_as_it_is(open_page, arguments, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "evil")
    card = json.loads((folder / "card.json").read_text())
    card |= {"terms": EVIL, "data": [{"name": EVIL, "what": EVIL, "terms": EVIL}], "name": "=1+1"}
    (folder / "card.json").write_text(json.dumps(card))
    arguments.append(f"--model={folder}")
    page = open_page("models")
    page.selectbox(key="models-name").set_value("evil").run()
    assert not page.exception
    shown = [element.value for element in page.markdown]
    assert any("127" in text for text in shown)
    assert not any("![x](" in text for text in shown)
    assert page.dataframe[0].value["model"].tolist()[-1] == "'=1+1"


def test_messages_name_no_folder_of_the_server(tmp_path):
    allowed, model = tmp_path / "drives", tmp_path / "hidden" / "mine"
    settings = Settings((allowed,), (("mine", model),))
    message = f"there is no {allowed}/a.mp4; {model}/card.json is broken; {tmp_path}/lanes-tab-1/x"
    shown = settings.public(message)
    assert shown.startswith("there is no a.mp4; mine/card.json is broken; ")
    assert str(tmp_path) not in shown


def test_a_wrong_path_names_no_folder_of_the_server(open_page, arguments, tmp_path):
    (tmp_path / "drive.mp4").touch()
    arguments.append(f"--allow-paths={tmp_path}")
    page = open_page("live")
    page.segmented_control(key="live-source").set_value("Path or URL").run()
    for given in ("drvie.mp4", "/etc/passwd", "drive\0.mp4"):
        page.text_input(key="live-path").set_value(given).run()
        button(page, "Start").click().run()
        assert page.error
        assert not page.exception
        texts = [element.value for element in [*page.error, *page.caption]]
        assert not any(str(tmp_path.parent) in said(text) for text in texts)
