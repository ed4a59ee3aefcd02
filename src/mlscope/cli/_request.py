"""From flags to a Request: one mapping for all commands that measure."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlscope.cli._declare import FlagGroup
from mlscope.cli._flags import Globals, ModelFlags
from mlscope.cli._load_flags import LoadFlags
from mlscope.cli._quiet_flags import QuietFlags
from mlscope.cli._terminal import warn
from mlscope.cli._values import comma_list
from mlscope.cli._workload_flags import MaxQpsFlags, WorkloadFlags
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from mlscope.plan import Request

__all__ = ["make_request", "model_axes"]


def model_axes(model: ModelFlags, file: Path | None, random_inputs: bool) -> list[dict[str, str | None]]:
    """The models of a command that also takes a model file without a manifest, each as a field of the request.

    Raises:
        UsageError: The file cannot be run, or models are named besides.
    """
    if file is None:
        return model.axes()
    if not random_inputs:
        raise UsageError(
            f"{file} is a model without a manifest",
            hint="add --random-inputs, or give --model-name a manifest (mlscope manifest init writes one)",
        )
    for name, other in (("--model-name", ",".join(model.model_names)), ("--weights-tags", model.weights_tags)):
        if other:
            raise UsageError(f"two models: {file} and {name} {other}", hint="leave one of them out")
    return [{"model_name": str(file)}]


def make_request(
    command: str,
    groups: Sequence[FlagGroup],
    flags: Globals,
    *,
    load: LoadFlags | None = None,
    workload: WorkloadFlags | MaxQpsFlags | None = None,
    **more: Any,
) -> Request:
    """A request from groups of flags, whose fields have the request's names.

    Args:
        command: As in :class:`mlscope.plan.Request`.
        groups: Flags of the command.
        flags: The global ones.
        load: The LoadGen test of ``benchmark``.
        workload: The requests of ``predict workload`` and ``max-qps``.
        more: Fields that are no flags (``urls``) or that the command changes; they count last.

    Raises:
        UsageError: A value is out of its range; the message names the flag.
    """
    from pydantic import ValidationError

    from mlscope.cli._databases import check_local
    from mlscope.plan import LoadRequest, Request, WorkloadRequest

    values: dict[str, Any] = {"command": command, "secret": flags.secret, "offline": flags.local}
    for group in groups:
        values |= group.values()
    values |= more
    if "trace_level" in values:
        values |= _levels(values["trace_level"], values.get("experiment"))
    _check_tracer(values)
    if values.get("publish_predictions") and not values.get("publish"):
        warn("--publish-predictions has no effect without --publish")
    wait_s = QuietFlags().quiet_timeout_s
    if values.get("quiet_timeout_s", wait_s) != wait_s and not values.get("require_quiet"):
        warn("--quiet-timeout has no effect without --require-quiet")
    check_local(values.get("database_address"), flags)
    try:
        if load is not None:
            values["load"] = LoadRequest(**load.values())
        if workload is not None:
            values["workload"] = WorkloadRequest(**workload.values())
        return Request(**values)
    except ValidationError as error:
        raise _explained(error, [*groups, *(each for each in (load, workload) if each)]) from error


def _check_tracer(values: dict[str, Any]) -> None:
    """What is no address is an error at once; what can have no effect is said.

    Raises:
        UsageError: It is no address.
    """
    from mlscope.traces import parse_tracer

    if not values.get("tracer_address"):
        values["tracer_address"] = None
        return
    parse_tracer(values["tracer_address"])
    if not values.get("record", True) or values.get("trace_level") == "NO_TRACE":
        without = "--no-record" if not values.get("record", True) else "--trace-level NO_TRACE"
        warn(f"--tracer-address has no effect with {without}: there are no spans to send")


def _levels(text: str, experiment: str | None) -> dict[str, str | None]:
    """The first of the trace levels, and the experiment that several of them make."""
    from mlscope.plan import parse_trace_level
    from mlscope.results import new_id

    found = [parse_trace_level(name) for name in comma_list([text]) or ("",)]
    if len(set(found)) > 1 and experiment is None:
        experiment = f"levels-{new_id()[:12]}"
    return {"trace_level": found[0].name, "experiment": experiment}


def _explained(error: ValidationError, groups: Sequence[FlagGroup]) -> UsageError:
    """The first fault, told by its flag's name."""
    fault = error.errors(include_url=False)[0]
    field = str(fault["loc"][0]) if fault["loc"] else ""
    message = fault["msg"]
    return UsageError(
        f'"{fault["input"]}" cannot be used: {message[:1].lower()}{message[1:]}', where=_flag_of(field, groups)
    )


def _flag_of(field: str, groups: Sequence[FlagGroup]) -> str:
    """Today's name of the flag behind a field of the request."""
    for group in groups:
        hints = typing.get_type_hints(type(group), include_extras=True)
        if field in hints:
            names = hints[field].__metadata__[0].name
            return names[0] if names else f"--{field.replace('_', '-')}"
    return field
