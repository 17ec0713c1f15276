"""Daphne's requests, as far as no server is needed; see `tests.streams.test_sse` for the rest."""

from rtai_project.requests_daphne import Request


def test_a_request_in_a_log_does_not_show_its_url() -> None:
    request = Request.__new__(Request)
    request.method, request.uri = b"GET", b"/sse/v1/streams/lobby?ticket=secret"

    assert "GET" in repr(request)
    assert "secret" not in repr(request)
