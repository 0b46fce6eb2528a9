"""The pages that Great Expectations (GX) makes of a suite and of its outcome, as text.

They are rendered without GX's stores and site, which compile every template for every page and copy 4 MB of pictures
beside each: that took longer than the check itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class _Compiled(BytecodeCache):
    """Templates that are compiled already, in memory."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Hand a compiled template out, if it is there."""
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template."""
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def pages(suite: Any, result: Any, title: str, time: datetime) -> dict[str, str]:
    """Return the pages of one suite: their path below the folder of the Data Docs → HTML.

    Parameters
    ----------
    suite : ExpectationSuite
    result : ExpectationSuiteValidationResult
    title : str
        Names the run.
    time : datetime with a time zone
        The run's time; a run of the same time takes the place of an earlier one.
    """
    import great_expectations as gx
    from great_expectations.core import ExpectationSuiteValidationResultSchema
    from great_expectations.render.renderer import ExpectationSuitePageRenderer, ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    result.meta |= {"run_id": gx.RunIdentifier(run_name=title, run_time=time), "validation_time": time}
    plain = ExpectationSuiteValidationResultSchema().load(result.to_json_dict())
    view = DefaultJinjaPageView()
    view.env.bytecode_cache = _COMPILED
    rendered = {
        f"expectations/{suite.name}.html": ExpectationSuitePageRenderer().render(suite),
        f"validations/{suite.name}/{title}/{time:%Y%m%dT%H%M%S.%fZ}/wheeltapper-{suite.name}.html": (
            ValidationResultsPageRenderer().render(plain)
        ),
    }
    return {path: view.render(content, show_how_to_buttons=False) for path, content in rendered.items()}
