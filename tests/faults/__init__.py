"""A network and a cloud that go wrong on purpose: a proxy on real sockets before a connector in embedded mode.

What goes wrong is either ordered by a test (`FaultyProxy.order`) or drawn from a seed that is printed, so that a
failed run is repeated by giving its seed again.
"""

from tests.faults.plan import COMMON, Dice, Fault, Limits
from tests.faults.proxy import FaultyProxy, Seen

__all__ = ["COMMON", "Dice", "Fault", "FaultyProxy", "Limits", "Seen"]
