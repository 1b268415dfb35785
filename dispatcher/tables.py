"""Every table of the dispatcher, in SQLAlchemy Core: the two logs, the calls between them, the register beside them.

Times are integers, microseconds since 1970 UTC (`_us`): the same on SQLite and PostgreSQL, and quick. JSON is text.
A column is a column where something is asked by it; the rest of a thing is in its `body`.

In short, the rule is: `inbox` is what was asked, `journal` what was decided, `calls` the fold of the journal.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

#: SQLite counts by itself only on a column that is INTEGER PRIMARY KEY.
_Counted = BigInteger().with_variant(Integer, "sqlite")

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

inbox = Table(
    "inbox",
    metadata,
    Column("seq", _Counted, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),  # who asked: family/address of a device, api/token of a program
    Column("ref", Text, nullable=False),  # the asker's own id for it: what makes a repeat recognisable
    Column("kind", Text, nullable=False),  # signal | command | report
    Column("lane", Integer, nullable=False),  # the lower the sooner: commands, emergencies, the rest, reports
    Column("district", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("decided_us", BigInteger),
    Column("call", Text),
    Column("result", Text),
    UniqueConstraint("source", "ref", name="inbox_source_ref"),
)
Index(
    "inbox_pending",
    inbox.c.lane,
    inbox.c.seq,
    sqlite_where=inbox.c.decided_us.is_(None),
    postgresql_where=inbox.c.decided_us.is_(None),
)
Index("inbox_received", inbox.c.received_us)

journal = Table(
    "journal",
    metadata,
    Column("district", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("fact", Text, nullable=False),
    Column("call", Text),
    Column("device", Text),
    Column("cause", Text, nullable=False),
    Column("body", Text, nullable=False),
    # The second fence against two desks: one district, one number, one fact.
    PrimaryKeyConstraint("district", "seq"),
)
Index("journal_call", journal.c.call, journal.c.seq)
# What belongs to no call is let go by its age, what does by its call's end.
_of_no_call = journal.c.call.is_(None)
Index(
    "journal_of_no_call",
    journal.c.district,
    journal.c.seq,
    sqlite_where=_of_no_call,
    postgresql_where=_of_no_call,
)

calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("district", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("test", Integer, nullable=False),
    Column("device", Text),
    Column("resident", Text),
    Column("area", Text),
    Column("opened_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("due_us", BigInteger),
    Column("body", Text, nullable=False),
    # Promise 3, kept by the database itself: an open call has a next moment, a closed one has none.
    CheckConstraint("(closed_us IS NULL) = (due_us IS NOT NULL)", name="calls_open_is_due"),
    CheckConstraint("(state = 'closed') = (closed_us IS NOT NULL)", name="calls_closed_is_closed"),
)
Index(
    "calls_due",
    calls.c.due_us,
    sqlite_where=calls.c.due_us.is_not(None),
    postgresql_where=calls.c.due_us.is_not(None),
)
Index("calls_opened", calls.c.district, calls.c.opened_us, calls.c.id)
_closed = calls.c.closed_us.is_not(None)
Index("calls_closed", calls.c.closed_us, sqlite_where=_closed, postgresql_where=_closed)
Index("calls_resident", calls.c.resident)
Index("calls_device", calls.c.device)

call_stations = Table(
    "call_stations",
    metadata,
    Column("call", Text, nullable=False),
    Column("station", Text, nullable=False),
    PrimaryKeyConstraint("call", "station"),
)
Index("call_stations_station", call_stations.c.station)

# What people wrote about a call: notes and reasons. Apart from the journal, so that a person can be erased.
texts = Table(
    "texts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("call", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
Index("texts_call", texts.c.call)

# Where a call is and who called, when the register does not say: typed in by hand, or measured by the device.
places = Table(
    "places", metadata, Column("call", Text, primary_key=True), Column("body", Text, nullable=False)
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", _Counted, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("district", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("channel", Text, nullable=False),  # device: what the wearer is told; people are told by `alerts`
    Column("address", Text, nullable=False),  # family/address of a device
    Column("body", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column(
        "due_us", BigInteger, nullable=False
    ),  # not before this; moved on by a claim (the lease) and by a failure
    Column("tries", Integer, nullable=False, default=0),
)
Index("outbox_due", outbox.c.channel, outbox.c.due_us, outbox.c.seq)

# What people and programs are told: a row each, kept with its fate. Who is meant is an id, what is said is made of the
# journal and the register at the moment of sending: no name, number or text stands here.
alerts = Table(
    "alerts",
    metadata,
    Column("seq", _Counted, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),  # the same for all its tries
    Column("district", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("call", Text),
    Column("fact", Text, nullable=False),
    Column("fact_seq", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),  # of the fact
    Column("kind", Text, nullable=False),  # news | summons
    Column("channel", Text, nullable=False),  # webhook | sms
    Column(
        "target", Text, nullable=False
    ),  # a webhook, a contact (resident/index), a person of the staff, a station
    Column("asked", Text, nullable=False),  # of a summons: who was asked, as the call's offers name them
    Column("wording", Text, nullable=False),  # which text; empty for a webhook
    Column("endpoint", Text, nullable=False),  # where it goes: one that is slow or dead delays no other
    Column("lane", Text, nullable=False),  # what stands in one lane goes out in order
    Column("fate", Text, nullable=False),
    Column("due_us", BigInteger),  # not before this; a claim moves it on, and so does a failure
    Column("tries", Integer, nullable=False),
    Column("last_us", BigInteger),
    Column("provider", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("why", Text, nullable=False),
    CheckConstraint("(fate = 'queued') = (due_us IS NOT NULL)", name="alerts_queued_is_due"),
)
_queued = alerts.c.due_us.is_not(None)
Index("alerts_due", alerts.c.endpoint, alerts.c.due_us, sqlite_where=_queued, postgresql_where=_queued)
Index("alerts_lane", alerts.c.lane, alerts.c.seq, sqlite_where=_queued, postgresql_where=_queued)
Index("alerts_call", alerts.c.call, alerts.c.seq)
Index("alerts_at", alerts.c.at_us)

# Who is asked after on the day after an emergency, by whom and until when; one a call, which gives it its id.
follow_ups = Table(
    "follow_ups",
    metadata,
    Column("call", Text, primary_key=True),
    Column("district", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("station", Text, nullable=False),  # whose task it is
    Column("resident", Text),
    Column("closed_us", BigInteger, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # waiting | done | withdrawn
    Column("done_us", BigInteger),
    Column("result", Text, nullable=False),
    Column("body", Text, nullable=False),  # the tries
    CheckConstraint("(state = 'done') = (done_us IS NOT NULL)", name="follow_ups_done_is_done"),
)
Index("follow_ups_due", follow_ups.c.district, follow_ups.c.state, follow_ups.c.due_us, follow_ups.c.call)
Index("follow_ups_resident", follow_ups.c.resident)

# Who gave a shift over and who took it: rows are only added. What was open then is in the body, by ids; the note in `texts`.
handovers = Table(
    "handovers",
    metadata,
    Column("seq", _Counted, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("act", Text, nullable=False),  # given | taken
    Column("district", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("station", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("sound", Integer, nullable=False),  # of a taken one: whether the next call is heard there
    Column("body", Text, nullable=False),
    # Of two who take it at once, one is first.
    UniqueConstraint("id", "act", name="handovers_id_act"),
)
Index("handovers_place", handovers.c.district, handovers.c.station, handovers.c.area, handovers.c.seq)

# What is wrong with a device, from its first sign to its end.
faults = Table(
    "faults",
    metadata,
    Column("id", Text, primary_key=True),
    Column("district", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("device", Text),
    Column("source", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("station", Text, nullable=False),  # whose task it is
    Column("since_us", BigInteger, nullable=False),
    Column("due_us", BigInteger),  # by when somebody must have seen to it; none when it has ended
    Column("overdue", Integer, nullable=False),
    Column("ended_us", BigInteger),
    Column("body", Text, nullable=False),
    CheckConstraint("(ended_us IS NULL) = (due_us IS NOT NULL)", name="faults_open_is_due"),
)
Index("faults_open", faults.c.district, faults.c.since_us)
Index("faults_ended", faults.c.ended_us)

# Communities that nobody below the desk can come to, just now.
uncovered = Table(
    "uncovered",
    metadata,
    Column("area", Text, primary_key=True),
    Column("district", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
)

districts = Table(
    "districts",
    metadata,
    Column("code", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("place", Integer, nullable=False),
)


def _kind(name: str, *columns: Column[str]) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Text, primary_key=True),
        Column("district", Text, nullable=False),
        *columns,
        Column("body", Text, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
    )


areas = _kind("areas")
stations = _kind("stations")
residents = _kind("residents")
devices = _kind("devices", Column("source", Text, nullable=False, unique=True))
staff = _kind("staff")
webhooks = _kind("webhooks")
policies = Table(
    "policies",
    metadata,
    Column("district", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("district", "key"),
)

duty = Table(
    "duty",
    metadata,
    Column("staff", Text, primary_key=True),
    Column("on_duty", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
)
test_mode = Table(
    "test_mode",
    metadata,
    Column("device", Text, primary_key=True),
    Column("until_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
)
device_states = Table(
    "device_states",
    metadata,
    Column("source", Text, primary_key=True),
    Column("heard_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("station", Text, nullable=False),
    Column("staff", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
)

# Answers to writes that the desk does not decide (the register), kept by their Idempotency-Key.
replies = Table(
    "replies",
    metadata,
    Column("token", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("token", "key"),
)
Index("replies_at", replies.c.at_us)

# Who may log in at the console. The id is a staff id of the register, which says who that is and what they may.
users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("password", Text, nullable=False),  # argon2id, with its salt and its cost
    Column("pin", Text, nullable=False),  # the same of the PIN; empty: none
    Column("totp", Text, nullable=False),  # the secret shared with an authenticator app; empty: none
    Column("totp_step", BigInteger, nullable=False),  # the last half minute whose code was used: good once
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    # Until when a password given by somebody else is good, for setting one's own; NULL: it is their own.
    Column("start_until_us", BigInteger),
)

# Browsers in which somebody is logged in: only the hash of what the cookie holds.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("staff", Text, nullable=False),
    Column("how", Text, nullable=False),  # password | start | pin | oidc
    Column("created_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
)
Index("sessions_staff", sessions.c.staff, sessions.c.created_us)
Index("sessions_expires", sessions.c.expires_us)

# Who looked at what, and who changed what outside the calls (those are in the journal). Ids only, never what was seen.
audit = Table(
    "audit",
    metadata,
    Column("seq", _Counted, primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("district", Text, nullable=False),  # empty: the installation's
    Column("area", Text, nullable=False),
    Column("why", Text, nullable=False, server_default=""),  # the reason given for asking to see something
)
Index("audit_at", audit.c.at_us)
Index("audit_by", audit.c.by, audit.c.seq)
Index("audit_id", audit.c.id, audit.c.seq)

# What was changed in the register, field by field, in the same transaction as the change (`register_history`).
history = Table(
    "history",
    metadata,
    Column("seq", _Counted, primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column(
        "change", Integer, nullable=False
    ),  # which change of the process: with the moment, what is one write
    Column("by", Text, nullable=False),  # empty: the installation itself
    Column("act", Text, nullable=False),  # added | changed | removed
    Column("section", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("district", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column(
        "body", Text, nullable=False
    ),  # JSON: field -> [before, after], null = only that; empty: none, or erased
)
Index("history_at", history.c.at_us)
Index("history_id", history.c.id, history.c.seq)
Index("history_by", history.c.by, history.c.seq)
