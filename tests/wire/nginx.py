"""This file is a real nginx in front of a server, for as long as a block lasts."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.wire.guest_servers import free_port
from tests.wire.listener_subject import eventually

# What packages of nginx bring as /etc/nginx/fastcgi_params, as far as it is not about files and PHP.
FASTCGI_PARAMETERS = """
fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param SCRIPT_NAME $fastcgi_script_name;
fastcgi_param REQUEST_URI $request_uri;
fastcgi_param DOCUMENT_URI $document_uri;
fastcgi_param DOCUMENT_ROOT $document_root;
fastcgi_param SERVER_PROTOCOL $server_protocol;
fastcgi_param REQUEST_SCHEME $scheme;
fastcgi_param HTTPS $https if_not_empty;
fastcgi_param GATEWAY_INTERFACE CGI/1.1;
fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
fastcgi_param REMOTE_ADDR $remote_addr;
fastcgi_param REMOTE_PORT $remote_port;
fastcgi_param SERVER_ADDR $server_addr;
fastcgi_param SERVER_PORT $server_port;
fastcgi_param SERVER_NAME $server_name;
"""

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{}}
http {{
    access_log off;
    client_max_body_size 100m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


class Nginx:
    """The process, its address, and what it has written."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"

    @property
    def errors(self) -> str:
        """Lines of its log that tell of an error, or of worse."""
        log = self.folder / "error.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return "\n".join(line for line in lines if any(f"[{level}]" in line for level in ("error", "crit", "emerg")))

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0


@contextmanager
def nginx_with(folder: Path, *, server: str, http: str = "") -> Iterator[Nginx]:
    """nginx with what `http` and `server` say in these blocks."""
    program = shutil.which("nginx", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program is not None, "nginx is not installed: .ci/system-packages web"
    found = Nginx(folder, free_port())
    text = _CONFIGURATION.format(folder=folder, port=found.address[1], server=server, http=http)
    (folder / "nginx.conf").write_text(text, "utf-8")
    process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    try:
        assert eventually(found.answers), found.errors
        yield found
    finally:
        process.terminate()
        process.wait(20)
