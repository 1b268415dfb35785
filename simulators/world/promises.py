"""What the checkers look for: each by a name that stays, and the promise of the contract (section 8) it keeps watch over.

`yijian simulate world --checkers` prints this table.
"""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """`promise` 0: what all promises stand on."""

    name: str
    promise: int
    says: str


_ALL = (
    Check(
        "receipt_after_commit", 1, "a receipt, an ACK frame or a 201 goes out only once the signal is on disk"
    ),
    Check(
        "puback_after_commit",
        1,
        "the broker hears of a press only once it is on disk, or its sender was told busy",
    ),
    Check("press_in_one_call", 2, "a stored press opens one call or joins one: never two, never none"),
    Check("receipt_names_its_call", 2, "every receipt of one id names the call that its press is in"),
    Check("one_open_call_each", 2, "one open call for a person and a key"),
    Check("nothing_left_undecided", 2, "when the faults are over, every input is decided"),
    Check("every_press_receipted", 2, "when the faults are over, every device has its receipts"),
    Check("owned_or_stepping", 3, "every open call has an owner with a deadline, or a next step with a time"),
    Check("deadline_is_a_row", 3, "the next moment of a call stands in its row"),
    Check("due_on_time", 3, "what is due happens, unless the machine is in trouble"),
    Check(
        "put_back_puts_nothing_off",
        3,
        "a clock that is put back puts nothing off by more than its own length",
    ),
    Check("step_once", 3, "each step and each repeat is taken once"),
    Check("no_burst", 3, "between two ringings lies the pause of the policy"),
    Check(
        "accept_stops_all", 4, "with the accept, every offer, step and summons ends in the same transaction"
    ),
    Check("no_step_while_held", 4, "nothing steps on while somebody holds the call"),
    Check("one_holder", 4, "two who accept at once: one wins"),
    Check("loser_is_told_who", 4, "and the other is told who"),
    Check(
        "vanished_gives_back",
        5,
        "a call whose holder's console vanished comes back at its deadline, not before",
    ),
    Check("done_means_done", 4, "a step that was answered 200 is in the journal"),
    Check("no_summons_after_accept", 4, "nobody is asked to come to a call that is taken"),
    Check("closed_by_a_person", 5, "an emergency is closed by a person, with evidence"),
    Check("cancel_stops_nothing", 5, "a cancel key moves no deadline"),
    Check("repress_is_heard", 5, "a further press rings, and lapses the holder who does not hear it"),
    Check(
        "lapse_steps_on", 5, "a holder who does not move loses the call, and the next step follows at once"
    ),
    Check("decline_steps_on", 5, "whoever declines, the next step follows in the same transaction"),
    Check("transfer_asks", 5, "a transfer asks that station at once, and takes the call from nobody"),
    Check(
        "overdue_is_heard",
        5,
        "a limit that passes rings at holder and desk; where nobody came, others are asked too",
    ),
    Check("rings_on", 5, "after the last step it goes on ringing"),
    Check(
        "routing_says_why",
        6,
        "who is asked is told with the reason and the way; each nearer one is named with why not",
    ),
    Check("declined_is_left_alone", 6, "a station that declined a call is not asked to it again by itself"),
    Check("alert_one_id", 7, "every try of a message has the id of its row, and goes where the row says"),
    Check("alert_with_its_fact", 7, "the messages of a fact are written in its own transaction"),
    Check("told_as_it_was", 7, "what a message says is what the ledger says of its fact, and of nobody else"),
    Check("kin_hear_the_ledger", 7, "relatives are told of every fact that they asked to hear of"),
    Check("alert_reaches", 7, "what is called delivered or sent has arrived at least once"),
    Check("alert_not_twice_at_once", 7, "one message is not under way twice at once"),
    Check("alert_in_order", 7, "one receiver hears of one call in order"),
    Check("alert_fate_known", 7, "when the faults are over, every message has its fate or its next try"),
    Check("stranger_is_heard", 8, "a press of an unknown device is a call of the district"),
    Check("only_the_first_is_a_test", 8, "test mode takes the first press, the next is real"),
    Check("emergencies_first", 9, "in one batch, what people do and emergencies are decided before all else"),
    Check("nobody_named", 10, "journal and device plane hold no name, number or address"),
    Check("scope_kept", 10, "a station sees the calls of its area and those it was asked to"),
    Check("journal_gapless", 0, "the journal counts without a gap and without a second telling"),
    Check("rows_are_the_fold", 0, "a call's row is the fold of its journal"),
    Check(
        "readers_hear_all", 0, "a reader hears every fact once and in order, whatever happened to it or us"
    ),
    Check("ledger_is_the_rows", 0, "the open calls in memory are those on disk"),
    Check("wearer_is_told", 0, "when the faults are over, every wearer was last told how it stands"),
    Check("faults_told", 0, "open faults and uncovered communities are those the journal tells of"),
    Check("silence_is_told", 0, "who is gone is known to be offline, once; who is there is not called so"),
    Check(
        "replay_rings_nobody", 8, "a press that a broker had kept is no press: shown as a fault, then cleared"
    ),
    Check("no_bug_inside", 0, "no decision, message or family failed inside"),
    Check("the_server_stands", 0, "the server ends only when it is killed"),
)
CHECKS: dict[str, Check] = {check.name: check for check in _ALL}
