"""Client and server are killed in the midst of protected exchanges; a recorder between them sees that no nonce comes twice.

`DLMS_KILLS=500 pytest tests/dlms/security/test_killed_exchanges.py` kills so often (on TCP; a fifth of it elsewhere), and
`DLMS_KILLS_SEED` makes it another campaign.  What comes twice and is allowed to: over HDLC a frame, octet for octet, on the
same connection; over UDP the answer to a doubled datagram, octet for octet, on the same connection.  Over TCP nothing.
"""

from __future__ import annotations
