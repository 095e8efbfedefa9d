"""The host of one task, in memory: takes requests as a task's socket does and answers them by the same rules."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from io import RawIOBase
from urllib.parse import parse_qsl, unquote

from leasehold.errors import LeaseholdError, UndeclaredError
from leasehold.runtime.in_memory.calls import Answer, Calls, Query
from leasehold.runtime.in_memory.files import KEPT
from leasehold.runtime.in_memory.given import FIELDS, Given, refusal
from leasehold.runtime.in_memory.kept import Kept, StateCalls
from leasehold.runtime.in_memory.runs import Reader, RunCalls
from leasehold.runtime.in_memory.told import LogRecord, Metric, Told
from leasehold.runtime.in_memory.xcoms import RESULT_KEY as RESULT_KEY
from leasehold.runtime.in_memory.xcoms import XComCalls
from leasehold.runtime.rules import asking, telling
from leasehold.runtime.rules.endings import said
from leasehold.runtime.rules.limits import longest_body, too_large
from leasehold.runtime.rules.masking import SecretTooShortError
from leasehold.runtime.rules.refusals import RefusedRequestError
from leasehold.runtime.rules.secret_answers import secrets_in
from leasehold.runtime.rules.waiting import skipped


class LocalHost:
    """An attempt host without an attempt: no directory, no agent, no API.

    ``leasehold.runtime.host.Host`` leads to it as it leads to a socket, with ``request``.

    Attributes:
        told: What the task has told so far.
    """

    def __init__(
        self,
        given: Given,
        *,
        context: Mapping[str, object] | None,
        upstream: Collection[str] = (),
        id_tokens: Collection[str] | None = None,
        dags: Collection[str] | None = None,
        triggers: Collection[str] | None = None,
        told: Told | None = None,
        kept: Kept | None = None,
    ) -> None:
        """Make a host.

        Args:
            given: What the API would answer.
            context: The task's ``TaskContext``, as JSON; None where no task is running, which declares nothing and
                may ask for anything.
            upstream: The tasks that this one waits for.
            id_tokens: The audiences that it declared; None: any.
            dags: The other DAGs whose runs it declared to look at; None: any.
            triggers: The DAGs that it declared to start runs of; None: any.
            told: Where to keep what the task tells.
            kept: What it keeps across its tries.
        """
        self.told = told or Told()
        self._given = given
        self._context = context
        self._id_tokens = id_tokens
        self._turn = threading.RLock()
        reader = _reader(context or {}, dags, triggers)
        self._calls: Calls = {
            "/v1/context": {"GET": self._who_it_is},
            "/v1/connections/": {"GET": self._connection},
            "/v1/variables": {"GET": self._variable_keys},
            "/v1/variables/": {"GET": self._variable, "PUT": self._set_variable, "DELETE": self._delete_variable},
            "/v1/id-token": {"POST": self._id_token},
            **XComCalls(self.told, given.left, context=context, upstream=upstream).calls(),
            **StateCalls(self.task, Kept() if kept is None else kept).calls(),
            **RunCalls(reader, given.runs).calls(),
            "/v1/heartbeat": {"POST": self._heartbeat},
            "/v1/label": {"POST": self._label},
            "/v1/metrics": {"POST": self._metrics},
            "/v1/log": {"POST": self._log},
            "/v1/mask": {"POST": self._mask},
            "/v1/ending": {"PUT": self._ending},
            "/v1/skip-downstream": {"POST": self._skip_downstream},
        }

    @property
    def task(self) -> str:
        """The task's id; empty where none is running."""
        return str((self._context or {}).get("task", ""))

    def request(
        self, method: str, path: str, body: bytes = b"", *, timeout_s: float = 0.0, wait_s: float | None = None
    ) -> tuple[int, bytes]:
        """Answer one request of the task protocol with (status, body). Nothing is ever waited for.

        Args:
            method: The HTTP method.
            path: The path, percent-encoded, with its query.
            body: JSON text, or nothing.
            timeout_s: Not used: the answer is there at once.
            wait_s: How long the task would wait for the API.
        """
        del timeout_s
        try:
            with self._turn:
                answer = self._answer(method, path, body)
                self._mask_secrets_of(path, answer)
        except RefusedRequestError as refused:
            return _problem(refused)
        except LeaseholdError as problem:
            return _problem(refusal(problem, asking.READ_WAIT_S if wait_s is None else wait_s))
        return (204, b"") if answer is None else (200, json.dumps(answer, ensure_ascii=False).encode())

    def keep_file(self, read: Callable[[int], bytes], size: int) -> Mapping[str, object]:
        """Keep a file that the task pushes."""
        return KEPT.keep(read, size)

    def open_file(self, sha256: str) -> RawIOBase:
        """Return the bytes of a file that a task pushed."""
        return KEPT.open(sha256)

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, method: str, target: str, body: bytes) -> Answer:
        quoted, _, query = target.partition("?")
        path = unquote(quoted)
        limit = longest_body(method, quoted)
        if len(body) > limit:
            raise too_large(limit)
        for known, methods in self._calls.items():
            rest = path.removeprefix(known) if known.endswith("/") else ""
            if path == known + rest and (rest or not known.endswith("/")):
                if method not in methods:
                    raise asking.wrong_method(path, method, *methods)
                return methods[method](rest, dict(parse_qsl(query, keep_blank_values=True)), body)
        raise asking.no_such_call(path)

    def _who_it_is(self, _: str, __: Query, ___: bytes) -> Answer:
        if self._context is None:
            detail = "no task is running here, so that there is no context: pass in what the code needs"
            raise RefusedRequestError(422, "invalid_request", detail)
        return self._context

    def _connection(self, name: str, _: Query, __: bytes) -> Answer:
        self._check_declared("connection", name)
        fields = self._given.connection(name)
        return {"id": name, **{field: fields.get(field) for field in FIELDS}, "extra": fields.get("extra") or {}}

    def _variable(self, key: str, _: Query, __: bytes) -> Answer:
        self._check_declared("variable", key)
        return {"key": key, "value": self._given.variable(key)}

    def _variable_keys(self, _: str, query: Query, __: bytes) -> Answer:
        prefix, declared = query.get("prefix", ""), (self._context or {"variables": ["*"]}).get("variables")
        if not isinstance(declared, list | tuple) or not declared:
            raise asking.undeclared(self.task, "variable", f"{prefix}*")
        patterns = [str(one) for one in declared]
        return {"items": [key for key in self._given.variable_keys(prefix) if asking.declares(patterns, key)]}

    def _set_variable(self, key: str, _: Query, body: bytes) -> Answer:
        self._check_declared("variable", key)
        self._given.set_variable(key, asking.variable_write(body)["value"])
        return None

    def _delete_variable(self, key: str, _: Query, __: bytes) -> Answer:
        self._check_declared("variable", key)
        self._given.delete_variable(key)
        return None

    def _id_token(self, _: str, __: Query, body: bytes) -> Answer:
        audience = asking.audience(body)
        if self._id_tokens is not None and audience not in self._id_tokens:
            raise UndeclaredError(
                f'task {self.task} did not declare the audience {audience!r}: add id_tokens=["{audience}"] to the task'
            )
        token = self._given.id_token(audience)
        return {"token": token, "audience": audience, "expires_at": "2100-01-01T00:00:00Z"}

    def _heartbeat(self, _: str, __: Query, body: bytes) -> Answer:
        self.told.progress, note = telling.heartbeat(body)
        self.told.note = None if note is None else self.told.secrets.mask(note)
        return None

    def _label(self, _: str, __: Query, body: bytes) -> Answer:
        self.told.label = self.told.secrets.mask(telling.label(body))[: telling.LONGEST_LABEL]
        return None

    def _metrics(self, _: str, __: Query, body: bytes) -> Answer:
        points = [telling.metric(value) for value in telling.one_or_more(body)]
        for point in points:
            point["tags"] = self.told.secrets.mask_json(point["tags"])
        self.told.metrics.extend([Metric(**point) for point in points])  # type: ignore[arg-type]  # just checked
        return None

    def _log(self, _: str, __: Query, body: bytes) -> Answer:
        mask = self.told.secrets
        for at, level, message, fields in [telling.log_record(value) for value in telling.one_or_more(body)]:
            shown = mask.mask_json(fields)
            facts = shown if isinstance(shown, dict) else {}
            self.told.log.append(LogRecord(at=at, level=level, message=mask.mask(message), fields=facts))
        return None

    def _mask(self, _: str, __: Query, body: bytes) -> Answer:
        telling.add_secret(body, self.told.secrets)
        return None

    def _ending(self, _: str, __: Query, body: bytes) -> Answer:
        self.told.said = said(body, runs_for_s=0.0)
        return None

    def _skip_downstream(self, _: str, __: Query, body: bytes) -> Answer:
        if self._context is None:
            detail = "no task is running here, so that there is nothing downstream to skip"
            raise RefusedRequestError(422, "invalid_request", detail)
        downstream = self._context.get("downstream")
        names = downstream if isinstance(downstream, list | tuple) else ()
        self.told.skip = skipped(body, task=self.task, downstream=[str(name) for name in names])
        return None

    def _mask_secrets_of(self, path: str, answer: Answer) -> None:
        for secret in secrets_in(path, answer):
            with suppress(SecretTooShortError, UnicodeEncodeError):
                self.told.secrets.add(secret)

    def _check_declared(self, kind: str, name: str) -> None:
        if self._context is None:
            return
        declared = self._context.get(f"{kind}s")
        if not isinstance(declared, list | tuple) or not asking.declares([str(one) for one in declared], name):
            raise asking.undeclared(self.task, kind, name)


def _problem(refused: RefusedRequestError) -> tuple[int, bytes]:
    return refused.status, json.dumps(refused.problem()).encode()


def _reader(context: Mapping[str, object], dags: Collection[str] | None, triggers: Collection[str] | None) -> Reader:
    found = context.get("run")
    run: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    index = context.get("map_index")
    return Reader(
        task=str(context.get("task", "")),
        task_instance=str(context.get("task_instance", "")),
        run=str(run.get("run", "")),
        dag=str(run.get("dag", "")),
        logical_date=str(run.get("logical_date", "")),
        map_index=index if isinstance(index, int) else -1,
        dags=dags,
        triggers=triggers,
    )
