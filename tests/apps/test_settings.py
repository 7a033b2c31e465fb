"""Which paths pages may read, and how the server is started."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lanes import assets, plugins
from lanes.cli import dashboard
from lanes.cli import main as cli
from lanes.errors import BadInput

pytest.importorskip("streamlit")

from dashboard_pages import settings
from dashboard_pages.settings import Settings


@pytest.fixture
def allowed(tmp_path):
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "drive.mp4").touch()
    (folder / "list.M3U8").touch()
    (tmp_path / "secret.mp4").touch()
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    return Settings(allowed=(folder,))


def test_a_file_inside_is_found_by_either_name(allowed):
    path = allowed.allowed[0] / "drive.mp4"
    assert allowed.input("drive.mp4") == allowed.input(f" {path} ") == str(path.resolve())


@pytest.mark.parametrize(
    "given",
    ["../secret.mp4", "/etc/passwd", "link.mp4", "a/../../secret.mp4", "/"],
)
def test_nothing_outside_can_be_named(allowed, given):
    with pytest.raises(BadInput, match="outside the folders"):
        allowed.input(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("file:///etc/passwd", "file:// URLs"),
        ("concat://a", "concat:// URLs"),
        ("SUBFILE://a", "subfile:// URLs"),
        ("*.mp4", "is a pattern"),
        ("nothing.mp4", "there is no"),
        ("n" * 300, "name too long"),
        ("list.M3U8", "list.M3U8 is a playlist"),
        ("", "no path given"),
    ],
)
def test_no_other_way_leads_to_a_file(allowed, given, message):
    with pytest.raises(BadInput, match=f"(?i){message}"):
        allowed.input(given)


def test_no_link_in_a_folder_of_images_leads_outside(allowed, tmp_path):
    pictures = allowed.allowed[0] / "pictures"
    pictures.mkdir()
    (pictures / "a.png").symlink_to(allowed.allowed[0] / "drive.mp4")
    assert allowed.path("pictures") == pictures.resolve()
    (pictures / "b.png").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(BadInput, match=r"pictures has a link, b.png, that leads outside"):
        allowed.path("pictures")


def test_an_existing_file_with_brackets_is_not_a_pattern(allowed):
    path = allowed.allowed[0] / "Title [dQw4].mp4"
    path.touch()
    assert allowed.input(path.name) == allowed.input(str(path)) == str(path.resolve())


def test_brackets_in_the_name_of_an_allowed_folder_lead_to_no_other(tmp_path):
    for name in ("[ab]", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "secret.png").touch()
    with pytest.raises(BadInput, match="there is no"):
        Settings(allowed=(tmp_path / "[ab]",)).input("secret.png")


def test_addresses_of_streams_may_be_opened(allowed):
    assert allowed.input("rtsp://camera/1") == "rtsp://camera/1"


@pytest.mark.parametrize("given", ["drive.mp4", "rtsp://camera/1"])
def test_without_allow_paths_nothing_is_opened(given):
    with pytest.raises(BadInput, match="--allow-paths"):
        Settings().input(given)


def test_the_default_model_comes_first_and_given_ones_too(model_folder, tmp_path):
    found = settings.read([f"--model={model_folder}", f"--allow-paths={tmp_path}"])
    names = list(found.cards())
    assert names[0] == assets.DEFAULT_MODEL
    assert model_folder.name in names
    assert found.folder(model_folder.name) == model_folder
    assert found.allowed == (tmp_path,)


def test_options_of_streamlit_are_passed_on(monkeypatch, model_folder, tmp_path):
    monkeypatch.setattr(dashboard, "run_dashboard", lambda *given: print(*given) or 0)
    words = [
        "dashboard",
        "--server.port",
        "8600",
        f"--allow-paths={tmp_path}",
        "--server.headless=true",
    ]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0
    assert "['--server.port', '8600', '--server.headless=true']" in done.stdout
    command = dashboard.arguments([tmp_path], [model_folder], ["--server.port", "8600"])
    app = str(assets.folder("apps") / "dashboard.py")
    own = [f"--allow-paths={tmp_path}", f"--model={model_folder}"]
    assert command == ["run", app, "--server.port", "8600", "--", *own]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--allow-paths", "nowhere"], "no such folder"),
        (["--model", "nowhere"], "weights/ has no 'nowhere'"),
        (["drive.mp4"], "got 'drive.mp4': start it with --allow-paths"),
        (["--server.port", "8600", "drive.mp4"], "got 'drive.mp4': start"),
        (["--server.headless=true", "drive.mp4"], "got 'drive.mp4': start"),
        (["--", "drive.mp4"], "got 'drive.mp4': start"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(monkeypatch, words, message):
    monkeypatch.setattr("runpy.run_module", lambda *given, **options: None)
    done = CliRunner().invoke(cli.app, ["dashboard", *words], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert message in done.output


def test_without_streamlit_the_error_names_the_command_to_install_it(monkeypatch):
    monkeypatch.setattr(plugins, "installed", lambda library: library != "streamlit")
    done = CliRunner().invoke(cli.app, ["dashboard"])
    assert done.exit_code == 2
    assert "the dashboard needs 'streamlit', not installed: pip install" in done.output
