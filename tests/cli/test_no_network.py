"""No command reaches for a host that the user did not name, nor leaves an id on the machine."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from clips import make_clip

STRACE = shutil.which("strace")
NEEDS_STRACE = pytest.mark.skipif(STRACE is None, reason="needs strace")
FOREIGN = re.compile(r"sin6?_port=htons\(\d+\).*?inet_(?:addr|pton)\([^)]*?\"([^\"]+)\"")
TRACE = ["-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none"]


def addresses(log):
    """The addresses in a log of strace that are not this machine's own, or ask for a name."""
    found = set()
    for line in log.read_text().splitlines():
        for address in FOREIGN.findall(line):
            if "htons(53)" in line or not (address.startswith("127.") or address == "::1"):
                found.add(address)
    return found


def run(tmp_path, *words):
    """Run a command of lanes under strace, in an empty home; returns the addresses it tried."""
    home, log = tmp_path / "home", tmp_path / "strace.log"
    home.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    command = [STRACE, *TRACE, "-o", str(log), sys.executable, "-m", "lanes.cli", *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: some engines are not installed
    assert not list(home.rglob("deviceid")), "ONNX Runtime wrote an id of this machine"
    assert not list(home.rglob("Microsoft"))
    return addresses(log)


@NEEDS_STRACE
def test_strace_sees_who_is_asked(tmp_path):
    log = tmp_path / "log"
    script = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.7', 9))"
    subprocess.run([STRACE, *TRACE, "-o", str(log), sys.executable, "-c", script], check=True)
    assert addresses(log) == {"192.0.2.7"}


@NEEDS_STRACE
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_video_is_labelled_without_a_network(tmp_path, model_folder, backend):
    clip = make_clip(tmp_path / "clip.mp4", frames=3)
    assert not run(tmp_path, "video", clip, "--model", model_folder, "--backend", backend)


COMMANDS = {
    "video": ["video", "CLIP", "--model", "MODEL"],
    "image": ["image", "PICTURES", "--model", "lanes-tiny"],
    "webcam": ["webcam", "CLIP", "--model", "MODEL", "--no-window", "--record", "OUTPUT"],
    "models": ["models"],
    "terms": ["models", "--terms"],
    "doctor": ["doctor"],
    "evaluate": ["evaluate", "lanes-tiny", "image_folder", "DATA"],
    "stability": ["stability", "CLIP", "--model", "lanes-tiny"],
    "benchmark": ["benchmark", "models", "MODEL", "--rounds", "1"],
    "train": ["train", "--config", "CONFIG", "--data", "TRAINED", "--steps", "1"],
}


@NEEDS_STRACE
@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_needs_a_network(tmp_path, model_folder, name):
    data = tmp_path / "data"
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (data / split / part).mkdir(parents=True)
        # The fixed tenth of "choose" has one of these names.
        for number in range(30):
            image = np.full((64, 96, 3), 8 * number, np.uint8)
            cv2.imwrite(str(data / split / "images" / f"{number}.png"), image)
            cv2.imwrite(str(data / split / "labels" / f"{number}.png"), image[..., 0] % 3)
    given = {
        "CLIP": make_clip(tmp_path / "clip.mp4", frames=3),
        "MODEL": model_folder,
        "PICTURES": data / "val" / "images",
        "DATA": data,
        "TRAINED": f"image_folder={data}",
        "CONFIG": write_config(tmp_path / "config.toml"),
        "OUTPUT": tmp_path / "out.mp4",
    }
    assert not run(tmp_path, *(given.get(word, word) for word in COMMANDS[name]))


def write_config(path):
    """A configuration that trains at once."""
    lines = ["size = [64, 96]", "batch = 2", "workers = 0", "[weights]", "image_folder = 1.0"]
    path.write_text("\n".join(['task = "lanes"', 'model = "fcn_lite"', *lines]))
    return path


@NEEDS_STRACE
@pytest.mark.slow
def test_the_dashboard_asks_nobody(tmp_path):
    pytest.importorskip("streamlit")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "strace.log"
    command = [STRACE, *TRACE, "-o", str(log), sys.executable, "-m", "lanes.cli", "dashboard"]
    command += ["--server.headless", "true", "--server.port", str(port)]
    server = subprocess.Popen(
        command,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port)
        open_stream(port, origin="http://example.com")
    finally:
        os.killpg(server.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
    assert not addresses(log)


def open_stream(port, origin):
    """Ask for the page's stream as a page of another site would: Streamlit checks who that is."""
    key = base64.b64encode(bytes(16)).decode()
    headers = {"Host": f"127.0.0.1:{port}", "Origin": origin, "Upgrade": "websocket"}
    headers |= {"Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    lines = ["GET /_stcore/stream HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


def wait_for(port):
    """Wait until a server answers."""
    for _ in range(300):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60)
            return
        time.sleep(0.2)
    raise AssertionError("the dashboard does not answer")
