import json

import pytest

from streams.closes import MAX_REASON_BYTES, CloseCode, close


@pytest.mark.parametrize("code", list(CloseCode))
def test_reasons_are_json_that_fits_into_a_close_frame(code: CloseCode) -> None:
    found = close(code, 'é"\\' * 200, retry_after_ms=123_456)

    assert len(found.reason.encode()) <= MAX_REASON_BYTES
    assert json.loads(found.reason)["code"] == code.name.lower()


def test_only_codes_that_mean_reconnect_say_when() -> None:
    assert json.loads(close(CloseCode.SHUTDOWN, "Bye.", 500).reason)["retry_after_ms"] == 500
    assert "retry_after_ms" not in close(CloseCode.BANNED, "Bye.", 500).reason
    assert [int(code) for code in CloseCode if code.reconnects] == [
        4001, 4005, 4008, 4010, 4012, 4013,
    ]  # fmt: skip
