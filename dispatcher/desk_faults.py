"""What people may say of a fault: that it has been seen to. Decided by the desk, in its own transaction."""

from __future__ import annotations

from dispatcher.core.call import Cause
from dispatcher.core.commands import EndFault
from dispatcher.core.draft import Draft
from dispatcher.core.roll import Roll
from dispatcher.core.supervise import BY_HAND
from dispatcher.desk_rows import Batch
from dispatcher.inbox import Decided


def end_fault(batch: Batch, roll: Roll, input_id: str, command: EndFault, cause: Cause) -> Decided:
    """End it, with who said so and what they wrote; or say why not."""
    fault = batch.reports.with_id(command.fault)
    if fault is None or fault.district != roll.district.code:
        return Decided(409, code="fault_over", why="this fault is not open")
    if fault.fault not in BY_HAND:
        why = f"{fault.fault} ends by itself, when it is heard again; take the device off the register if it is gone"
        return Decided(409, code="ends_by_itself", why=why)
    code = roll.district.code
    draft = Draft(code, "", None, batch.now_us, batch.heads.get(code, 0) + 1, cause)
    batch.reports.end_by_hand(fault, draft, command.by, input_id if command.text else "")
    batch.heads[code] = draft.next_seq - 1
    batch.told += [(told.entry, told.call) for told in draft.told]
    if command.text:
        batch.texts.append({"id": input_id, "call": fault.id, "body": command.text, "at_us": batch.now_us})
    return Decided(200)
