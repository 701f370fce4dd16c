"""An engine for the calls of many tests at once, each with a key: what one does, no other sees."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from tapehead.answers import Answer, Engine, Outcome
from tapehead.errors import UsageError
from tapehead.protocol.cors import allow_key_header
from tapehead.protocol.messages import Request
from tapehead.protocol.request_key import NO_KEY, KeyedRequest, RequestKey, keep_prefix, strip_key
from tapehead.protocol.responses import failure
from tapehead.protocol.routes import SESSION_CREATED, sid_of_location
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.simulator.faults import MOST_COUNTED, Fault, FaultInjector, Latency, fault_text

# Beyond these, the least recently used key goes: its next call begins anew, while its sessions go on by their ids.
MOST_KEYS = 1_000
# The number of sessions whose key is remembered.
MOST_SESSIONS = 100_000
MOST_FAULTS = 1_000


@runtime_checkable
class KeyableEngine(Protocol):
    """An engine that gives others with the same settings, and without anything that it has seen."""

    def for_key(self, key: str) -> Engine:
        """Return the engine of a key."""
        ...

    def has_session(self, sid: str) -> bool:
        """Return whether it opened a session, and remembers it."""
        ...


class ActiveFault(NamedTuple):
    """A fault that is set.

    Attributes:
        number: its number in this run.
        fault: the fault.
        key: the key whose calls it affects; None for all calls.
    """

    number: int
    fault: Fault
    key: str | None

    @property
    def text(self) -> str:
        """The fault as written on the command line."""
        return fault_text(self.fault)


class _KeyEngine(NamedTuple):
    """The engine of a key, as it answers and without the faults."""

    faulty: FaultInjector
    inner: Engine


class KeyedEngine:
    """An engine that answers the calls of each key from an engine of its own.

    Events without a key belong to the key of their session. All methods may be called in any thread.

    Args:
        engine: answers calls without a key, and gives the engines of keys. One that cannot do that answers all calls.
        faults: the faults to inject into the answers to all calls.
        latency: the delay of every answer; None for none.
        chance: returns a number from 0 to 1 for each latency between two limits; the middle if left out.
        lock: held while the engine works, and taken again meanwhile; none if left out, for a single thread.

    Attributes:
        faults_injected: the number of answers that a fault changed.
        lock: as given.
    """

    def __init__(
        self,
        engine: Engine,
        faults: Sequence[Fault] = (),
        latency: Latency | None = None,
        chance: Callable[[], float] = lambda: 0.5,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.faults_injected = 0
        self._latency = latency
        self._chance = chance
        self.lock = lock or nullcontext()
        self._numbers = len(faults)
        self._faults = tuple(ActiveFault(number, fault, None) for number, fault in enumerate(faults, start=1))
        self._counted = EntryLimit(MOST_COUNTED)
        self._root = engine
        # What was loaded for a key.
        self._roots: dict[str, Engine] = {}
        self._default = self._wrap("", engine)
        self._engines: OrderedDict[str, _KeyEngine] = OrderedDict()
        self._keys: dict[str, str] = {}
        self._sessions = EntryLimit(MOST_SESSIONS)

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to a request that arrived at `now`, in seconds since 1970."""
        return self.answer_keyed(strip_key(request), now)

    def answer_keyed(self, keyed: KeyedRequest, now: float) -> Answer:
        """Return the answer to a request whose key was taken out of it."""
        request, named = keyed
        if named.problem and request.method != "OPTIONS":  # a page reads no answer to a preflight
            return Answer(response=failure(400, named.problem, now), reason=named.problem)
        with self.lock:
            if named is NO_KEY and not self._keys:  # as most calls are
                plain = self._default.faulty.answer(request, now)
                self.faults_injected += plain.outcome is Outcome.FAULT
                return plain
            key = named.key or (self._key_of_session(request) if self._keys else "")
            if named.key and (answer := self._refuse_foreign(request, named.key, now)):
                return self.with_key(answer, named)
            answer = self._engine_of(key).faulty.answer(request, now)
            self.faults_injected += answer.outcome is Outcome.FAULT
            return self.with_key(msgspec.structs.replace(answer, key=key) if key else answer, named)

    def with_key(self, answer: Answer, named: RequestKey) -> Answer:
        """Return an answer as its key and the request's way to name it need it; also one that was forwarded."""
        if not (answer.key or named.prefix or named.asks):
            return answer
        with self.lock:
            return self._with_key(answer, answer.key, named)

    def _with_key(self, answer: Answer, key: str, named: RequestKey) -> Answer:
        response = answer.response
        if response and named.asks:
            response = response.with_headers(allow_key_header(response.headers))
        location = response.header("Location") if response and response.status == SESSION_CREATED else None
        if response and location and (sid := sid_of_location(location)):
            if key and sid not in self._keys:
                self._sessions.make_room(self._keys, sid)
            if key:
                self._keys[sid] = key
            if named.prefix:
                headers = response.headers
                kept = [(n, keep_prefix(v, named.prefix) if n.lower() == "location" else v) for n, v in headers]
                response = response.with_headers(kept)
        return msgspec.structs.replace(answer, response=response)

    def _refuse_foreign(self, request: Request, key: str, now: float) -> Answer | None:
        """Return the answer to an event of a session that does not belong to its key, as if there were none."""
        route = request.route if request.method != "OPTIONS" else None
        if route is None or route.sid is None:
            return None
        owner, unkeyed = self._keys.get(route.sid), self._default.inner
        if owner == key:
            return None
        if owner is None and not (isinstance(unkeyed, KeyableEngine) and unkeyed.has_session(route.sid)):
            return None
        note = f"the session belongs to {f"the key '{owner}'" if owner else 'calls without a key'}"
        response = failure(404, f"there is no session {route.sid} of the key '{key}': {note}", now)
        return Answer(response=response, reason=note, key=key)

    def _key_of_session(self, request: Request) -> str:
        route = request.route
        return self._keys.get(route.sid, "") if route and route.sid else ""

    # ---- Keys ----

    def _engine_of(self, key: str) -> _KeyEngine:
        """Return the engine of a key, which is now the most recently used one."""
        if not key:
            return self._default
        if known := self._engines.get(key):
            self._engines.move_to_end(key)
            return known
        made = self._engines[key] = self._wrap(key, self._new_engine(key))
        if len(self._engines) > MOST_KEYS:
            oldest, _ = self._engines.popitem(last=False)
            self._roots.pop(oldest, None)
            self._faults = tuple(fault for fault in self._faults if fault.key != oldest)
        return made

    def _new_engine(self, key: str) -> Engine:
        root = self._roots.get(key, self._root)
        return root.for_key(key) if isinstance(root, KeyableEngine) else root

    def _wrap(self, key: str, engine: Engine) -> _KeyEngine:
        faulty = FaultInjector(engine, (), self._latency, self._chance, self._counted)
        faulty.set_faults(self._faults_of(key))
        return _KeyEngine(faulty, engine)

    def engine_of(self, key: str) -> Engine:
        """Return the engine of a key; of one without calls, a new one that is not kept."""
        known = self.engines().get(key)
        return self._new_engine(key) if known is None else known

    def engines(self) -> dict[str, Engine]:
        """Return the engines by their keys, the least recently used first; that of calls without a key is at ""."""
        with self.lock:
            return {"": self._default.inner} | {key: engine.inner for key, engine in self._engines.items()}

    def reset(self, key: str | None = None) -> None:
        """Let a key begin anew, with its faults and its recordings; all of them if it is None."""
        with self.lock:
            if not key:
                self._default = self._wrap("", self._new_engine(""))
            if key is None:
                self._engines.clear()
                self._keys.clear()
            else:
                self._engines.pop(key, None)

    def forget(self, key: str) -> None:
        """Forget a key: its calls, its faults, and what was loaded for it."""
        with self.lock:
            self._engines.pop(key, None)
            self._roots.pop(key, None)
            self._set_faults(tuple(fault for fault in self._faults if fault.key != key))

    def replace(self, engine: Engine, key: str | None = None) -> None:
        """Answer from another engine from now on: the calls of one key, or of all keys without one of their own."""
        with self.lock:
            if key is None:
                self._root = engine
                for other in [each for each in self._engines if each not in self._roots]:
                    del self._engines[other]
                if "" not in self._roots:
                    self._default = self._wrap("", engine)
                return
            self._roots[key] = engine
            if key:
                self._engines.pop(key, None)
                self._engine_of(key)
            else:
                self._default = self._wrap("", engine)

    def root_of(self, key: str | None) -> Engine:
        """Return what the engine of a key is made from, or those of all keys without one of their own if it is None."""
        return self._root if key is None else self._roots.get(key, self._root)

    def roots(self) -> list[Engine]:
        """Return what the engines of the keys were made from."""
        with self.lock:
            return [self._root, *self._roots.values()]

    # ---- Faults ----

    @property
    def faults(self) -> tuple[ActiveFault, ...]:
        """The faults that are set, in the order of their numbers."""
        return self._faults

    def add_fault(self, fault: Fault, key: str | None = None) -> ActiveFault:
        """Inject another fault: into the answers to the calls of a key, or to all calls if it is None.

        It counts from now on. The faults of a key come before those of all calls.

        Raises:
            UsageError: there are too many.
        """
        with self.lock:
            if len(self._faults) >= MOST_FAULTS:
                raise UsageError(f"cannot set more than {MOST_FAULTS} faults; remove some first")
            self._engine_of(key or "")
            self._numbers += 1
            added = ActiveFault(self._numbers, fault, key)
            self._set_faults((*self._faults, added))
            return added

    def remove_fault(self, number: int) -> ActiveFault:
        """Remove a fault and return it.

        Raises:
            UsageError: there is no fault with that number.
        """
        with self.lock:
            removed = next((fault for fault in self._faults if fault.number == number), None)
            if removed is None:
                known = ", ".join(str(fault.number) for fault in self._faults) or "none"
                raise UsageError(f"no fault has the number {number}; set are: {known}")
            self._set_faults(tuple(fault for fault in self._faults if fault is not removed))
            return removed

    def _set_faults(self, faults: tuple[ActiveFault, ...]) -> None:
        self._faults = faults
        self._default.faulty.set_faults(self._faults_of(""))
        for key, engine in self._engines.items():
            engine.faulty.set_faults(self._faults_of(key))

    def _faults_of(self, key: str) -> Mapping[int, Fault]:
        own = (fault for fault in self._faults if fault.key == key)
        everywhere = (fault for fault in self._faults if fault.key is None)
        return {each.number: each.fault for faults in (own, everywhere) for each in faults}


def keyed(engine: Engine) -> KeyedEngine:
    """Return an engine as one with keys; one that has them already is returned as it is."""
    return engine if isinstance(engine, KeyedEngine) else KeyedEngine(engine)
