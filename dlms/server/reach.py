"""One attribute or method of one object, on behalf of one association: found, allowed, and asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import CosemAttributeDescriptor, CosemMethodDescriptor, SelectiveAccess
from dlms.codec import ABSENT
from dlms.enums import AccessResult, ActionCode
from dlms.errors import AccessError, LocalProtocolError
from dlms.limits import MAX_APDU
from dlms.security.policy import Protection
from dlms.server.device import Objects
from dlms.server.objects import Context, behaviour
from dlms.server.objects.behaviour import Behaviour
from dlms.server.rights import Access, Served
from dlms.server.transfer import Encoded, Selected
from obis import Obis


class Reach:
    """What an association can do with the objects that it sees.  Services with logical and with short names go through it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        context.reach = self
        self.request = self.owed = Protection.NONE
        """How the request that is served is protected, and what its response must have."""
        self._broadcast = False
        self.changed = False
        """Whether anything was written or called since this was last set to False."""

    def serve(self, request: Protection, *, broadcast: bool = False) -> None:
        """A request comes, protected like this; a `broadcast` reaches fewer objects, and is answered to nobody."""
        self.request, self.owed = request, Protection.NONE
        self._broadcast = broadcast

    @contextlib.contextmanager
    def inside(self, protection: Protection) -> Iterator[None]:
        """What is done meanwhile was asked for inside a protection of its own, besides that of the request."""
        before = self.request
        self.request = before | protection
        try:
            yield
        finally:
            self.request = before

    @property
    def _objects(self) -> Objects:
        granted = self.context.granted
        return (granted.broadcast or {}) if self._broadcast else granted.objects

    @property
    def _possible(self) -> Protection:
        """What a response can have."""
        return Protection.NONE if self.context.ciphering is None else self.context.ciphering.possible

    def _check(self, access: Access, allowed: bool, declared: bool, ref: Any) -> None:
        """The association has the right, the request the protection that it wants, and the response can have it."""
        if not allowed or not self.request.covers(access.policy.request):
            raise AccessError(_refused(declared), ref)
        owed = access.policy.response
        if owed and not self._broadcast and not self._possible.covers(owed):
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)  # before anything is done that could not be told
        self.owed |= owed

    def read(self, attribute: CosemAttributeDescriptor, access: SelectiveAccess | None) -> Encoded | Selected:
        """The value of an attribute, ready to be sent.  Raises AccessError."""
        served = self._find(attribute.class_id, attribute.instance_id)
        ref = served.interface.attribute_ref(attribute.attribute_id)
        right = served.rights.access(ref.index)
        self._check(right, right.readable, ref.attribute is not None, ref)
        if ref.index == 1:
            return Encoded(cosem_data.encode(bytes(ref.instance)))
        value = _behaviour(served).get(ref, access, self.context)
        return value if isinstance(value, Selected) else Encoded(cosem_data.encode(value))

    def value(self, attribute: CosemAttributeDescriptor) -> Any:
        """The value of an attribute for another object's use: None where it may not be read, or is longer than an APDU."""
        try:
            read = self.read(attribute, None)
            return cosem_data.decode(read.take(MAX_APDU)) if read.fits(MAX_APDU) else None
        except AccessError:
            return None

    def write(self, attribute: CosemAttributeDescriptor, access: SelectiveAccess | None, value: Any) -> int:
        """Write an attribute; tells how it went."""
        self.changed = True
        try:
            served = self._find(attribute.class_id, attribute.instance_id)
            ref = served.interface.attribute_ref(attribute.attribute_id)
            if access is not None:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
            right = served.rights.access(ref.index)
            self._check(right, right.writable, ref.attribute is not None, ref)
            _behaviour(served).set(ref, value, self.context)
        except AccessError as refusal:
            return int(refusal.result)
        return int(AccessResult.SUCCESS)

    def call(self, method: CosemMethodDescriptor, parameter: Any) -> ActionResult:
        """Call a method; `parameter` is ABSENT when none was sent.  Tells how it went and what was returned."""
        self.changed = True
        try:
            served = self._find(method.class_id, method.instance_id)
            ref = served.interface.method_ref(method.method_id)
            right = served.rights.calling(ref.index)
            self._check(right, right.readable, ref.method is not None, ref)
            returned = _behaviour(served).call(ref, None if parameter is ABSENT else parameter, self.context)
        except AccessError as refusal:
            return ActionResult(_action_code(refusal.result), ABSENT)
        except LocalProtocolError:
            return ActionResult(int(ActionCode.TYPE_UNMATCHED), ABSENT)
        return ActionResult(int(ActionCode.SUCCESS), ABSENT if returned is None else returned)

    def returns(self, method: CosemMethodDescriptor) -> bool:
        """Whether a method may return something."""
        try:
            declared = self._find(method.class_id, method.instance_id).interface.methods.get(method.method_id)
        except AccessError:
            return False
        return declared is None or declared.returns is not None

    def _find(self, class_id: int, instance: bytes) -> Served:
        objects = self._objects
        served = objects.get((class_id, Obis(instance)))
        if served is not None:
            return served
        other_class = any(name == instance for _, name in objects)
        raise AccessError(AccessResult.OBJECT_CLASS_INCONSISTENT if other_class else AccessResult.OBJECT_UNDEFINED)


def _behaviour(served: Served) -> Behaviour:
    return behaviour(served.interface.class_id, served.interface.version)


def _action_code(result: int) -> int:
    """The refusal as a call can say it: some codes of reads and writes are none of calls."""
    known = result in AccessResult._value2member_map_ and result not in ActionCode._value2member_map_
    return int(ActionCode.OTHER_REASON if known else result)


def _refused(declared: bool) -> AccessResult:
    return AccessResult.READ_WRITE_DENIED if declared else AccessResult.OBJECT_UNDEFINED
