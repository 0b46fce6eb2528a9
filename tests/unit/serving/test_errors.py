"""Every refusal has one form, says what is wrong, and shows nothing of the inside."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.serving.conftest import Service
from wheeltapper.serving.errors import ErrorAnswer, without_folders

READINGS = "/v1/readings"
JSON = {"content-type": "application/json"}


def error(answer: httpx.Response) -> dict[str, Any]:
    """Return what is wrong; the answer has the one form, and its id is that of its header."""
    content = answer.json()
    ErrorAnswer.model_validate(content)
    assert set(content) == {"error", "request_id"} and content["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = content["error"]
    return found


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"readings": [{"flow": 1}, {"flow": "many"}]}', "readings[1].flow"),
        ('{"readings": [{"flow": 1, "extra": 2}]}', "readings[0].extra"),
        ('{"readings": {}}', "readings"),
        ("{}", "readings"),
        ("[]", "body"),
        ("null", "body"),
        ("", "body"),
    ],
)
def test_a_wrong_field_is_named(service: Service, body: str, field: str) -> None:
    answer = service.client().post(READINGS, content=body, headers=JSON)
    assert (answer.status_code, error(answer)["code"], error(answer)["field"]) == (422, "wrong_field", field)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "1" * 400 + ".0"])
def test_what_is_no_number_is_named(service: Service, number: str) -> None:
    """422 with the field, though the model of the route would take it, and though JSON cannot say it back."""
    body = '{"readings": [{"flow": 1}, {"flow": ' + number + "}]}"
    answer = service.client().post(READINGS, content=body, headers=JSON)
    assert (answer.status_code, error(answer)["field"]) == (422, "readings[1].flow")


def test_nan_in_a_text_is_a_text(service: Service) -> None:
    body = {"readings": [{"flow": 1e30, "note": "NaN, Infinity and 1e999"}]}
    assert service.client().post(READINGS, json=body).status_code == 200


def test_a_number_too_long_for_python_is_no_failure(service: Service) -> None:
    body = '{"readings": [{"flow": ' + "1" * 10_000 + "}]}"
    assert service.client().post(READINGS, content=body, headers=JSON).status_code in {400, 422}


@pytest.mark.parametrize("body", ["{", '{"readings": [}', "\xff", "{'a': 1}", "NaN,", '{"readings": [{"flow": NaN}'])
def test_what_is_not_json_is_refused(service: Service, body: str) -> None:
    answer = service.client().post(READINGS, content=body.encode("latin-1"), headers=JSON)
    assert answer.status_code in {400, 422} and error(answer)["code"] in {"invalid_json", "bad_request"}


def test_what_came_is_not_echoed(service: Service) -> None:
    """A value may be secret or large."""
    secret = "hunter2" * 100
    for body in ({"readings": [{"flow": secret}]}, {"readings": secret}, secret):
        assert "hunter2" not in service.client().post(READINGS, json=body).text


def test_a_wrong_parameter_is_named(service: Service) -> None:
    answer = service.client().get("/v1/state/a", params={"limit": "many"})
    assert answer.status_code == 422 and error(answer)["field"] == "query.limit"


@pytest.mark.parametrize(
    ("kind", "status", "code", "text"),
    [
        ("no_champion", 503, "no_model", "pump_station has no live model. Run: wheeltapper run pump_station"),
        ("bundle", 503, "model_refused", "model.bin does not match its manifest"),
        ("store", 503, "storage_unavailable", "readings (90 bytes) could not be written: disk full"),
        ("config", 400, "wrong_request", "expected 'wide' or 'long', got 'tall'"),
        ("data", 400, "wrong_data", "pump-07 has no sensor 'flow_rate'"),
        ("not_found", 404, "not_found", "There is no plant 'x'."),
    ],
)
def test_the_library_errors_are_answered_by_kind(
    service: Service, kind: str, status: int, code: str, text: str
) -> None:
    answer = service.client().get(f"/v1/fail/{kind}")
    assert (answer.status_code, error(answer)["code"], error(answer)["message"]) == (status, code, text)
    assert ("retry-after" in answer.headers) == (status == 503)


def test_an_application_says_what_an_error_of_its_own_means(service: Service) -> None:
    answer = service.client().get("/v2/assets/pump-9")
    assert answer.status_code == 404
    assert error(answer) == {"code": "not_found", "message": "there is no machine pump-9"}


def test_a_bug_shows_nothing_of_the_inside(service: Service) -> None:
    """Neither the answer nor the log repeats what came; the log says where it happened, under the answer's id."""
    answer = service.client().get("/v1/fail/bug")
    assert answer.status_code == 500 and error(answer)["code"] == "internal_error"
    assert service.line_of(answer)["status"] == 500
    lines = [line for line in map(json.loads, service.log.texts) if line["event"] == "failure"]
    failure = next(line for line in lines if line["request_id"] == answer.json()["request_id"])
    assert failure["error"] == "ValueError" and "conftest.py" in failure["at"][-1]
    assert "secret value" not in answer.text + "".join(service.log.texts) and "Traceback" not in answer.text


def test_what_does_not_exist_has_the_one_form(service: Service) -> None:
    assert error(service.client().get("/nothing"))["code"] == "not_found"
    answer = service.client().put(READINGS)
    assert answer.status_code == 405 and error(answer)["code"] == "method_not_allowed" and answer.headers["allow"]


def test_every_answer_forbids_what_a_browser_should_not_do(service: Service) -> None:
    """Also an error: no guessing of types, no copy in a cache, no other origin, and nothing names the software."""
    for answer in (service.client().get("/v1/state/a"), service.client("").get("/v1/state/a")):
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers and "server" not in answer.headers


def test_a_page_loads_nothing_from_elsewhere(service: Service) -> None:
    """And stands in no frame of another; a route may say something stricter."""
    headers = service.client().get("/docs").headers
    assert "default-src 'self'" in headers["content-security-policy"] and headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer" and headers["x-content-type-options"] == "nosniff"
    page = service.client().get("/v1/page").headers
    assert page.get_list("content-security-policy") == ["default-src 'none'"]
    assert page.get_list("cache-control") == ["max-age=60"]


def test_the_id_of_a_request_is_the_clients_if_it_is_one(service: Service) -> None:
    assert service.client(**{"x-request-id": "order-66.a_b"}).get("/healthz").headers["x-request-id"] == "order-66.a_b"
    for wrong in ("a b", "x" * 65, "<script>", '"'):
        given = service.client(**{"x-request-id": wrong}).get("/healthz").headers["x-request-id"]
        assert len(given) == 16 and given != wrong


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/plant/store/readings is damaged", "readings is damaged"),
        ("see '/a/b/c.json', then", "see 'c.json', then"),
        (r"C:\plant\keys.json is gone", "keys.json is gone"),
        ("km/h and 3/4 and a/b/c stay", "km/h and 3/4 and a/b/c stay"),
        ("https://host/a/b stays", "https://host/a/b stays"),
        ("/" * 100_000, "/" * 100_000),
    ],
)
def test_folders_of_the_machine_are_left_out(text: str, shown: str) -> None:
    assert without_folders(text) == shown
