"""A visitor who comes back finds what ran, and hears what happened meanwhile."""

from __future__ import annotations

import shutil

import pytest

from app_pages import OPEN, labels, players, said, until

pytest.importorskip("streamlit")

import streamlit as st
from dashboard_pages import returning, tabs
from dashboard_pages.returning import Visitor
from streamlit.runtime.caching import clear_session_resource_cache


class Run:
    """A pipeline that has recorded something or not."""

    def __init__(self, folder, recorded=None):
        self.folder, self.recorded, self.done = folder, recorded, []

    def pause(self):
        self.done.append("pause")

    def stop(self):
        self.done.append("stop")

    def close(self):
        self.done.append("close")

    def finished(self):
        return self.recorded


@pytest.fixture
def leaving():
    """Leaves a tab of the given visitor that runs one pipeline; forgets all at the end."""

    made = []

    def left(browser="b", session="s", recorded=None):
        tab = tabs.Tab()
        made.append(tab)
        tab.visitor = Visitor(browser, session)
        folder = tab.folder / "1"
        folder.mkdir()
        tab.play("live", Run(folder, recorded))
        returning.leave(tab)
        return tab

    yield left
    for each in returning._waiting:
        each.timer.cancel()
    returning._waiting.clear()
    for tab in made:
        tab.close()


def test_the_same_session_or_browser_finds_its_tab_and_nobody_else(leaving):
    tab, other = leaving("b", "s1"), leaving("b", "s2")
    assert returning.found(Visitor("", "")) is None
    assert returning.found(Visitor("c", "s3")) is None
    assert returning.found(Visitor("b", "s1")) is tab
    assert returning.found(Visitor("b", "s4")) is other
    assert returning.found(Visitor("b", "s4")) is None
    assert tab.players["live"].done == []


def test_a_browser_without_cookies_finds_its_own_session_only(leaving):
    tab = leaving("", "s1")
    assert returning.found(Visitor("", "s2")) is None
    assert returning.found(Visitor("", "s1")) is tab


def test_after_the_grace_the_recording_is_kept_and_a_sentence_says_so(leaving, monkeypatch):
    monkeypatch.setattr(returning, "GRACE_SECONDS", 0.05)
    tab = leaving(recorded=("v.mp4", "v.jsonl"))
    until(lambda: tab.message)
    assert tab.players["live"].done == ["stop"]
    assert returning.found(Visitor("b", "")) is tab
    assert "the run was ended. What was recorded until then is below" in tab.message
    assert tab.folder.is_dir()


def test_after_the_grace_nothing_else_is_kept(leaving, monkeypatch):
    monkeypatch.setattr(returning, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(returning, "KEPT_SECONDS", 0.05)
    tab = leaving()
    until(lambda: not tab.folder.exists())
    assert not tab.players
    assert returning.found(Visitor("b", "s")) is None


def test_of_many_tabs_that_were_left_the_oldest_is_closed(leaving, monkeypatch):
    monkeypatch.setattr(returning, "MOST", 2)
    first, *others = [leaving(session=str(number)) for number in range(3)]
    until(lambda: not first.folder.exists())
    assert all(tab.folder.is_dir() for tab in others)


def test_a_tab_without_a_run_does_not_wait(leaving):
    tab = tabs.Tab()
    returning.leave(tab)
    until(lambda: not tab.folder.exists())
    assert not returning._waiting


def test_a_broken_connection_ends_no_run(open_page):
    page = open_page("live").button(key="demo").click().run()
    tab, running = OPEN[-1], players()["live"]
    until(lambda: running.live.snapshot().frames)
    clear_session_resource_cache("test session id")  # as Streamlit does
    assert [left.tab for left in returning._waiting] == [tab]
    frames = running.live.snapshot().frames
    until(lambda: running.live.snapshot().frames > frames)
    page.run()
    assert not returning._waiting
    assert players()["live"] is running
    assert "Stop" in labels(page.button)


def test_a_page_from_before_a_restart_says_so(open_page, monkeypatch):
    monkeypatch.setattr(returning, "visitor", lambda: Visitor("0000old", "s"))
    page = open_page("live")
    assert "The server was restarted" in said(page.toast[0])


def test_cookies_are_not_for_scripts_and_renewed_by_a_new_server():
    (cookie,) = [returning.cookie(sent, secure=False) for sent in ("",)]
    name, *attributes = cookie.decode().split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} == set(attributes)
    assert returning.cookie(f"a=1; {name}", secure=False) is None
    assert returning.cookie("lanes-browser=0000old", secure=True).endswith(b"Secure")
    assert not returning.from_before_a_restart(Visitor(name.partition("=")[2], ""))
    assert not returning.from_before_a_restart(Visitor("", ""))
    assert len(name) > 35


def test_a_model_folder_that_vanishes_closes_no_other_page(
    open_page, arguments, model_folder, tmp_path
):
    folder = shutil.copytree(model_folder, tmp_path / "gone")
    arguments.append(f"--model={folder}")
    page = open_page("live")
    assert any("gone" in option for option in page.selectbox(key="live-model").options)
    shutil.rmtree(folder)
    page.run()
    assert not page.exception
    assert not page.error
    models = open_page("models")
    assert "gone" in said(models.error[0])
    assert models.dataframe[0].value["model"].tolist() == ["thresholds"]
    st.cache_resource.clear()
