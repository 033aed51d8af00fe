"""The answer that may hold a proxy's password."""

from __future__ import annotations

import pytest

from packstack_lite.answers import resolve_answers
from packstack_lite.errors import AnswersError


@pytest.mark.parametrize(
    "text",
    [
        "http://198.18.0.9:3128",
        "http://proxy.example/",
        "http://me:p%40ss@proxy.example:80",
        "http://[fd00::9]:3128",
        "",
    ],
)
def test_proxies_that_curl_yum_and_apt_read_alike_are_valid(tmp_path, text):
    assert resolve_answers([_write_answers(tmp_path, text)])["CONFIG_HTTP_PROXY"].reveal() == text


@pytest.mark.parametrize(
    "text",
    ["proxy.example:3128", "socks5://hidden@proxy:1", "http://me:hid/den@proxy:1", "http://a b", "http://p:3128/x"],
)
def test_another_form_of_proxy_is_an_error_that_does_not_show_it(tmp_path, text):
    with pytest.raises(AnswersError) as error:
        resolve_answers([_write_answers(tmp_path, text)])
    (message,) = error.value.errors
    assert message.endswith("CONFIG_HTTP_PROXY: is not of the form http://[USER:PASSWORD@]HOST:PORT")
    assert text not in message


def _write_answers(tmp_path, text):
    path = tmp_path / "answers.txt"
    path.write_text(f"[general]\nCONFIG_HTTP_PROXY={text}\n")
    return path
