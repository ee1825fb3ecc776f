"""Profile generic: the buffer by range and by entry.  Blue Book, class 7 version 1, selective access 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.cosem_time import DateTime
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.ic.measurement import BY_ENTRY, BY_RANGE
from dlms.interface import AttributeRef, attribute_ref
from dlms.quirks import Quirk
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.server.store import Rows
from dlms.server.transfer import Selected
from dlms.values import DoubleLongUnsigned

BUFFER, CAPTURE_OBJECTS, ENTRIES_IN_USE = 2, 3, 7
MAX_COLUMNS = 255
_NOTHING = range(0)


class ProfileGenericBehaviour(Behaviour):
    """The buffer is answered as rows, and entries_in_use counted from them; a buffer that is a plain value is one."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The buffer, whole or a part of it; other attributes from the store."""
        if ref.index not in (BUFFER, ENTRIES_IN_USE):
            return super().get(ref, access, context)
        rows: Rows | list[Any] = context.device.store.get(attribute_ref(7, ref.instance, BUFFER))
        if isinstance(rows, list):
            return super().get(ref, access, context)
        if ref.index == ENTRIES_IN_USE:
            if access is not None:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
            return DoubleLongUnsigned(len(rows.span()))
        indices, columns = (rows.span(), None) if access is None else _select(rows, ref, access, context)
        return Selected(rows, indices, columns, Quirk.WHOLE_ROW_BLOCKS in context.device.quirks)


def _select(
    rows: Rows, ref: AttributeRef[Any], access: SelectiveAccess, context: Context
) -> tuple[Sequence[int], Sequence[int] | None]:
    try:
        if access.selector == BY_RANGE:
            return _by_range(rows, ref, access.parameters, context)
        if access.selector == BY_ENTRY:
            return _by_entry(rows, access.parameters, context)
    except (TypeError, ValueError, IndexError, OverflowError) as fault:
        raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault
    raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)


def _by_range(
    rows: Rows, ref: AttributeRef[Any], parameters: Any, context: Context
) -> tuple[Sequence[int], Sequence[int] | None]:
    """The rows between two times.  Only the clock column restricts; selected columns are looked up."""
    (class_id, _, attribute, _), *bounds, selected = parameters
    start, end = (bytes(bound) if isinstance(bound, bytes | DateTime) else b"" for bound in bounds)
    if class_id != 8 or attribute != 2 or len(start) != 12 or len(end) != 12:
        raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
    columns = None
    if selected:
        definitions = attribute_ref(7, ref.instance, CAPTURE_OBJECTS)
        captured = [tuple(column) for column in context.device.store.get(definitions)]
        columns = [captured.index(tuple(column)) for column in selected]
    return rows.find(start, end), columns


def _by_entry(rows: Rows, parameters: Any, context: Context) -> tuple[range, range | None]:
    first, last, first_column, last_column = map(int, parameters)
    span = rows.span()
    newest_first = Quirk.ENTRIES_FROM_NEWEST in context.device.quirks
    picked = _entries_from_newest(span, first, last) if newest_first else _entries(span, first, last)
    if first_column <= 1 and last_column == 0:
        return picked, None
    return picked, range(max(first_column, 1) - 1, min(last_column or MAX_COLUMNS, MAX_COLUMNS))


def _entries(span: range, first: int, last: int) -> range:
    """Entries counted from 1 = oldest; 0 as last means the newest."""
    return span[max(first, 1) - 1 : last or None] if last == 0 or first <= last else _NOTHING


def _entries_from_newest(span: range, first: int, last: int) -> range:
    """Entries counted from 0 = newest, given back in the direction that is asked for (Kamstrup)."""
    by_age = span[::-1]
    if first <= last:
        return by_age[first : last + 1]
    low, high = last, min(first, len(by_age) - 1)
    return by_age[low : high + 1][::-1] if high >= low else _NOTHING
