"""The mistakes that the world must find: each is one somebody made somewhere, in another system or nearly in this one."""

from __future__ import annotations

from simulators.world.mutants import Edit, Mutant

_DESK = "dispatcher.desk:Desk"
_FOLD = "dispatcher.core.fold:_apply"
_INBOX = "dispatcher.inbox:Inbox"
_INTAKE = "gateway.intake:Intake"
_POST = "dispatcher.alerts.post:Post"

_SCOPE = "dispatcher.console.access:Scope"
_SOUND = "signal.at is None or abs(to_us(signal.at) - received_us) < 10**12"


def _one(name: str, promise: int, says: str, at: str, old: str, new: str) -> Mutant:
    return Mutant(name, promise, says, (Edit(at, old, new),))


MUTANTS: tuple[Mutant, ...] = (
    _one(
        "receipt_before_commit",
        1,
        "devices are told `stored` before anything is",
        f"{_INTAKE}._commit",
        "stored = await self._put(arrivals)",
        "[self._answer(one.line, one.heard, [Outcome(Result.STORED, from_us(self._clock.now_us()))"
        " for _ in one.arrivals]) for one in batch]; stored = await self._put(arrivals)",
    ),
    _one(
        "puback_before_commit",
        1,
        "the broker is told that we have it before it is on disk",
        f"{_INTAKE}.take",
        "        self._queue(waiting)",
        "        waiting.ack is not None and waiting.ack()\n        self._queue(waiting)",
    ),
    _one(
        "busy_told_as_stored",
        1,
        "nothing can be stored, and the device is told that it was",
        f"{_INTAKE}._say_busy",
        "Outcome(Result.BUSY, at)",
        "Outcome(Result.STORED, at)",
    ),
    Mutant(
        "facts_and_marks_apart",
        2,
        "facts are one transaction, the marks on their inputs another",
        (
            Edit(f"{_DESK}._commit", "Do(rows.DECIDED, batch.marks),", ""),
            Edit(
                f"{_DESK}.turn",
                "self._tell(batch, shown)",
                "await self._store.write([Do(rows.DECIDED, batch.marks)]); self._tell(batch, shown)",
            ),
        ),
    ),
    _one(
        "second_press_dropped",
        2,
        "a second press of the same device is taken for a repeat of the first",
        f"{_INBOX}._row",
        '"ref": signal.id',
        '"ref": signal.id if signal.type is not SignalType.PRESS else "press"',
    ),
    Mutant(
        "joins_a_closed_call",
        2,
        "a call that is closed stays in memory, and the next press joins it",
        (
            Edit(
                "dispatcher.ledger:Ledger.put",
                "self.open.pop(call.id, None)\n",
                "self.open[call.id] = call\n        return\n",
            ),
        ),
    ),
    _one(
        "opens_a_second_call",
        2,
        "the open call of the resident is not looked for",
        f"{_DESK}._open_call",
        "if call is not None:",
        "if call is not None and heard.type not in CALLING:",
    ),
    _one(
        "deadline_in_memory_only",
        3,
        "the deadline is kept in memory, its row says some day",
        "dispatcher.desk_rows:row_of",
        '"due_us": due[1] if',
        '"due_us": due[1] + 10**12 if',
    ),
    _one(
        "step_again_after_a_crash",
        3,
        "what was taken last is taken once more after a restart",
        f"{_DESK}.open",
        "await rows.open_calls(self._store)",
        "[replace(call, step=max(0, call.step - 1)) for call in await rows.open_calls(self._store)]",
    ),
    _one(
        "burst_after_an_outage",
        3,
        "what was not rung while we were away is rung all at once",
        "dispatcher.core.escalate:_ring_again",
        "next_us = draft.now_us + pause_us",
        'next_us = call.deadlines.get("step", draft.now_us) + pause_us',
    ),
    _one(
        "reopened_without_limits",
        3,
        "a call that is opened again need never be closed",
        _FOLD,
        "deadlines = {Due.STEP: fact.next_us, Due.CLOSE_WITHIN: at_us + us(call.policy.close_within)}",
        "deadlines = {Due.STEP: fact.next_us}",
    ),
    _one(
        "ledger_forgets_at_the_start",
        3,
        "of the open calls only those are read at the start that somebody waits for",
        f"{_DESK}.open",
        "await rows.open_calls(self._store)",
        "[call for call in await rows.open_calls(self._store) if call.accepted is None]",
    ),
    _one(
        "put_back_is_not_noticed",
        3,
        "a clock that is put back puts everything off by as much",
        "dispatcher.put_back:PutBack.due",
        "return self._waited_for(time) if time >= self._next else {}",
        "return {}",
    ),
    _one(
        "accept_leaves_a_summons",
        4,
        "the summons of a call that is accepted stay",
        "dispatcher.alert_rows:withdraw",
        "isinstance(entry.fact, Accepted | Closed)",
        "isinstance(entry.fact, Closed)",
    ),
    _one(
        "accept_leaves_offers",
        4,
        "those who were asked too are still asked after the accept",
        _FOLD,
        "offers = _withdrawn(call, but=fact.station)",
        "offers = call.offers",
    ),
    _one(
        "accept_leaves_the_step",
        4,
        "the next step comes although somebody took it",
        _FOLD,
        "_without(d, Due.STEP, Due.EN_ROUTE_WITHIN, Due.REPRESS_WITHIN, **new)",
        "_without(d, Due.EN_ROUTE_WITHIN, Due.REPRESS_WITHIN, **new)",
    ),
    _one(
        "two_accepts_both_win",
        4,
        "whoever accepts last has it",
        "dispatcher.core.steps:_accept",
        "if call.accepted is not None:",
        "if call.accepted is not None and command.at_us is not None:",
    ),
    _one(
        "summons_not_looked_at_again",
        4,
        "a message in hand is sent without a look at the call",
        f"{_POST}._is_over",
        "return offer is None or offer.state is not OfferState.OFFERED",
        "return False",
    ),
    _one(
        "lapse_is_never_heard",
        5,
        "a holder who does not set out keeps the call",
        "dispatcher.core.escalate:fall_due",
        "lapse(draft, world, kind)",
        "continue",
    ),
    _one(
        "holder_is_given_no_time",
        5,
        "who has accepted must be on the way at once",
        "dispatcher.core.escalate:hand_to",
        "us(draft.now.policy.en_route_within)",
        "us(draft.now.policy.en_route_within) // 10",
    ),
    _one(
        "repress_rings_nobody",
        5,
        "a further press is written down, and rings nowhere",
        "dispatcher.core.decide:_join",
        "rings=tuple(dict.fromkeys(rings)),",
        "rings=(),",
    ),
    _one(
        "repress_lapses_nobody",
        5,
        "whoever holds the call need not hear a further press",
        "dispatcher.core.decide:_join",
        "= draft.now_us + us(call.policy.repress_within)",
        "= None",
    ),
    _one(
        "closed_by_a_timer",
        5,
        "an emergency that took too long closes by itself",
        "dispatcher.core.escalate:fall_due",
        "_overdue(draft, world, Due(kind))",
        "from dispatcher.core.call import Closed, Outcome; draft.add(Closed(by='timer', outcome=Outcome.OTHER))"
        " if kind == 'close_within' else _overdue(draft, world, Due(kind))",
    ),
    _one(
        "silent_after_everyone",
        5,
        "once everybody was asked it rings once more, and then hardly ever",
        "dispatcher.core.escalate:_ring_again",
        "next_us = draft.now_us + pause_us",
        "next_us = draft.now_us + 1000 * pause_us",
    ),
    _one(
        "cancel_stops_the_steps",
        5,
        "the cancel key puts the next step off by an hour",
        _FOLD,
        "return replace(call, cancel_requested=True)",
        "return replace(call, cancel_requested=True, deadlines=_without(d, step=at_us + us(3600)))",
    ),
    _one(
        "nobody_says_why",
        6,
        "the nearer stations that were passed over are not named",
        "dispatcher.core.escalate:_dispatch",
        "passed_over=choice.passed_over",
        "passed_over=()",
    ),
    _one(
        "new_id_for_each_try",
        7,
        "a message that is tried again has another id",
        f"{_POST}._send",
        "message_id=message.id,",
        'message_id=message.id + "x" * message.tries,',
    ),
    Mutant(
        "messages_apart_from_facts",
        7,
        "messages are written after the facts, in a transaction of their own",
        (
            Edit(f"{_DESK}._commit", "alert_rows.put(batch.messages),", ""),
            Edit(
                f"{_DESK}.turn",
                "self._tell(batch, shown)",
                "await self._store.write([alert_rows.put(batch.messages)]); self._tell(batch, shown)",
            ),
        ),
    ),
    _one(
        "failed_try_is_the_end",
        7,
        "what was not answered counts as delivered",
        f"{_POST}._carry",
        'if outcome.fate != "retry":',
        'outcome = Outcome("delivered") if outcome.fate == "retry" else outcome\n    if outcome.fate != "retry":',
    ),
    Mutant(
        "stranger_swallowed",
        8,
        "what an unknown device says is answered and thrown away",
        (
            Edit(
                f"{_INBOX}.put",
                "if signal.type in ASKING:",
                "if signal.type in ASKING and found is not None:",
            ),
            Edit(
                f"{_INBOX}.put",
                "if signal.type not in ASKING:",
                'if signal.type not in ASKING or f"{signal.family}/{signal.device}" in unknown:',
            ),
        ),
    ),
    Mutant(
        "impossible_clock_swallowed",
        8,
        "a press with a clock of 1970 is thrown away",
        (
            Edit(
                f"{_INBOX}.put",
                "if signal.type in ASKING:",
                f"if signal.type in ASKING and ({_SOUND}):",
            ),
            Edit(
                f"{_INBOX}.put",
                "if signal.type not in ASKING:",
                f"if signal.type not in ASKING or not ({_SOUND}):",
            ),
        ),
    ),
    _one(
        "test_mode_goes_on",
        8,
        "test mode takes the second press too",
        f"{_DESK}._signal",
        "until_us = roll.test_until_us.pop(device.id)",
        "until_us = roll.test_until_us[device.id]",
    ),
    _one(
        "newest_first",
        9,
        "what came last is decided first, whatever it is",
        f"{_INBOX}.take",
        "self._fresh.sort(key=itemgetter(0))",
        "self._fresh.reverse()",
    ),
    _one(
        "name_in_the_journal",
        10,
        "the journal says who opened a call by name",
        "dispatcher.core.decide:_open_signal",
        "test=in_test,",
        'test=in_test, by=resident.name if resident is not None else "",',
    ),
    _one(
        "everybody_sees_all",
        10,
        "a station sees the calls of every area",
        f"{_SCOPE}.sees_call",
        "return self.sees_place_of(call) or (call.open and self._asked(call))",
        "return True",
    ),
    _one(
        "everybody_may_do_all",
        10,
        "a station may take steps of calls that are no business of it",
        f"{_SCOPE}.may_step",
        "if self.sees_call(call):",
        "if self.access:",
    ),
    _one(
        "kept_press_rings",
        8,
        "a press that a broker had kept rings as if it were new",
        "devices.native:NativeSession.receive",
        "if frame.retain:",
        "if frame.retain and channel != 'up':",
    ),
    Mutant(
        "cleared_before_shown",
        8,
        "what a broker had kept is cleared before its fault is on disk",
        (
            Edit(
                f"{_INTAKE}.take",
                "self._replayed.append((line, piece, received_at))",
                "self._send(line, piece.answers); self._replayed.append((line, piece, received_at))",
            ),
        ),
    ),
    _one(
        "will_is_not_heard",
        0,
        "a last will counts as a sign of life",
        "dispatcher.supervision:Supervision.heard",
        'if kind is SignalType.OFFLINE or (not signal.id and "retained" in details):',
        "if False:",
    ),
    _one(
        "kin_not_told_of_the_accept",
        7,
        "relatives are not told that somebody has taken it",
        "dispatcher.core.alert:_heard",
        'return "accepted"',
        "return None",
    ),
    _one(
        "told_as_it_is_now",
        7,
        "what a message shows of a call is how it stands when the message is sent",
        f"{_POST}._send",
        "now_us = self._clock.now_us()",
        "now_us = self._clock.now_us(); live = self._ledger.open.get(message.call or ''); "
        "event = event if live is None or event is None else "
        "type(event)('', event.entry, live, event._roll, event._place, event._texts)",
    ),
    _one(
        "overtaken_after_put_back",
        7,
        "what was written before the clock was put back is passed by what came after",
        f"{_POST}._read_on",
        "found = await self._store.read(rows.LANE,",
        "found = await self._store.read(rows.LANE.where(rows.alerts.c.due_us <= until_us),",
    ),
    _one(
        "resume_from_now",
        0,
        "a reader that comes back goes on from now, not from where it was",
        "dispatcher.feed:Feed.reader",
        "return Reader(self, district, found[2])",
        "return Reader(self, district, head)",
    ),
    _one(
        "word_never_carried_again",
        0,
        "a word to a wearer that could not be carried is not carried again",
        "dispatcher.outbox:Outbox.returned",
        '"until_us": now_us\n',
        '"until_us": now_us + 10**15\n',
    ),
    _one(
        "fault_row_forgotten",
        0,
        "faults are told, and not written down",
        f"{_DESK}._commit",
        "*batch.reports.work,",
        "",
    ),
    _one(
        "told_before_the_commit",
        0,
        "readers hear of facts that may yet fail to be written",
        f"{_DESK}.turn",
        "shown = await self._commit(batch)",
        "self._feed.publish(batch.told, {}, {}); shown = await self._commit(batch)",
    ),
)
