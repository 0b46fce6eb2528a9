"""Write the generated parts of the documents: numbers from a run's JSON, tables from the code itself.

A part stands between two comments, ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``; whatever is written
between them by hand is lost. What each name means is said below, one function a name.

    python docs/generate.py            write
    python docs/generate.py --check    write nothing; exit code 1 if something is out of date
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.main
import yaml

from wheeltapper import config, detectors, tables
from wheeltapper import plants as plant_files
from wheeltapper.cli import app
from wheeltapper.plugins import DETECTORS, INSTALLED, KINDS
from wheeltapper.reporting.catalogue import CATALOGUE

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FIGURES = ROOT / "benchmarks" / "results"
_PART = re.compile(r"<!-- generated: (?P<name>[a-z_ ]+) -->\n.*?<!-- end of (?P=name) -->", re.DOTALL)
_MARK = re.compile(r"<!-- generated: (?P<name>.+?) -->")


def results(name: str = "run") -> Any:
    """Return what a benchmark has measured: ``run`` for ``benchmarks/run.py``."""
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))


def plants_run(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs of plants among the results, the pump station first."""
    runs = [part for part in found.values() if isinstance(part, dict) and "leaderboard" in part]
    return sorted(runs, key=lambda run: (run["plant"] != "pump_station", run["plant"]))


# -- parts: one function a name ------------------------------------------------------------------------------------


def printed_pump_station() -> str:
    """Show what a run of the pump station printed, to the letter."""
    return _code(results()["pump_station"]["printed"])


def printed_skab() -> str:
    """Show how a run on the testbed's data ended: leaderboard, verdict, alarm."""
    lines = results()["skab"]["printed"]
    first = next(place for place, line in enumerate(lines) if line.startswith("Leaderboard"))
    last = next(place for place, line in enumerate(lines) if line.startswith("Report"))
    return _code(lines[first:last])


def alarm() -> str:
    """Quote the strongest alarm of the pump station."""
    return f"> {results()['pump_station']['strongest_alarm']}"


def measured() -> str:
    """Show what runs took."""
    found = results()
    about = found["machine"]
    rows = [
        (
            f"`{run['plant']}`",
            f"{run['assets']}",
            f"{run['readings']:,}",
            f"{run['seconds']:.0f} s",
            f"{run['second_run_seconds']:.0f} s",
            "–" if run["peak_mib"] is None else f"{run['peak_mib'] / 1024:.1f} GiB",
            f"{run['home_mib']} MiB",
        )
        for run in plants_run(found)
    ]
    where = f"{about['cores']} cores, {about['system']}, Python {about['python']}"
    table = _table(
        ("plant", "assets", "readings", "first run", "the same again", "peak memory", "written to disk"), rows
    )
    loads = " and ".join(f"{run['load_before']:.1f}" for run in plants_run(found))
    return f"{table}\n\nMeasured on {where}. Load of the machine just before: {loads} (0 is a machine at rest)."


def setup() -> str:
    """Say what an installation took."""
    took = results()["setup"]
    return (
        f"Setting up took {took['seconds'] / 60:.1f} minutes on the machine that is named below: {took['packages']} "
        f"packages, {took['mib'] / 1024:.1f} GiB in `.venv/`. Much of that is downloading."
    )


def commands() -> str:
    """List every command of the command line, with its arguments and options."""
    rows = [(f"`{usage}`", _first_line(command.help)) for usage, command in command_usages()]
    return _table(("command", "does"), rows)


def command_usages() -> Iterator[tuple[str, Any]]:
    """Yield every command of the command line, groups taken apart, as one would type it."""
    yield from _usages("wheeltapper", typer.main.get_command(app))


def _usages(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join([name, *map(_shown, command.params)]).replace(" [] ", " "), command
        return
    for word, one in below.items():
        yield from _usages(f"{name} {word}", one)


def _shown(parameter: Any) -> str:
    """Write a parameter the way that people read it: PLANT, [--start]."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    return f"[{'/'.join([*parameter.opts, *parameter.secondary_opts])}]"


def plants() -> str:
    """List the plants of conf/ and of the folders in it."""
    loaded = {name: plant_files.load(str(path)) for name, path in config.plant_files().items()}
    rows = [
        (f"[`{name}`](../conf/{name}.yaml)", plant.description, f"`{plant.source.name}`")
        for name, plant in loaded.items()
    ]
    return _table(("plant", "what it is", "source"), rows)


def settings() -> str:
    """List what is read from the environment."""
    rows = [
        (
            f"`WHEELTAPPER_{name.upper()}`",
            str(about.description),
            "–" if about.default is None else f"`{about.default}`",
        )
        for name, about in config.Settings.model_fields.items()
    ]
    return _table(("variable", "what it says", "if it is not set"), rows)


def plug_ins() -> str:
    """List every plug-in with the first sentence about it."""
    rows = [
        (
            f"`{kind.package.removeprefix('wheeltapper.').replace('.', '/')}/`",
            f"`{name}`",
            _first_line(INSTALLED.module(kind, name).__doc__),
        )
        for kind in KINDS
        for name in INSTALLED.names(kind)
    ]
    return _table(("folder", "name", "what it is"), rows)


def presets() -> str:
    """List every detector's presets with what they stand for."""
    rows = [
        (f"`{name}`", f"`{preset}`", ", ".join(f"`{option}: {_yaml(value)}`" for option, value in options.items()))
        for name in INSTALLED.names(DETECTORS)
        for preset, options in detectors.load(name).presets.items()
    ]
    return _table(("detector", "preset", "options"), rows)


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("...\n").strip()


def the_figures() -> str:
    """List every figure of the report with its question, from the report's own catalogue."""
    rows = [(f"`{one.name}`", one.answers, one.needs, one.known_as, one.rows) for one in CATALOGUE]
    return _table(("figure", "question that it answers", "needs", "elsewhere called", "rows"), rows)


def the_tables() -> str:
    """List every table with its key and columns."""
    rows = [
        (f"`{table.name}`", ", ".join(f"`{column}`" for column in table.key), _columns(table))
        for table in tables.TABLES.values()
    ]
    return _table(("table", "key", "further columns"), rows)


def _columns(table: tables.Table) -> str:
    own = [f"`{column.name}`" for column in table.columns if column.name not in table.key]
    more = {"readings": ["the sensors"], "features": ["the features"]}.get(table.name, [])
    return ", ".join([*own, *more])


def speed() -> str:
    """Show what features cost beside tsfresh and tsflex, on the same windows in one run."""
    found = results("features")
    rows = [
        _speed_row(f"minimal, 10 features, windows of {length}", found["minimal"][length])
        for length in sorted(filter(str.isdigit, found["minimal"]), key=int)
    ]
    whole = found["efficient"]
    (length,) = [key for key in whole if key.isdigit()]
    rows.append(_speed_row(f"efficient, {whole['features']} features, windows of {length}", whole[length]))
    headers = ("features", "ours, µs a window", "tsfresh's `extract_features`", "tsflex", "largest difference")
    share = f"{whole['with_a_kernel']} of the {whole['features']} efficient features have a kernel of our own."
    return f"{_table(headers, rows)}\n\n{share} One core, {_where(found)}."


def _speed_row(name: str, line: dict[str, Any]) -> tuple[str, ...]:
    peers = [
        f"{line[peer]['microseconds']:,.0f} µs, {line[peer]['ratio']:,.0f} × as long"
        for peer in ("extract_features", "tsflex")
    ]
    return (
        name,
        f"{line['ours']['microseconds']:.3g}",
        *peers,
        f"{line['extract_features']['difference']['largest']:.1g}",
    )


def growth() -> str:
    """Show what minimal features of growing tables cost."""
    found = results("features")
    rows = [
        (
            f"{one['readings']:,}",
            f"{one['feature_rows']:,}",
            f"{one['core_seconds_per_million']:.1f} s",
            f"{one['peak_mib']:,.0f} MiB",
        )
        for one in sorted(
            (one for size, one in found["growth"].items() if size.isdigit()), key=lambda one: one["readings"]
        )
    ]
    return _table(("readings", "feature rows", "core time a million readings", "peak memory"), rows)


def scoring() -> str:
    """Show what scoring costs beside scikit-learn, Keras and LiteRT, on the same rows in one run."""
    found = results("scoring")
    lines = [(f"isolation forest, {one['trees']} trees", one) for one in found["forest"]]
    lines += [("autoencoder", one) for one in found["autoencoder"]]
    rows = [_scoring_row(name, one) for name, one in lines]
    rows += [_scoring_row(f"the whole bundle, {one['detector']}", one) for one in found["bundle"]]
    table = _table(("detector", "rows", "ours, ms", "95 % within", "others", "largest difference"), rows)
    return f"{table}\n\n{_medians(found)} Load just before: {found['load_before']}."


def _scoring_row(name: str, line: dict[str, Any]) -> tuple[str, ...]:
    peers = {who: line[who] for who in ("scikit-learn", "keras", "litert") if who in line}
    titles = {"scikit-learn": "scikit-learn", "keras": "Keras", "litert": "LiteRT"}
    others = [
        f"{titles[who]} {one['median_ms']:.2g} ms, {_times(one['ratio'])} × as long" for who, one in peers.items()
    ]
    worst = max((one["difference"] for one in peers.values()), default=None)
    return (
        name,
        f"{line['rows']:,}",
        f"{line['ours']['median_ms']:.2g}",
        f"{line['ours']['p95_ms']:.2g}",
        "; ".join(others) or "–",
        "–" if worst is None else f"{worst:.1g}",
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def scored() -> str:
    """Say in one sentence what scoring takes."""
    found = results("scoring")
    lines = [(f"{one['trees']} trees", one) for one in found["forest"] if one["trees"] == 200]
    lines += [("the autoencoder", one) for one in found["autoencoder"]]
    told = "; ".join(
        f"{one['rows']:,} row{'s' * (one['rows'] > 1)} through {name} {one['ours']['median_ms']:.2g} ms"
        for name, one in lines
    )
    return (
        f"What scoring takes in process: {told}. {_medians(found)} Load just before: {found['load_before']}. "
        "[Beside scikit-learn, Keras and LiteRT](features.md#what-scoring-costs)."
    )


def _medians(found: dict[str, Any]) -> str:
    return f"Medians of {found['calls']} calls with {found['features']} features, in time of one core; {_where(found)}."


def quality() -> str:
    """Show how well the default configuration detects, beside plain baselines on the same windows."""
    rows = [
        (
            one["plant"],
            one["champion"],
            _share(one[look]["vus_pr"]),
            _share(one[look]["random"]),
            _share(one[look]["best_plain"]),
            f"{one[look]['closed']:.0%}",
            _share(one[look]["best_in_hindsight"]),
            look.replace("_", " "),
        )
        for one in results("quality")
        for look in ("test", "after_calibration")
        if one[look]["vus_pr"] is not None
    ]
    headers = (
        "plant",
        "picked",
        "VUS-PR",
        "random",
        "best plain baseline",
        "of the way from it to 1",
        "best candidate in hindsight",
        "looked at",
    )
    return _table(headers, rows)


def _share(value: float) -> str:
    """Return a figure of at most 1, finer where it is so near to it that two digits would round it up."""
    return f"{value:.2f}" if value < 0.995 else f"{value:.4f}"


def budgets() -> str:
    """Show how often achieved false alarms lay in the promised interval, and what half a budget leaves of them."""
    rows = [
        (
            one["type"],
            one["detector"],
            f"{one['budget']:g}",
            f"{one['achieved']:.2f}",
            f"{one['promised_low']:.2f} to {one['promised_high']:.2f}",
            f"{one['inside']} of {one['years']}",
            "–" if one["halved"] is None else f"{one['halved']:.0%}",
        )
        for one in results("budget")["lines"]
    ]
    headers = (
        "machines",
        "detector",
        "budget a week",
        "achieved",
        "promised, on average",
        "years inside",
        "alarms left of those at twice this budget",
    )
    return _table(headers, rows)


def ablations() -> str:
    """Show what regimes, feature sets and sampling are worth on the pump station."""
    found = results("ablations")
    rows = [
        (
            study,
            line["variant"],
            f"{line['found']} of {line['faults']}",
            _spread(line["vus_pr"], ".3f"),
            _spread(line["false_alarms_per_week"], ".2f"),
            _spread(line["delay_minutes"], ".0f"),
        )
        for study, lines in found["studies"].items()
        for line in lines
    ]
    seeds = ", ".join(str(seed) for seed in found["seeds"])
    table = _table(("study", "variant", "found", "VUS-PR", "false alarms a week", "delay, min"), rows)
    return f"{table}\n\nDetector {found['detector']}, seeds {seeds}, mean ± standard deviation."


def _spread(mean_and_sd: tuple[float | None, float | None], form: str) -> str:
    mean, sd = mean_and_sd
    return "–" if mean is None else f"{mean:{form}}" if sd is None else f"{mean:{form}} ± {sd:{form}}"


def _where(found: dict[str, Any]) -> str:
    about = found["machine"]
    return f"{about['cores']} cores in all, {about['system']}, Python {about['python']}"


def rooms() -> str:
    """List the rooms of the house in the order of their imports, the top one first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    outer, inner = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = [(f"`{name}/`", _about(ROOT / name / "__init__.py")) for name in outer if name != "wheeltapper"]
    for layer in inner:
        places = [ROOT / "wheeltapper" / name for name in layer.split(" | ")]
        names = [f"`wheeltapper/{place.name}{'/' if place.is_dir() else '.py'}`" for place in places]
        about = [_about(place / "__init__.py" if place.is_dir() else place.with_suffix(".py")) for place in places]
        rows.append(("<br>".join(names), "<br>".join(about)))
    return _table(("room", "what it does"), rows)


def _about(module: Path) -> str:
    """Return the first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return _first_line(docstring)


PARTS: dict[str, Callable[[], str]] = {
    "printed pump_station": printed_pump_station,
    "printed skab": printed_skab,
    "alarm": alarm,
    "measured": measured,
    "setup": setup,
    "commands": commands,
    "plants": plants,
    "settings": settings,
    "plug_ins": plug_ins,
    "presets": presets,
    "tables": the_tables,
    "figures": the_figures,
    "rooms": rooms,
    "speed": speed,
    "growth": growth,
    "scoring": scoring,
    "scored": scored,
    "quality": quality,
    "budgets": budgets,
    "ablations": ablations,
}


# -- writing -------------------------------------------------------------------------------------------------------


def _first_line(text: str | None) -> str:
    """Return the first sentence of a docstring, in one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split()).replace("|", "\\|")


def _table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headers, tuple("---" for _ in headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _code(lines: list[str]) -> str:
    return "\n".join(["```text", *lines, "```"])


def fill(text: str, document: str) -> str:
    """Return a document with all its parts written anew.

    Raises
    ------
    SystemExit
        If a part has no end, or a name that nobody knows.
    """
    whole = [match["name"] for match in _PART.finditer(text)]
    named = [match["name"] for match in _MARK.finditer(text)]
    if whole != named or not set(named) <= set(PARTS):
        sys.exit(f"{document}: the parts are {named}, of which {whole} have an end; known are {sorted(PARTS)}")
    return _PART.sub(
        lambda match: f"<!-- generated: {match['name']} -->\n{PARTS[match['name']]()}\n<!-- end of {match['name']} -->",
        text,
    )


def stale() -> dict[Path, str]:
    """Return the documents that are out of date, with the text that they should have."""
    found = {}
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        new = fill(text, path.name)
        if new != text:
            found[path] = new
    return found


def main() -> None:
    """Write, or only check."""
    late = stale()
    if "--check" in sys.argv[1:]:
        if late:
            sys.exit(f"out of date: {', '.join(str(path.relative_to(ROOT)) for path in late)}. Run: make docs")
        return
    for path, text in late.items():
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
